"""One machine, embedded SQLite and private Redis: what `make run` uses."""

from elson.settings.base import *  # noqa: F403  settings are layered by Django's convention
