"""Who holds a training and how far it is; a worker that lost its lease may not write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import structlog
from django.db import transaction

from elson.common import jobs
from trading.models import ModelTraining
from trading.services.leases import LeaseLost, lease_claim, lease_lapse, lease_write

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
        lease_write(self._training, now=self._clock(), lease=LEASE, **values)


def training_claim(training_id: int, now: dt.datetime) -> ModelTraining | None:
    """Take a training that waits or whose worker fell silent; None when there is nothing to do."""
    if not lease_claim(ModelTraining, training_id, now=now, lease=LEASE):
        return None
    return ModelTraining.objects.get(pk=training_id)


def training_end(
    training: ModelTraining, now: dt.datetime, status: str, *, code: str = "", error: str = ""
) -> None:
    """Write how it ended, unless another worker holds it by now."""
    try:
        lease_write(
            training,
            now=now,
            lease=LEASE,
            status=status,
            finished_at=now,
            error_code=code[:60],
            error=error,
        )
    except LeaseLost:
        logger.warning("training_lease_lost", training_id=training.pk)


@transaction.atomic
def training_revive(row: ModelTraining, now: dt.datetime) -> bool:
    """Send one training again, or give it up after four attempts; tell whether it was sent."""
    became = lease_lapse(
        row,
        now=now,
        wait=SWEEP_AFTER,
        most_attempts=MOST_ATTEMPTS,
        sentence=f"The worker stopped {MOST_ATTEMPTS} times while training this.",
    )
    if became != Status.QUEUED:
        return False
    jobs.enqueue(TASK, training_id=row.pk)
    return True
