"""Trials in chunks: who holds which, and what a worker that lost its lease may not write.

A chunk is a set of trial rows with one lease key. A killed worker loses what it has not written;
its rows are taken by the next claim once the lease lapses. Counters, ledger and rows change in one
transaction under the lease, so nothing counts twice.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from trading.models import Study, Trial
from trading.services.trial_ledger import trials_append

# A silent worker's trials are given to another after this long.
LEASE = dt.timedelta(seconds=30)
Status = Trial.Status
# What an outcome changes of its row.
WRITTEN = (
    "status", "lease_key", "lease_expires_at", "error", "finished_at",
    "objective", "in_sample_sharpe", "out_of_sample_sharpe", "dispersion", "n_trades",
    "max_drawdown", "total_return", "bar_sharpe", "refusal", "folds",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chunk:
    """Trials one worker holds."""

    key: uuid.UUID
    trials: Sequence[Trial]


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What became of one trial: the columns of its score, or an error."""

    number: int
    values: Mapping[str, Any]
    error: str = ""


@transaction.atomic
def chunk_claim(*, study: Study, size: int, now: dt.datetime) -> Chunk | None:
    """Take up to `size` trials that wait, or whose worker fell silent; None when there is none."""
    key = uuid.uuid4()
    waiting = Trial.objects.filter(study=study, status=Status.WAITING)
    lapsed = Trial.objects.filter(study=study, status=Status.RUNNING, lease_expires_at__lt=now)
    for free in (waiting, lapsed):
        can_skip = connection.features.has_select_for_update_skip_locked
        rows = free.select_for_update(skip_locked=can_skip).order_by("number")
        picked = list(rows.values_list("pk", flat=True)[:size])
        taken = free.filter(pk__in=picked).update(
            status=Status.RUNNING, lease_key=key, lease_expires_at=now + LEASE
        )
        if taken:
            # By status too: its index keeps this as cheap in a long study as in a short one.
            running = Trial.objects.filter(study=study, status=Status.RUNNING, lease_key=key)
            return Chunk(key, list(running.order_by("number")))
    return None


def chunk_renew(*, study: Study, chunk: Chunk, now: dt.datetime) -> bool:
    """Keep the lease of a slow chunk alive; False when it was lost."""
    held = Trial.objects.filter(study=study, lease_key=chunk.key, status=Status.RUNNING)
    Study.objects.filter(pk=study.pk).update(lease_expires_at=now + LEASE)
    return bool(held.update(lease_expires_at=now + LEASE))


def parameters_write(*, study: Study, chunk: Chunk) -> None:
    """Store what the sampler suggested before it is evaluated, so that others keep away from it."""
    for trial in chunk.trials:
        Trial.objects.filter(pk=trial.pk, lease_key=chunk.key).update(parameters=trial.parameters)


@transaction.atomic
def chunk_write(
    *,
    study: Study,
    chunk: Chunk,
    outcomes: Sequence[TrialOutcome],
    n_bars: int,
    now: dt.datetime,
) -> int:
    """Write what was evaluated, count it, give back the rest; return how many counted.

    A trial whose lease went to another worker is left to that one.
    """
    written = _outcomes_write(study, chunk, outcomes, now)
    Trial.objects.filter(study=study, lease_key=chunk.key, status=Status.RUNNING).update(
        status=Status.WAITING, lease_key=None, lease_expires_at=None
    )
    sharpes = {o.number: o.values["bar_sharpe"] for o in written if not o.error}
    trials_append(study=study, sharpes=sharpes, n_bars=n_bars, now=now)
    Study.objects.filter(pk=study.pk).update(
        n_done=F("n_done") + len(written),
        n_failed=F("n_failed") + sum(1 for o in written if o.error),
        lease_expires_at=now + LEASE,
        n_revivals=0,
        updated_at=now,
    )
    return len(written)


def _outcomes_write(
    study: Study, chunk: Chunk, outcomes: Sequence[TrialOutcome], now: dt.datetime
) -> list[TrialOutcome]:
    """Write every outcome whose trial is still held, in a few statements; return those."""
    rows = Trial.objects.filter(study=study, status=Status.RUNNING, lease_key=chunk.key)
    is_held = set(rows.select_for_update().values_list("pk", flat=True))
    held = {trial.number: trial for trial in chunk.trials if trial.pk in is_held}
    written = [outcome for outcome in outcomes if outcome.number in held]
    for outcome in written:
        trial = held[outcome.number]
        trial.status = Status.FAILED if outcome.error else Status.DONE
        trial.error = outcome.error[:300]
        trial.finished_at = now
        trial.lease_key = trial.lease_expires_at = None
        for name, value in outcome.values.items():
            setattr(trial, name, value)
    # An insert that meets its own locked row: one statement for many, which UPDATE has no form for.
    Trial.objects.bulk_create(
        [held[outcome.number] for outcome in written],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=WRITTEN,
    )
    return written
