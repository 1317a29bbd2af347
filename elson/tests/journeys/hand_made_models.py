"""Two trained versions of the hybrid's model for journeys, written by hand: no market is in them.

Run beside the platform by `manage.py shell`; prints the ids of the sound and the failing version.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from marketdata.selectors import nanoseconds
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import DatedModel, sequence_hash
from trading.models import ModelArtifact, ModelTraining, ModelVersion
from trading.tests.engine.models_by_hand import logistic
from trading.tests.model_rows import metrics_make

COMMAND = "from elson.tests.journeys.hand_made_models import shadows_make; shadows_make()"
NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
FIRST_DAY = dt.datetime(1990, 1, 2, tzinfo=dt.UTC)
SOUND, FAILING = 901, 902
GATE = {"name": "ece", "value": 0.02, "limit": 0.05, "is_passed": True, "text": "ECE 0.020 ≤ 0.050"}
MISSED = GATE | {"value": 0.09, "is_passed": False, "text": "ECE 0.090 > 0.050"}


def shadows_make() -> None:
    """Store both versions as shadows, once."""
    made = [_shadow(SOUND, 0.4, GATE), _shadow(FAILING, 0.5, MISSED)]
    print(*made)


def _shadow(number: int, weight: float, gate: dict[str, Any]) -> int:
    found = ModelVersion.objects.filter(strategy_key="hybrid", number=number).first()
    if found is not None:
        return int(found.pk)
    signs = [weight if k % 2 else -weight for k in range(len(GATE_FEATURES))]
    model = logistic(signs, tuple(GATE_FEATURES), intercept=0.3)
    training = ModelTraining.objects.create(
        kind="LOGISTIC", status="SUCCEEDED", phase="DONE", progress=1.0, symbols=["SPX"]
    )
    ModelArtifact.objects.create(
        training=training,
        valid_from=FIRST_DAY,
        artifact=model.to_dict(),
        content_hash=model.content_hash,
        n_train=450,
    )
    version = ModelVersion.objects.create(
        training=training,
        strategy_key="hybrid",
        number=number,
        kind="LOGISTIC",
        state="SHADOW",
        content_hash=sequence_hash([DatedModel(nanoseconds(FIRST_DAY), model)]),
        data_hash="0" * 64,
        code_version="journey",
        features=list(GATE_FEATURES),
        trained_from=FIRST_DAY.date(),
        trained_until=dt.date(2007, 12, 31),
        tested_from=dt.date(2000, 1, 3),
        n_train=450,
        n_tested=400,
        n_instruments=1,
        veto_share=0.2,
        metrics=metrics_make(number),
        gates=[gate],
        note="written by hand for a journey",
        created_at=NOW,
    )
    return int(version.pk)
