"""Real worker processes for the tests that kill one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from celery import current_app as app
from django.conf import settings
from django.db import connection


@pytest.fixture
def worker_start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start real worker processes on this test's database and Redis; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {
        "DATABASE_URL": database_url_here(),
        "DJANGO_SETTINGS_MODULE": "elson.settings.testing",
    }
    words = ("worker", "--pool=solo", "--without-gossip", "--without-mingle", "-l", "WARNING")

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / f"worker{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "elson.celery", *words],
                cwd=settings.BASE_DIR,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process

    app.control.purge()
    yield start
    for process in started:
        process.kill()
        process.wait()
    app.control.purge()


def database_url_here() -> str:
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))
