"""Who holds a training and how far it is; a worker that lost its lease may not write."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from elson.common import jobs
from trading.models import ModelTraining

logger = structlog.get_logger(__name__)
Clock = Callable[[], dt.datetime]
Status, Phase = ModelTraining.Status, ModelTraining.Phase

TASK = "trading.model_train"
# A fit of the slowest kind takes seconds; a worker silent for longer is replaced.
LEASE = dt.timedelta(seconds=60)
SWEEP_AFTER = dt.timedelta(seconds=15)
MOST_ATTEMPTS = 4
_PHASES = tuple(Phase)
_SPANS = {
    Phase.LOADING: (0.0, 0.3),
    Phase.FITTING: (0.3, 0.9),
    Phase.MEASURING: (0.9, 1.0),
}


class LeaseLost(Exception):
    """Another worker took the training over."""


class TrainingCanceled(Exception):
    """Somebody called it off."""


class TrainingReport:
    """Writes how far a training is and renews its lease; a share never falls."""

    def __init__(self, training: ModelTraining, clock: Clock) -> None:
        self._training = training
        self._clock = clock

    def at(self, phase: ModelTraining.Phase, share: float, detail: str) -> None:
        """Write a place between two steps; raises when the lease or the wish is gone."""
        low, high = _SPANS[phase]
        progress = max(self._training.progress, low + (high - low) * share)
        furthest = max(_PHASES.index(Phase(self._training.phase)), _PHASES.index(phase))
        self._write(phase=_PHASES[furthest], progress=progress, detail=detail[:120])
        if ModelTraining.objects.filter(pk=self._training.pk, is_cancel_requested=True).exists():
            raise TrainingCanceled

    def end(self, detail: str) -> None:
        """Write the end, inside the transaction that stores the version."""
        self._write(
            status=Status.SUCCEEDED,
            phase=Phase.DONE,
            progress=1.0,
            detail=detail[:120],
            finished_at=self._clock(),
        )

    def _write(self, **values: Any) -> None:
        _write(self._training, self._clock(), **values)


def training_claim(training_id: int, now: dt.datetime) -> ModelTraining | None:
    """Take a training that waits or whose worker fell silent; None when there is nothing to do."""
    is_free = Q(status=Status.QUEUED) | Q(status=Status.RUNNING, lease_expires_at__lt=now)
    claimed = ModelTraining.objects.filter(is_free, pk=training_id).update(
        status=Status.RUNNING,
        lease_key=uuid.uuid4(),
        lease_expires_at=now + LEASE,
        n_attempts=F("n_attempts") + 1,
        started_at=Coalesce(F("started_at"), now),
    )
    return ModelTraining.objects.get(pk=training_id) if claimed else None


def _write(training: ModelTraining, now: dt.datetime, **values: Any) -> None:
    held = ModelTraining.objects.filter(
        pk=training.pk, status=Status.RUNNING, lease_key=training.lease_key
    )
    if not held.update(lease_expires_at=now + LEASE, updated_at=now, **values):
        raise LeaseLost(f"training #{training.pk} is held by another worker")
    for name, value in values.items():
        setattr(training, name, value)


def training_end(
    training: ModelTraining, now: dt.datetime, status: str, *, code: str = "", error: str = ""
) -> None:
    """Write how it ended, unless another worker holds it by now."""
    try:
        _write(training, now, status=status, finished_at=now, error_code=code[:60], error=error)
    except LeaseLost:
        logger.warning("training_lease_lost", training_id=training.pk)


@transaction.atomic
def training_revive(row: ModelTraining, now: dt.datetime) -> bool:
    """Send one training again, or give it up after four attempts; tell whether it was sent."""
    mine = ModelTraining.objects.filter(
        pk=row.pk, status=row.status, lease_key=row.lease_key, lease_expires_at=row.lease_expires_at
    )
    if row.n_attempts >= MOST_ATTEMPTS:
        text = f"The worker stopped {MOST_ATTEMPTS} times while training this."
        mine.update(
            status=Status.FAILED,
            finished_at=now,
            lease_key=None,
            error_code="WORKER_LOST",
            error=text,
        )
        return False
    wait = SWEEP_AFTER * 2 ** (1 + row.n_attempts)
    if not mine.update(status=Status.QUEUED, lease_key=None, lease_expires_at=now + wait):
        return False
    jobs.enqueue(TASK, training_id=row.pk)
    return True
