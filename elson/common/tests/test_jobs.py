from __future__ import annotations

import datetime as dt
import threading

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection, transaction

from elson.common import jobs
from elson.common.models import OutboxEvent
from elson.common.redis import broker_url_of, client_of

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
LATER = dt.timedelta(days=3650)  # rows are stamped by the real clock; this is after all of them


@pytest.fixture
def queue():
    """The real broker's queue, empty; returns the ids of the jobs waiting in it."""
    client = client_of(settings.REDIS_URL)
    client.delete("celery")

    def waiting() -> list[str]:
        return client.lrange("celery", 0, -1)

    yield waiting
    client.delete("celery")
    client.close()


@pytest.fixture
def broker(monkeypatch):
    """Point the sender to another broker, or to none."""

    def use(url: str) -> None:
        monkeypatch.setattr(current_app.conf, "broker_write_url", broker_url_of(url))

    jobs._away["until"] = 0.0
    yield use
    jobs._away["until"] = 0.0


@pytest.mark.django_db(transaction=True)
def test_enqueue_sends_once_the_transaction_has_committed(queue, broker):
    with transaction.atomic():
        event = jobs.enqueue("common.heartbeats_forget")
        before = len(queue())

    assert (before, len(queue())) == (0, 1)
    event.refresh_from_db()
    assert event.sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_enqueue_leaves_nothing_when_the_transaction_fails(queue, broker):
    def write_and_fail() -> None:
        with transaction.atomic():
            jobs.enqueue("common.heartbeats_forget")
            raise LookupError

    with pytest.raises(LookupError):
        write_and_fail()

    assert len(queue()) == 0
    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_absent_broker_never_reaches_the_caller_and_loses_nothing(queue, broker, unused_port):
    broker(f"redis://127.0.0.1:{unused_port}/0")

    event = jobs.enqueue("common.heartbeats_forget")

    event.refresh_from_db()
    assert (event.sent_at, event.n_attempts) == (None, 1)
    assert event.last_error


@pytest.mark.django_db(transaction=True)
def test_job_written_while_the_broker_was_away_goes_out_when_it_is_back(queue, broker, unused_port):
    broker(f"redis://127.0.0.1:{unused_port}/0")
    jobs.enqueue("common.heartbeats_forget")

    broker(settings.REDIS_URL)
    n_sent = jobs.jobs_sweep(now=dt.datetime.now(dt.UTC) + LATER)

    assert (n_sent, len(queue())) == (1, 1)
    assert jobs.jobs_sweep(now=dt.datetime.now(dt.UTC) + LATER) == 0


@pytest.mark.django_db(transaction=True)
def test_frozen_broker_costs_a_request_its_time_limit_once(broker, frozen_server, monkeypatch):
    # As long as the test may take, so that no slow machine outlasts it.
    monkeypatch.setattr(jobs, "_PAUSE_SECONDS", 600)
    broker(frozen_server.url)

    for _ in range(5):
        jobs.enqueue("common.heartbeats_forget")

    assert frozen_server.n_callers() == 1
    assert OutboxEvent.objects.filter(sent_at=None).count() == 5


@pytest.mark.django_db(transaction=True)
def test_sweep_leaves_a_row_that_may_still_be_on_its_way(queue, broker):
    written_at = OutboxEvent.objects.create(name="common.heartbeats_forget").created_at

    assert jobs.jobs_sweep(now=written_at + jobs.SWEEP_AFTER) == 0
    assert jobs.jobs_sweep(now=written_at + jobs.SWEEP_AFTER + dt.timedelta(seconds=1)) == 1


@pytest.mark.django_db(transaction=True)
def test_sweep_stops_at_the_first_failure(broker, unused_port):
    OutboxEvent.objects.bulk_create(OutboxEvent(name="common.jobs_forget") for _ in range(3))
    broker(f"redis://127.0.0.1:{unused_port}/0")

    assert jobs.jobs_sweep(now=dt.datetime.now(dt.UTC) + LATER) == 0
    assert sorted(OutboxEvent.objects.values_list("n_attempts", flat=True)) == [0, 0, 1]


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_at_once_send_each_job_once(queue, broker):
    OutboxEvent.objects.bulk_create(OutboxEvent(name="common.jobs_forget") for _ in range(40))
    barrier = threading.Barrier(2)
    sent = []

    def sweep() -> None:
        barrier.wait(60)
        try:
            sent.append(jobs.jobs_sweep(now=dt.datetime.now(dt.UTC) + LATER))
        finally:
            connection.close()

    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    for sweeper in sweepers:
        sweeper.join()

    assert sum(sent) == 40
    assert len(queue()) == 40


@pytest.mark.django_db(transaction=True)
def test_job_carries_the_id_of_the_request_that_wrote_it(queue, broker):
    import structlog

    with structlog.contextvars.bound_contextvars(request_id="request-0001"):
        jobs.enqueue("common.jobs_forget")

    assert b"request-0001" in queue()[0]


def test_rows_sent_a_week_ago_are_forgotten_and_no_others(db):
    old, young, waiting = (OutboxEvent.objects.create(name="common.jobs_forget") for _ in range(3))
    OutboxEvent.objects.filter(pk=old.pk).update(sent_at=NOW - dt.timedelta(days=8))
    OutboxEvent.objects.filter(pk=young.pk).update(sent_at=NOW - dt.timedelta(days=6))

    assert jobs.jobs_forget(now=NOW) == 1
    assert set(OutboxEvent.objects.all()) == {young, waiting}


def test_task_delivered_twice_leaves_the_same_rows(db):
    from elson.common import tasks

    OutboxEvent.objects.create(name="common.jobs_forget", sent_at=NOW - dt.timedelta(days=3650))

    assert (tasks.jobs_forget(), tasks.jobs_forget()) == (1, 0)
    assert (tasks.heartbeats_forget(), tasks.heartbeats_forget()) == (0, 0)
