"""What a start needs and may be missing: tables, real prices, demo people, collected static files.

Each step has a key made of what it depends on. A step whose key stands in `prepared.json` and whose
product is still there is skipped, so a second start looks at a few hundred file times and one row.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import io
import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, connections

from elson.common import progress
from elson.serving import processes

Say = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One thing to make: its key says from what, `is_there` whether it still is."""

    name: str
    label: str
    key: Callable[[], str]
    is_there: Callable[[], bool]
    run: Callable[[Say], None]


def prepare(say: Say, *, is_forced: bool = False) -> list[str]:
    """Run the steps that have something to do; return their names."""
    done = []
    stamps = _stamps_read()
    for step in steps():
        key = step.key()
        if not is_forced and stamps.get(step.name) == key and step.is_there():
            continue
        started = time.monotonic()
        say(f"  … {step.label}")
        step.run(say)
        say(f"  ✓ {step.label:<44} {time.monotonic() - started:6.1f} s")
        stamps = {**_stamps_read(), step.name: step.key()}  # the step may have left a note there
        _stamps_write(stamps)
        done.append(step.name)
    return done


def prepare_in_child(say: Say) -> int:
    """Prepare in a copy of this process, so that the server's own memory stays small and clean."""
    if not has_work():
        return 0
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            processes.die_with_parent(signal.SIGTERM)
            prepare(say)
            code = 0
        except KeyboardInterrupt:
            code = 130
        except BaseException:  # the last place that can say what happened
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return abs(os.waitstatus_to_exitcode(status))


def has_work() -> bool:
    """Tell whether a step would run; leaves no connection open in this process."""
    stamps = _stamps_read()
    try:
        return any(stamps.get(step.name) != step.key() or not step.is_there() for step in steps())
    finally:
        connections.close_all()


def share_heavy_modules() -> None:
    """Load what worker, streamer and runner all need once, before they are forked off.

    Only memory and seconds are at stake here: what cannot be loaded is reported by the child that
    needs it.
    """
    with contextlib.suppress(ImportError):
        for app in apps.get_app_configs():
            name = f"{app.name}.tasks"
            if importlib.util.find_spec(name):
                importlib.import_module(name)


def steps() -> list[Step]:
    """Return every step of these settings in order."""
    found = [
        Step("tables", "database tables", _tables_key, _tables_are_there, _tables_make),
        Step("prices", "real market prices", _prices_key, _are_tables_filled, _prices_make),
    ]
    if settings.IS_DEVELOPMENT:
        people = "demo and staff users"
        found.append(Step("people", people, _people_key, _people_are_there, _people_make))
    if settings.HAS_HASHED_STATIC_FILES:
        static = "style sheets and scripts"
        found.append(Step("static", static, _static_key, _static_is_there, _static_make))
    return found


# --- tables -------------------------------------------------------------------------------------


def _tables_key() -> str:
    folders = [Path(app.path) / "migrations" for app in apps.get_app_configs()]
    modules = (importlib.import_module(name) for name in settings.MIGRATION_MODULES.values())
    folders += [Path(module.__path__[0]) for module in modules]
    return _key_of((file for folder in folders for file in folder.glob("[0-9]*.py")), _database())


def _tables_are_there() -> bool:
    """Count what the database says is applied: it may be a new one, and a stamp cannot know."""
    return _n_applied() == _stamps_read().get("n_migrations")


def _n_applied() -> int | None:
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite" and not Path(str(name)).exists():
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM django_migrations")
            return int(cursor.fetchone()[0])
    except DatabaseError:
        return None


def _tables_make(say: Say) -> None:
    call_command(
        "migrate", interactive=False, verbosity=1, no_color=True, stdout=_MigrateProgress(say)
    )
    stamps = _stamps_read()
    stamps["n_migrations"] = _n_applied()
    for name in ("prices", "people"):  # they live in the database and may be gone with it
        if not stamps.get("database") or stamps["database"] != _database():
            stamps.pop(name, None)
    stamps["database"] = _database()
    _stamps_write(stamps)


class _MigrateProgress(io.StringIO):
    """Turns migrate's lines into a progress bar."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._n_done = 0
        total = sum(
            1
            for app in apps.get_app_configs()
            for _ in (Path(app.path) / "migrations").glob("0*.py")
        )
        self._bar = progress.Bar("    migrations", total=total, say=say)

    def write(self, text: str) -> int:
        """Count what was applied."""
        self._n_done += len(re.findall(r"Applying \S+", text))
        self._bar.show(self._n_done)
        return len(text)


# --- prices and people --------------------------------------------------------------------------


def _prices_key() -> str:
    base = settings.BASE_DIR
    files = [*(base / "marketdata" / "providers").glob("*.py"), base / "requirements-data.lock"]
    return _key_of(files, _database())


def _prices_make(say: Say) -> None:
    report = io.StringIO()
    call_command("import_bars", source="embedded", stdout=report)
    say(f"    {report.getvalue().strip().rpartition(chr(10))[2]}")


def _are_tables_filled() -> bool:
    return _has_row("marketdata_barseries")


def _people_key() -> str:
    folder = settings.BASE_DIR / "elson"
    # The showcase is made with them: what is new in it reaches a platform that has its people.
    files = [folder / "management" / "commands" / "create_demo.py", folder / "showcase.py"]
    return _key_of(files, _database())


def _people_make(say: Say) -> None:
    call_command("create_demo", verbosity=0)


def _people_are_there() -> bool:
    return _has_row("accounts_user")


def _has_row(table: str) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608  our own two names
            return cursor.fetchone() is not None
    except DatabaseError:
        return False


# --- static files -------------------------------------------------------------------------------


def _static_key() -> str:
    base = settings.BASE_DIR
    files = (path for path in (base / "static").rglob("*") if path.is_file())
    return _key_of(
        [*files, base / "requirements.lock"], settings.STORAGES["staticfiles"]["BACKEND"]
    )


def _static_is_there() -> bool:
    return (Path(settings.STATIC_ROOT) / "staticfiles.json").exists()


def _static_make(say: Say) -> None:
    # The browsable API is off, so nothing asks for its files.
    call_command(
        "collectstatic", interactive=False, verbosity=0, ignore_patterns=["rest_framework"]
    )


# --- stamps -------------------------------------------------------------------------------------


def _database() -> str:
    entry = connection.settings_dict
    place = f"{entry['ENGINE']}:{entry.get('HOST')}:{entry.get('PORT')}:{entry['NAME']}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def _key_of(files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256("|".join(more).encode())
    for path in sorted(path for path in files if path.exists()):
        found = path.stat()
        digest.update(f"{path}:{found.st_size}:{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _stamps_path() -> Path:
    return Path(settings.STATE_DIR) / "prepared.json"


def _stamps_read() -> dict[str, object]:
    try:
        return dict(json.loads(_stamps_path().read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _stamps_write(stamps: dict[str, object]) -> None:
    part = _stamps_path().with_suffix(".part")
    part.write_text(json.dumps(stamps, indent=1, sort_keys=True), encoding="utf-8")
    part.replace(_stamps_path())
