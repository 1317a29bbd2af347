"""Trained versions for tests: synthetic candidates whose odds can be learned, and cheap rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from marketdata.types import Bars
from trading.engine.types import AssetClass
from trading.models import ModelTraining, ModelVersion
from trading.services.models.candidates import TrainingBars
from trading.services.models.training import training_make, training_run
from trading.tests.engine.walks import DAY_NS, random_walk
from trading.tests.factories import NOW

START_NS = 946_684_800 * 10**9  # 2000-01-01


@cache
def walk(seed: int, n_bars: int = 2_600) -> Bars:
    """Ten years of one synthetic instrument, dated like weekdays."""
    drawn = random_walk(seed, n_bars, volatility=0.012)
    days = np.arange(n_bars, dtype=np.int64) * 7 // 5
    columns = {name: getattr(drawn, name) for name in ("open", "high", "low", "close", "volume")}
    return Bars(f"WALK{seed}", "1d", START_NS + days * DAY_NS, **columns)


def walks(n: int = 6) -> list[TrainingBars]:
    return [TrainingBars(walk(seed), AssetClass.EQUITY) for seed in range(n)]


def source(training: ModelTraining) -> Iterator[TrainingBars]:
    """Stands in for the database: the symbols name synthetic walks."""
    yield from walks(len(training.symbols))


def training_row(n: int = 6, **values: Any) -> ModelTraining:
    symbols = [f"WALK{k}" for k in range(n)]
    return training_make(**{"kind": "LOGISTIC", "symbols": symbols, "now": NOW} | values)


def version_trained(**values: Any) -> ModelVersion:
    training = training_row(**values)
    training_run(training_id=training.pk, clock=lambda: NOW, source=source)
    return ModelVersion.objects.get(training=training)


PASSED = [{"name": "brier", "value": 0.2, "limit": 0.3, "is_passed": True, "text": "ok"}]


def version_make(number: int = 1, *, champion: int | None = None, **values: Any) -> ModelVersion:
    """A version that passed its gates, without models; `champion` is whom it was compared with."""
    training = training_row(status=ModelTraining.Status.SUCCEEDED)
    day = dt.date(2024, 1, 1)
    fields = {
        "strategy_key": "hybrid",
        "number": number,
        "kind": "LOGISTIC",
        "content_hash": f"{number:064d}",
        "data_hash": "0" * 64,
        "trained_from": day,
        "trained_until": day,
        "tested_from": day,
        "n_train": 1,
        "n_tested": 1,
        "n_instruments": 1,
        "veto_share": 0.2,
        "gates": [gate | ({"champion": champion} if champion else {}) for gate in PASSED],
        "created_at": NOW,
    }
    return ModelVersion.objects.create(training=training, **fields | values)
