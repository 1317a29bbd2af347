"""A worker process is killed in the middle of a run; another one finishes it."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from django.utils import timezone

from trading.models import Backtest, BacktestResult
from trading.services.backtests.progress import LEASE
from trading.services.backtests.requests import backtests_sweep
from trading.tests.backtest_rows import waiting_make, walk_make
from trading.tests.factories import user_make

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.timeout(400),
]
PATIENCE_SECONDS = 180
# Enough bars for the run to last far longer than one look at its row.
N_BARS = 40_000


def until(reached: Callable[[Backtest], bool], pk: int, process: subprocess.Popen[bytes]) -> None:
    """Look at the row again and again; fail when the worker ends or nothing comes of it."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not reached(Backtest.objects.get(pk=pk)):
        row = Backtest.objects.get(pk=pk)
        assert process.poll() is None, f"the worker ended with {process.returncode}"
        assert time.monotonic() < ends, f"still {row.status} {row.phase} {row.progress:.0%}"


def test_a_run_whose_worker_is_killed_is_finished_by_another(worker_start):
    walk_make(N_BARS)
    made = waiting_make(user_make(), now=timezone.now())
    first = worker_start()
    until(lambda row: row.status == "RUNNING", made.pk, first)

    first.send_signal(signal.SIGKILL)
    first.wait()

    made.refresh_from_db()
    assert (made.status, made.n_attempts) == ("RUNNING", 1)
    assert not BacktestResult.objects.exists()
    share = made.progress
    # The lease lapses by itself; the sweeper is told a later time instead of waiting for it.
    assert backtests_sweep(now=timezone.now() + LEASE + dt.timedelta(seconds=1)) == 1
    until(lambda row: row.status == "SUCCEEDED", made.pk, worker_start())

    made.refresh_from_db()
    assert made.n_attempts == 2
    assert made.progress == 1.0 >= share
    assert made.result.manifest["data"]["n_bars"] == N_BARS
