"""What the test suite runs on: the same parts, fast hashing, no outgoing e-mail."""

import os
from typing import Any, cast

from elson.tests.environment import database_name, use_private_places, worker_number

use_private_places(os.environ)  # before base reads a single variable

from elson.settings.base import *  # noqa: E402, F403  settings are layered by Django's convention

# Threads of a test wait for each other's locks; how long is the machine's business.
PATIENCE_SECONDS = 120
_options = cast(dict[str, Any], DATABASES["default"]["OPTIONS"])
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": database_name(os.environ)}
    _options["timeout"] = PATIENCE_SECONDS
else:
    limits = (f"-c {of}_timeout={PATIENCE_SECONDS}s" for of in ("statement", "lock"))
    _options |= {"connect_timeout": PATIENCE_SECONDS, "options": " ".join(limits)}
CHANNEL_LAYERS["default"]["CONFIG"]["prefix"] = f"elson-{worker_number(os.environ)}"

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
