"""What comes of a training: the version that stands for its models, with every measure of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Max

from marketdata.selectors import instant
from trading.engine import hybrid
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import DatedModel, sequence_hash
from trading.models import ModelTraining, ModelTransition, ModelVersion
from trading.services.backtests.manifest import code_identity
from trading.services.models.candidates import Candidates
from trading.services.models.sequence import (
    OutOfSample,
    member_metrics,
    metrics_of,
    reference_of,
)


def version_store(
    training: ModelTraining,
    *,
    candidates: Candidates,
    models: list[DatedModel],
    tested: OutOfSample,
    gates: list[dict[str, Any]],
    data_hash: str,
    n_instruments: int,
    now: dt.datetime,
) -> ModelVersion:
    """Store the version of a finished training, a candidate from its first transition on."""
    code = code_identity()
    decided = tested.candidates.decided_at if len(tested) else candidates.decided_at
    newest = models[-1].model
    version = ModelVersion.objects.create(
        training=training,
        strategy_key=training.strategy_key,
        number=_next_number(training.strategy_key),
        kind=training.kind,
        content_hash=sequence_hash(models),
        data_hash=data_hash,
        code_version=str(code["revision"] or code["version"])[:40],
        features=list(GATE_FEATURES),
        trained_from=instant(int(candidates.decided_at.min())).date(),
        trained_until=instant(int(candidates.resolved_at.max())).date(),
        tested_from=instant(int(decided.min())).date(),
        n_train=newest.n_train + newest.n_calibration,
        n_tested=len(tested),
        n_instruments=n_instruments,
        veto_share=hybrid.VETO_SHARE,
        metrics=metrics_of(tested) | {"members": member_metrics(tested, models)},
        reference=reference_of(candidates, models),
        gates=gates,
        note=training.note,
        created_at=now,
    )
    ModelTransition.objects.create(
        version=version,
        to_state=ModelVersion.State.CANDIDATE,
        actor=training.requested_by,
        reason=f"trained on {n_instruments} instruments",
        gates=gates,
        created_at=now,
    )
    return version


def _next_number(strategy_key: str) -> int:
    found = ModelVersion.objects.filter(strategy_key=strategy_key).aggregate(most=Max("number"))
    return int(found["most"] or 0) + 1
