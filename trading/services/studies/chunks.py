"""Trials in chunks: who holds which, and what a worker that lost its lease may not write.

A `StudyChunk` is a run of trial numbers that are not finished. The free ones are a stock: a worker
cuts its chunk from the front of it and holds it by a lease. Trial rows, ledger and counters appear
in the transaction that ends the chunk, under its lease, so nothing counts twice. A killed worker
loses what it has not written; its chunk is free again once the lease lapses.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest

from trading.models import Study, StudyChunk, Trial
from trading.services.trial_ledger import trials_append

# A silent worker's trials are given to another after this long.
LEASE = dt.timedelta(seconds=30)
# A run on compiled loops says nothing before its end, so a lease also lasts for so many of the
# slowest trial of the study so far.
SLOWER = 3
# Where the stock runs out chunks shrink, but not below this part of what was asked for.
SMALLEST_SHARE = 0.1
# What others may have changed since a worker last looked.
MOVING = ("status", "n_done", "n_failed", "n_trials", "judgement", "slowest_seconds")
Status = Trial.Status


@dataclass(slots=True)
class Chunk:
    """Trials one worker holds: their numbers, and their parameters where the sampler chose."""

    key: uuid.UUID
    first: int
    n_trials: int
    parameters: list[dict[str, Any]] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Number of its last trial."""
        return self.first + self.n_trials - 1


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What became of one trial: the columns of its score, or an error; `key` is the ledger's."""

    number: int
    parameters: Mapping[str, Any]
    values: Mapping[str, Any]
    error: str = ""
    key: str = ""


def chunks_add(*, study: Study, first: int, n_trials: int) -> None:
    """Put trials into the stock of a study."""
    StudyChunk.objects.create(study=study, first=first, n_trials=n_trials)


@transaction.atomic
def chunk_claim(*, study: Study, size: int, now: dt.datetime, n_sharing: int = 1) -> Chunk | None:
    """Take up to `size` trials that are free, or whose worker fell silent; None when there is none.

    The last ones are divided among `n_sharing` workers, so that all of them end at about the same
    time. `study` is read again on the way; one that does not run has nothing to take.
    """
    # The row of the study is the lock: whoever waits for it sees the stock as it was left.
    study.refresh_from_db(from_queryset=Study.objects.select_for_update(), fields=MOVING)
    if study.status != Study.Status.RUNNING:
        return None
    can_skip = connection.features.has_select_for_update_skip_locked
    is_free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=now)
    rows = StudyChunk.objects.filter(is_free, study=study)
    stock = rows.select_for_update(skip_locked=can_skip).order_by("first").first()
    if stock is None:
        return None
    n_trials = max(min(size, -(-stock.n_trials // n_sharing)), int(size * SMALLEST_SHARE), 1)
    taken = Chunk(uuid.uuid4(), stock.first, min(n_trials, stock.n_trials))
    taken.parameters = stock.parameters[: taken.n_trials]
    held = StudyChunk(study=study, lease_key=taken.key, lease_expires_at=now + lease_of(study))
    held.first, held.n_trials, held.parameters = taken.first, taken.n_trials, taken.parameters
    _cut(stock, taken.n_trials)
    held.save(force_insert=True)
    return taken


def lease_of(study: Study) -> dt.timedelta:
    """Return how long a worker may be silent: long enough for the slowest trial there was."""
    return LEASE + dt.timedelta(seconds=SLOWER * study.slowest_seconds)


def chunk_renew(*, study: Study, chunk: Chunk, now: dt.datetime) -> bool:
    """Keep the lease of a slow chunk alive; False when it was lost."""
    until = now + lease_of(study)
    Study.objects.filter(pk=study.pk).update(lease_expires_at=until)
    return bool(_held(study, chunk).update(lease_expires_at=until))


def chunk_suggested(*, study: Study, chunk: Chunk, parameters: list[dict[str, Any]]) -> None:
    """Store what the sampler suggested before it is evaluated, so that others keep away from it."""
    chunk.parameters = parameters
    _held(study, chunk).update(parameters=parameters)


def chunk_write(
    *,
    study: Study,
    chunk: Chunk,
    outcomes: Sequence[TrialOutcome],
    n_bars: int,
    now: dt.datetime,
    slowest_seconds: float = 0.0,
) -> int:
    """Write the outcomes, the first of the chunk, and free its rest; return how many counted.

    A chunk whose lease went to another worker is left to that one; how long its slowest trial took
    is written all the same, so that the next lease is long enough. `study` is read again: to one
    worker alone its counters say that this was the last chunk.
    """
    rows = [_trial(study, outcome, now) for outcome in outcomes]
    done = [outcome for outcome in outcomes if not outcome.error]
    sharpes = {outcome.key: outcome.values["bar_sharpe"] for outcome in done}
    with transaction.atomic():
        if slowest_seconds > study.slowest_seconds:
            slowest = Greatest("slowest_seconds", Value(slowest_seconds))
            Study.objects.filter(pk=study.pk).update(slowest_seconds=slowest)
            study.slowest_seconds = slowest_seconds
        held = _held(study, chunk).select_for_update().first()
        if held is None:
            return 0
        _cut(held, len(outcomes))
        if not outcomes:
            # No progress: the lease of the study lapses, and the sweeper gives up in the end.
            return 0
        Trial.objects.bulk_create(rows)
        trials_append(study=study, sharpes=sharpes, n_bars=n_bars, now=now)
        Study.objects.filter(pk=study.pk).update(
            n_done=F("n_done") + len(outcomes),
            n_failed=F("n_failed") + len(outcomes) - len(done),
            lease_expires_at=now + lease_of(study),
            n_revivals=0,
            updated_at=now,
        )
        study.refresh_from_db(fields=MOVING)
    return len(outcomes)


def _held(study: Study, chunk: Chunk) -> Any:
    return StudyChunk.objects.filter(study=study, first=chunk.first, lease_key=chunk.key)


def _cut(row: StudyChunk, n_trials: int) -> None:
    """Take trials from the front of a chunk and leave the rest to anybody."""
    if n_trials == row.n_trials:
        row.delete()
        return
    row.first += n_trials
    row.n_trials -= n_trials
    row.parameters = row.parameters[n_trials:]
    row.lease_key = row.lease_expires_at = None
    row.save()


def _trial(study: Study, outcome: TrialOutcome, now: dt.datetime) -> Trial:
    return Trial(
        study=study,
        number=outcome.number,
        parameters=outcome.parameters,
        status=Status.FAILED if outcome.error else Status.DONE,
        error=outcome.error[:300],
        finished_at=now,
        **outcome.values,
    )
