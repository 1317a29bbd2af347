"""Where a test process keeps its state: apart from the developer's, apart from its sisters.

`elson.settings.testing` calls `use_private_places` before it reads any variable, so that one rule
holds for pytest, its parallel workers and the programs that tests start.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parents[2]
TEST_FOLDER = ROOT / "var" / "test"
OWNER = "ELSON_TEST_OWNER"  # number of the worker whose places the environment names
DAY_SECONDS = 86_400
SOCKET_FOLDER = "ELSON_TEST_SOCKET_FOLDER"


def worker_number(environ: MutableMapping[str, str]) -> int:
    """Return 0 for a lone process, 1, 2, … for the parallel workers of pytest-xdist."""
    digits = re.search(r"\d+", environ.get("PYTEST_XDIST_WORKER", ""))
    return int(digits.group()) + 1 if digits else 0


def use_private_places(environ: MutableMapping[str, str]) -> None:
    """Point state folder, Redis database and numba's cache to this process's own; repeatable.

    One thread for scikit-learn's trees: the threads of two workers on two cores wait for each other
    by spinning, and training takes twenty times as long.
    """
    number = worker_number(environ)
    if environ.get(OWNER) != str(number):
        _leave_places_of_controller(environ)
        environ[OWNER] = str(number)
    environ.setdefault("ELSON_STATE_DIR", str(TEST_FOLDER / _state_name(environ, number)))
    environ.setdefault("OMP_NUM_THREADS", "1")
    environ.setdefault("NUMBA_CACHE_DIR", str(TEST_FOLDER / "numba"))
    for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
        environ.setdefault(name, "")  # set, so that a .env file cannot bring in the real ones
    url = environ.get("REDIS_URL", "")
    if urlsplit(url).scheme in ("redis", "rediss"):
        # From the top: tests empty their database, and number 0 is where real keys live.
        environ["REDIS_URL"] = urlunsplit(urlsplit(url)._replace(path=f"/{15 - number}"))
    elif not url:
        # conftest.py makes the folder and starts the embedded server in it; socket paths are short.
        name = f"elson-{os.getuid()}-{os.getpid()}"
        folder = environ.setdefault(SOCKET_FOLDER, str(Path(tempfile.gettempdir()) / name))
        environ["REDIS_URL"] = f"redis+socket://{folder}/redis.sock"


def _leave_places_of_controller(environ: MutableMapping[str, str]) -> None:
    """A parallel worker inherits the controller's environment, but needs places of its own."""
    if OWNER in environ:
        environ.pop("ELSON_STATE_DIR", None)
        if environ.pop(SOCKET_FOLDER, None):
            environ.pop("REDIS_URL", None)


def _state_name(environ: MutableMapping[str, str], number: int) -> str:
    """Name the folder after the run: two people may test in one checkout at the same time."""
    if "PYTEST_VERSION" not in environ:
        return "state"  # mypy and manage.py only read the settings
    return f"state-{environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}-{number}"


def throw_away_folders() -> list[str]:
    """Return the folders that a pytest process made for itself and must remove."""
    state = os.environ.get("ELSON_STATE_DIR", "")
    made = [state] if state.startswith(str(TEST_FOLDER / "state-")) else []
    return made + [folder for name in (SOCKET_FOLDER,) if (folder := os.environ.get(name))]


def sweep() -> None:
    """Remove what killed runs left behind: sockets of dead processes, folders of yesterday."""
    for folder in Path(tempfile.gettempdir()).glob(f"elson-{os.getuid()}-*"):
        pid = folder.name.rpartition("-")[2]
        if pid.isdigit() and not is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
    for folder in TEST_FOLDER.glob("state-*"):
        if time.time() - folder.stat().st_mtime > DAY_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def database_name(environ: MutableMapping[str, str]) -> str:
    """Return the file of the SQLite test database: a file, because the product's is one."""
    return str(Path(environ["ELSON_STATE_DIR"]) / "test.sqlite3")


def database_template(vendor: str) -> Path | None:
    """Return where the migrated SQLite file of exactly these migrations is kept."""
    if vendor != "sqlite":
        return None
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    for path in sorted(ROOT.glob("*/**/*migrations/*.py")):
        if not path.is_relative_to(ROOT / "var"):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return TEST_FOLDER / f"migrated-{digest.hexdigest()[:16]}.sqlite3"


def private_socket() -> str | None:
    """Return the socket on which this process must start its own Redis, if it must."""
    parts = urlsplit(os.environ.get("REDIS_URL", ""))
    folder = os.environ.get(SOCKET_FOLDER)
    if folder and parts.scheme == "redis+socket" and parts.path.startswith(folder):
        return parts.path
    return None
