from __future__ import annotations

import datetime as dt
import socket
import threading
import time

import pytest
from django.db import connection

from elson.common.heartbeats import DEAD_AFTER_SECONDS
from elson.common.models import Component, Heartbeat, OutboxEvent
from monitoring import checks
from monitoring.checks import Finding, Probe, Readiness, Verdict, readiness_check
from monitoring.models import Incident
from monitoring.services import checks_run, incidents_update

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
GOOD = Finding("redis", "Live messages", is_ok=True)
BAD = Finding("redis", "Live messages", is_ok=False, detail="refused")


def beat(component: Component, *, age: float) -> None:
    Heartbeat.objects.create(
        component=component, process=f"here:{component}", beaten_at=NOW - dt.timedelta(seconds=age)
    )


def failing(readiness: Readiness) -> set[str]:
    return {finding.key for finding in readiness.findings if not finding.is_ok}


@pytest.mark.django_db(transaction=True)
def test_everything_in_order_is_ok():
    for component in (Component.WORKER, Component.STREAMER, Component.RUNNER):
        beat(component, age=3)

    assert readiness_check(now=NOW).verdict is Verdict.OK


@pytest.mark.django_db(transaction=True)
def test_silent_or_missing_process_is_degraded_and_not_down():
    beat(Component.WORKER, age=DEAD_AFTER_SECONDS)
    beat(Component.STREAMER, age=DEAD_AFTER_SECONDS + 1)

    readiness = readiness_check(now=NOW)

    assert readiness.verdict is Verdict.DEGRADED
    assert failing(readiness) == {"streamer", "runner"}
    assert readiness.finding("streamer").detail == "last sign of life 16 s ago"
    assert readiness.finding("runner").detail == "no process of it runs"


@pytest.mark.django_db(transaction=True)
def test_one_living_process_is_enough_beside_dead_ones():
    beat(Component.WORKER, age=3600)
    Heartbeat.objects.create(component=Component.WORKER, process="there:1", beaten_at=NOW)

    assert readiness_check(now=NOW).finding("worker").is_ok


@pytest.mark.django_db(transaction=True)
def test_migration_that_is_not_applied_is_down(monkeypatch):
    there = checks.migrations_on_disk()
    monkeypatch.setattr(checks, "migrations_on_disk", lambda: there | {("trading", "9999_next")})

    readiness = readiness_check(now=NOW)

    assert readiness.verdict is Verdict.DOWN
    assert "trading.9999_next" in readiness.finding("migrations").detail


@pytest.mark.parametrize(
    ("table", "column"), [("django_migrations", "name"), ("common_heartbeat", "beaten_at")]
)
@pytest.mark.django_db(transaction=True)
def test_missing_column_is_an_old_schema_and_not_a_database_that_is_away(table, column):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO away")
    try:
        readiness = readiness_check(now=NOW)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME COLUMN away TO {column}")

    assert readiness.verdict is Verdict.DOWN
    assert readiness.finding("database").is_ok
    assert not readiness.finding("migrations").is_ok
    assert "run manage.py migrate" in readiness.finding("migrations").detail


@pytest.mark.django_db(transaction=True)
def test_frozen_redis_is_degraded_and_not_down(settings):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4)
        settings.REDIS_URL = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"

        readiness = readiness_check(now=NOW)

    assert "redis" in failing(readiness)
    assert readiness.verdict is Verdict.DEGRADED


def test_what_does_not_answer_is_waited_for_no_longer_than_the_limit(monkeypatch):
    release = threading.Event()
    database = [Finding("database", "Database", is_ok=True, is_critical=True)]
    monkeypatch.setattr(checks, "_DATABASE", Probe(lambda: database, database))
    silent = Probe(lambda: [GOOD] if release.wait(60) else [], [BAD])
    monkeypatch.setattr(checks, "_REDIS", silent)
    monkeypatch.setattr(checks, "CHECK_SECONDS", 0.05)

    found = readiness_check(now=NOW).finding("redis")

    assert not release.is_set()
    assert found.detail.startswith("no answer for")
    release.set()


def test_hanging_look_costs_one_thread_however_often_it_is_asked():
    release, begun, looks = threading.Event(), threading.Event(), []

    def look() -> list[Finding]:
        looks.append(1)
        begun.set()
        release.wait(60)
        return [GOOD]

    probe = Probe(look, [Finding("redis", "Live messages", False)])
    answers = []
    for _ in range(5):
        answers += probe.end(probe.begin(), until=time.monotonic() + 0.01)

    assert begun.wait(60)
    assert len(looks) == 1
    assert all(not answer.is_ok and "no answer for" in answer.detail for answer in answers)

    current = probe.begin()
    release.set()
    assert probe.end(current, until=time.monotonic() + 60) == [GOOD]


def test_critical_failure_outweighs_the_others():
    database = Finding("database", "Database", is_ok=False, is_critical=True)

    assert Readiness((GOOD,)).verdict is Verdict.OK
    assert Readiness((GOOD, BAD)).verdict is Verdict.DEGRADED
    assert Readiness((GOOD, BAD, database)).verdict is Verdict.DOWN


def test_incident_opens_once_and_is_resolved_by_the_first_success(db):
    for _ in range(2):
        incidents_update(findings=[BAD], now=NOW)
    incident = Incident.objects.get()
    assert (incident.state, incident.opened_at, incident.detail) == ("OPEN", NOW, "refused")

    later = NOW + dt.timedelta(minutes=1)
    for _ in range(2):
        incidents_update(findings=[GOOD], now=later)

    incident.refresh_from_db()
    assert (incident.state, incident.resolved_at) == ("RESOLVED", later)


def test_second_failure_is_a_second_incident(db):
    for finding in (BAD, GOOD, BAD):
        incidents_update(findings=[finding], now=NOW)

    assert list(Incident.objects.order_by("id").values_list("state", flat=True)) == [
        "RESOLVED",
        "OPEN",
    ]


@pytest.mark.django_db(transaction=True)
def test_checks_run_opens_an_incident_for_jobs_that_wait_too_long():
    event = OutboxEvent.objects.create(name="trading.backtest_run")
    OutboxEvent.objects.update(created_at=NOW - dt.timedelta(seconds=61))

    checks_run(now=NOW)
    assert Incident.objects.filter(check_key="outbox", state="OPEN").exists()

    event.sent_at = NOW
    event.save()
    checks_run(now=NOW)
    assert not Incident.objects.filter(check_key="outbox", state="OPEN").exists()
