"""A strategy as it runs today: the hybrid with the models of its active version.

Stored models are kept in memory: a version never changes once it exists.
"""

from __future__ import annotations

from functools import lru_cache

import structlog

from marketdata.selectors import nanoseconds
from trading.engine.errors import EngineError
from trading.engine.learning.fitted import DatedModel, FittedModel, Models
from trading.engine.strategies import StrategySpec, strategy_get
from trading.engine.strategies import hybrid as hybrid_strategy
from trading.models import ModelArtifact, ModelVersion
from trading.selectors.model_versions import version_active

logger = structlog.get_logger(__name__)
HYBRID = hybrid_strategy.SPEC.key


def spec_for(strategy_key: str, *, version: ModelVersion | None = None) -> StrategySpec:
    """Return a strategy ready to run: the hybrid bound to its models, any other as registered.

    `version` is the one to bind, None takes the active one. A version that cannot be read is logged
    and left out: the rules decide alone and say so, as without any version.
    """
    spec = strategy_get(strategy_key)
    if strategy_key != HYBRID:
        return spec
    bound = version or version_active(strategy_key)
    if bound is None:
        return spec
    try:
        return hybrid_strategy.with_model(spec, models_of(bound))
    except EngineError:
        logger.exception("model_unreadable", version=bound.pk)
        return spec


def model_identity(strategy_key: str) -> dict[str, object] | None:
    """Name the version `spec_for` binds, for a result's manifest; None for other strategies."""
    bound = version_active(strategy_key) if strategy_key == HYBRID else None
    if bound is None:
        return None
    return {"number": bound.number, "content_hash": bound.content_hash, "kind": bound.kind}


def models_of(version: ModelVersion) -> Models:
    """Return a version's models, oldest first; StateInvalid when one cannot be read."""
    return _models(version.training_id, version.content_hash)


@lru_cache(maxsize=4)
def _models(training_id: int, content_hash: str) -> Models:
    rows = ModelArtifact.objects.filter(training_id=training_id).order_by("valid_from")
    return tuple(
        DatedModel(nanoseconds(row.valid_from), FittedModel.from_dict(row.artifact)) for row in rows
    )
