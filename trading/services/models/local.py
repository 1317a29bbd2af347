"""Training in this process, on stored bars or on a folder of files, for the command line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from elson.common.errors import DomainError
from trading.models import ModelTraining, ModelVersion
from trading.services.evidence.folders import EvidenceFolder, folder_read
from trading.services.models.candidates import TrainingBars
from trading.services.models.training import (
    DATABASE,
    symbols_stored,
    training_abandon,
    training_make,
    training_run,
)
from trading.services.models.training_progress import Clock

DAILY = "1d"


class TrainingFailed(DomainError):
    """A training ended without a version; says why."""


def version_train(
    *,
    kind: str,
    seed: int = 7,
    path: Path | None = None,
    symbols: list[str] | None = None,
    note: str = "",
    now: dt.datetime,
    clock: Clock,
) -> ModelVersion:
    """Train here and now; raises TrainingFailed with the reason when no version came of it.

    With `path` the folder's daily series are learned from (manifest.csv, SHA256SUMS as for
    `verify_win_rates`), else the stored ones. A training killed here goes on in a worker if it
    reads the database; on a folder it is called off.
    """
    folder = None if path is None else folder_read(path, now=now, progress=lambda share, text: None)
    if folder is not None:
        names = [each.symbol for each in folder.instruments if each.bars.timeframe == DAILY]
    else:
        names = symbols or symbols_stored()
    training = training_make(
        kind=kind,
        symbols=names,
        seed=seed,
        note=note,
        source=folder.name[:200] if folder else DATABASE,
        now=now,
    )
    source = None if folder is None else lambda _: _bars_of(folder)
    try:
        ended = training_run(training_id=training.pk, clock=clock, source=source)
    except KeyboardInterrupt:
        if folder is not None:
            training_abandon(training=training, now=clock())
        raise
    if ended != ModelTraining.Status.SUCCEEDED:
        training.refresh_from_db()
        raise TrainingFailed(training.error_code or ended, training.error or f"ended as {ended}")
    return ModelVersion.objects.get(training=training)


def _bars_of(folder: EvidenceFolder) -> Iterator[TrainingBars]:
    for each in folder.instruments:
        if each.bars.timeframe == DAILY:
            yield TrainingBars(each.bars, each.preset)
