"""Canceling a run, and what the sweeper does with one nobody works on."""

import datetime as dt
import uuid

import pytest

from elson.common.errors import Conflict
from elson.common.models import OutboxEvent
from trading.models import Backtest, BacktestResult
from trading.services.backtests.progress import LEASE
from trading.services.backtests.requests import (
    MOST_ATTEMPTS,
    backtest_cancel,
    backtests_sweep,
)
from trading.services.backtests.runs import NOTHING_TO_DO, backtest_run
from trading.tests.backtest_rows import Ticks, asked
from trading.tests.factories import NOW

pytestmark = pytest.mark.django_db


def test_backtest_cancel_ends_a_waiting_run_at_once():
    backtest = asked()
    Backtest.objects.update(so_far={"equity": [1.0]})  # of a worker that fell silent
    backtest = backtest_cancel(backtest=backtest, now=NOW)

    assert backtest.so_far == {}

    assert backtest.status == "CANCELED"
    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == NOTHING_TO_DO


def test_backtest_cancel_stops_a_running_run_at_its_next_chunk():
    backtest = asked()
    clock = Ticks(4, lambda: backtest_cancel(backtest=backtest, now=NOW))

    assert backtest_run(backtest_id=backtest.pk, clock=clock) == "CANCELED"

    assert not BacktestResult.objects.exists()


def test_backtest_cancel_twice_is_once_and_a_finished_run_cannot_be_canceled():
    backtest = asked()
    backtest_cancel(backtest=backtest, now=NOW)
    assert backtest_cancel(backtest=backtest, now=NOW).status == "CANCELED"

    done = asked()
    backtest_run(backtest_id=done.pk, clock=Ticks())
    with pytest.raises(Conflict, match="has already ended: done"):
        backtest_cancel(backtest=done, now=NOW)


def test_backtest_cancel_ends_a_run_whose_worker_is_gone():
    backtest = asked()
    Backtest.objects.update(status="RUNNING", lease_key=uuid.uuid4(), lease_expires_at=NOW)

    later = NOW + dt.timedelta(seconds=1)
    assert backtest_cancel(backtest=backtest, now=later).status == "CANCELED"


def test_the_sweeper_leaves_a_fresh_request_and_a_held_lease_alone():
    asked()
    Backtest.objects.update(lease_expires_at=NOW + LEASE)

    assert backtests_sweep(now=NOW + LEASE) == 0
    assert OutboxEvent.objects.count() == 1


def test_the_sweeper_sends_again_what_waits_and_waits_longer_each_time():
    backtest = asked()

    assert backtests_sweep(now=NOW + dt.timedelta(seconds=16)) == 1
    assert backtests_sweep(now=NOW + dt.timedelta(seconds=17)) == 0
    assert OutboxEvent.objects.filter(arguments={"backtest_id": backtest.pk}).count() == 2


def test_a_run_of_a_silent_worker_is_taken_over_and_finished():
    backtest = asked()
    Backtest.objects.update(
        status="RUNNING",
        phase="NULL_MODEL",
        progress=0.7,
        n_attempts=1,
        lease_key=uuid.uuid4(),
        lease_expires_at=NOW - dt.timedelta(seconds=1),
    )

    assert backtests_sweep(now=NOW) == 1
    assert backtest_run(backtest_id=backtest.pk, clock=Ticks()) == "SUCCEEDED"

    backtest.refresh_from_db()
    assert backtest.n_attempts == 2


def test_progress_shown_to_a_person_does_not_fall_when_a_second_worker_starts_over(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "trading.services.backtests.progress.broadcast.backtest_progress",
        lambda backtest_id, values: seen.append((values["phase"], values["progress"])),
    )
    backtest = asked()
    Backtest.objects.update(phase="NULL_MODEL", progress=0.7, n_attempts=1)
    seen.clear()

    backtest_run(backtest_id=backtest.pk, clock=Ticks())

    assert min(share for _, share in seen) >= 0.7
    assert {phase for phase, _ in seen} <= {"NULL_MODEL", "STATISTICS", "DONE"}


def test_a_run_that_kills_its_workers_is_given_up():
    backtest = asked()
    Backtest.objects.update(
        status="RUNNING",
        n_attempts=MOST_ATTEMPTS,
        lease_key=uuid.uuid4(),
        lease_expires_at=NOW - dt.timedelta(seconds=1),
        so_far={"equity": [1.0]},
    )

    assert backtests_sweep(now=NOW) == 0

    backtest.refresh_from_db()
    assert backtest.status == "FAILED"
    assert (backtest.error_code, backtest.so_far) == ("WORKER_LOST", {})
    assert OutboxEvent.objects.count() == 1
