"""Checks of everything Elson depends on: each gives up within a second, whatever it looks at."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from elson.common.heartbeats import DEAD_AFTER_SECONDS
from elson.common.models import Component, Heartbeat
from elson.common.redis import client_of
from elson.common.schema import is_schema_old

CHECK_SECONDS = 1.0


class Verdict(StrEnum):
    """Whether requests may come: DEGRADED still answers, DOWN does not."""

    OK = "OK"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


@dataclass(frozen=True)
class Finding:
    """What one check found; `detail` may name ages and errors and is for staff only."""

    key: str
    title: str
    is_ok: bool
    is_critical: bool = False
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Readiness:
    """Everything found in one look."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Return DOWN when something critical fails, DEGRADED when something else does."""
        failing = [finding for finding in self.findings if not finding.is_ok]
        if any(finding.is_critical for finding in failing):
            return Verdict.DOWN
        return Verdict.DEGRADED if failing else Verdict.OK

    def finding(self, key: str) -> Finding:
        """Return the finding of one check."""
        return next(finding for finding in self.findings if finding.key == key)


@dataclass
class _Look:
    """One look at a dependency in a thread of its own."""

    started: float
    done: threading.Event = field(default_factory=threading.Event)
    findings: list[Finding] = field(default_factory=list)


class Probe:
    """Looks at one dependency with a time limit.

    A look that hangs is not started a second time: the next caller waits for the same one, so a
    frozen dependency costs one thread, not one a call.
    """

    def __init__(self, look: Callable[[], list[Finding]], when_silent: list[Finding]) -> None:
        self._look = look
        self._when_silent = when_silent
        self._lock = threading.Lock()
        self._current: _Look | None = None

    def begin(self) -> _Look:
        """Start a look, or join the one that is still under way."""
        with self._lock:
            if self._current is None or self._current.done.is_set():
                self._current = _Look(started=time.monotonic())
                threading.Thread(target=self._run, args=(self._current,), daemon=True).start()
            return self._current

    def end(self, look: _Look, *, until: float) -> list[Finding]:
        """Return what was found by `until` (monotonic), or that there is no answer."""
        if look.done.wait(max(0.0, until - time.monotonic())):
            return look.findings
        silent = time.monotonic() - look.started
        return [
            Finding(
                item.key,
                item.title,
                is_ok=False,
                is_critical=item.is_critical,
                detail=f"no answer for {silent:.1f} s",
                seconds=silent,
            )
            for item in self._when_silent
        ]

    def _run(self, look: _Look) -> None:
        try:
            look.findings = self._look()
        finally:
            look.done.set()


def readiness_check(*, now: dt.datetime) -> Readiness:
    """Look at database and Redis at the same time; done within a second or so in any case."""
    until = time.monotonic() + CHECK_SECONDS
    looks = [(probe, probe.begin()) for probe in (_DATABASE, _REDIS)]
    found = [finding for probe, look in looks for finding in probe.end(look, until=until)]
    ages = [finding for finding in found if finding.key.startswith("_beat:")]
    beats = _read_beats(ages, is_known=found[0].is_ok, now=now)
    return Readiness((*(item for item in found if item not in ages), *beats))


# --- database -----------------------------------------------------------------------------------

_DATABASE_TITLE = "Database"
_MIGRATIONS_TITLE = "Database tables are up to date"


def _look_at_database() -> list[Finding]:
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = set(cursor.fetchall())
        beats = list(Heartbeat.objects.order_by("beaten_at").values("component", "beaten_at"))
    except DatabaseError as error:
        return _database_fault(error, time.monotonic() - started)
    finally:
        connection.close()
    seconds = time.monotonic() - started
    missing = sorted(f"{app}.{name}" for app, name in migrations_on_disk() - applied)
    return [
        Finding("database", _DATABASE_TITLE, True, True, seconds=seconds),
        Finding(
            "migrations", _MIGRATIONS_TITLE, not missing, True,
            f"not applied: {', '.join(missing[:5])}; run manage.py migrate" if missing else "",
        ),
        *(
            Finding(f"_beat:{beat['component']}", beat["beaten_at"].isoformat(), True)
            for beat in beats
        ),
    ]  # fmt: skip


def _database_fault(error: DatabaseError, seconds: float) -> list[Finding]:
    """Say which of the two it is: a database without our tables answers, one that is away not."""
    text = str(error).strip()[:200]
    if is_schema_old(error):
        advice = f"{text}; run manage.py migrate"
        return [
            Finding("database", _DATABASE_TITLE, True, True, seconds=seconds),
            Finding("migrations", _MIGRATIONS_TITLE, False, True, advice),
        ]
    detail = f"{type(error).__name__}: {text}"
    return [
        Finding("database", _DATABASE_TITLE, False, True, detail, seconds),
        Finding("migrations", _MIGRATIONS_TITLE, False, True, "unknown"),
    ]


@lru_cache(maxsize=1)
def migrations_on_disk() -> frozenset[tuple[str, str]]:
    """Return (app, name) of every migration this code needs; found by file, not by import."""
    found = set()
    for app in apps.get_app_configs():
        module = settings.MIGRATION_MODULES.get(app.label)
        folder = (
            Path(import_module(module).__path__[0]) if module else Path(app.path) / "migrations"
        )
        found |= {(app.label, file.stem) for file in folder.glob("[0-9]*.py")}
    return frozenset(found)


# --- signs of life ------------------------------------------------------------------------------

_COMPONENT_TITLES = {
    Component.WORKER: "Background jobs",
    Component.STREAMER: "Market data",
    Component.RUNNER: "Strategies",
}


def _read_beats(ages: list[Finding], *, is_known: bool, now: dt.datetime) -> list[Finding]:
    newest = {age.key.partition(":")[2]: dt.datetime.fromisoformat(age.title) for age in ages}
    return [
        _beat_finding(component, title, newest.get(component.value), is_known=is_known, now=now)
        for component, title in _COMPONENT_TITLES.items()
    ]


def _beat_finding(
    component: Component,
    title: str,
    beaten_at: dt.datetime | None,
    *,
    is_known: bool,
    now: dt.datetime,
) -> Finding:
    key = component.value.lower()
    if not is_known:
        return Finding(key, title, False, detail="unknown while the database is away")
    if beaten_at is None:
        return Finding(key, title, False, detail="no process of it runs")
    age = (now - beaten_at).total_seconds()
    return Finding(
        key, title, age <= DEAD_AFTER_SECONDS, detail=f"last sign of life {age:.0f} s ago"
    )


# --- Redis --------------------------------------------------------------------------------------

_REDIS_TITLE = "Live messages"
_clients: dict[str, Any] = {}


def _look_at_redis() -> list[Finding]:
    started = time.monotonic()
    url = settings.REDIS_URL
    try:
        if url not in _clients:
            _clients[url] = client_of(url)
        _clients[url].ping()
    except (RedisError, OSError) as error:
        detail = f"{type(error).__name__}: {str(error)[:200]}"
        return [Finding("redis", _REDIS_TITLE, False, False, detail, time.monotonic() - started)]
    return [Finding("redis", _REDIS_TITLE, True, seconds=time.monotonic() - started)]


_DATABASE = Probe(
    _look_at_database,
    [
        Finding("database", _DATABASE_TITLE, False, True),
        Finding("migrations", _MIGRATIONS_TITLE, False, True),
    ],
)
_REDIS = Probe(_look_at_redis, [Finding("redis", _REDIS_TITLE, False)])
