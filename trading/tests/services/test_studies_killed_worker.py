"""A worker process is killed in the middle of a study; another one finishes it, to the digit."""

from __future__ import annotations

import datetime as dt
import signal
import time

import pytest
from django.utils import timezone

from trading.models import Study, StudyChunk, Trial, TrialLedgerEntry
from trading.services.studies.chunks import lease_of
from trading.services.studies.requests import studies_sweep
from trading.tests.study_rows import member_make, study_make

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.timeout(400),
]
PATIENCE_SECONDS = 180
N_TRIALS = 2_000
SPACE = {"fast": {"low": 3, "high": 60, "step": 1}, "slow": {"low": 70, "high": 200, "step": 1}}


def until(reached, study, process):
    """Look at the rows again and again; fail when the worker ends or nothing comes of it."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not reached(study):
        study.refresh_from_db()
        assert process.poll() is None, f"the worker ended with {process.returncode}"
        assert time.monotonic() < ends, f"still {study.status} {study.n_done}"


def asked(user):
    return study_make(
        user, n_bars=6000, method="random", n_trials=N_TRIALS, space=SPACE, n_workers=1,
        now=timezone.now(),
    )  # fmt: skip


def figures(study):
    rows = Trial.objects.filter(study=study).order_by("number")
    return list(rows.values_list("number", "objective", "bar_sharpe", "folds"))


def test_a_study_whose_worker_is_killed_is_finished_by_another(worker_start):
    study = asked(member_make())
    first = worker_start()
    until(lambda row: row.n_done > 0, study, first)

    first.send_signal(signal.SIGKILL)
    first.wait()

    study.refresh_from_db()
    held = StudyChunk.objects.filter(study=study, lease_key__isnull=False)
    n_held = sum(held.values_list("n_trials", flat=True))
    finished = figures(study)[: study.n_done]
    assert study.status == "RUNNING"
    assert 0 < study.n_done == TrialLedgerEntry.objects.count() < N_TRIALS
    # The leases lapse by themselves; they are moved back instead of waiting for them.
    past = timezone.now() - dt.timedelta(seconds=1)
    held.update(lease_expires_at=past)
    assert studies_sweep(now=timezone.now() + lease_of(study) + dt.timedelta(seconds=1)) == 1
    second = worker_start()
    until(lambda row: row.status == "SUCCEEDED", study, second)

    assert n_held <= N_TRIALS - len(finished)
    assert study.n_done == TrialLedgerEntry.objects.count() == N_TRIALS
    assert figures(study)[: len(finished)] == finished
    undisturbed = asked(member_make())
    until(lambda row: row.status == "SUCCEEDED", undisturbed, second)
    assert figures(undisturbed) == figures(study)
    assert Study.objects.count() == 2
