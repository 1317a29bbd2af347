"""A strategy as it runs today: the hybrid with the models of its active version.

Stored models are kept in memory: a version never changes once it exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import structlog

from marketdata.selectors import nanoseconds
from trading.engine.errors import EngineError, StateInvalid
from trading.engine.learning.fitted import DatedModel, FittedModel, Models, sequence_hash
from trading.engine.strategies import StrategySpec
from trading.engine.strategies import hybrid as hybrid_strategy
from trading.models import ModelArtifact, ModelVersion
from trading.selectors.model_versions import version_active
from trading.selectors.strategies import rules_of

logger = structlog.get_logger(__name__)
HYBRID = hybrid_strategy.SPEC.key


@dataclass(frozen=True, slots=True)
class Binding:
    """A strategy as it runs, and the version it asks as results name it; None for no version."""

    spec: StrategySpec
    model: dict[str, object] | None


def takes_model(strategy_key: str) -> bool:
    """Tell whether a strategy asks a model where there is one."""
    return strategy_key == HYBRID


def version_to_bind(strategy_key: str) -> ModelVersion | None:
    """Return the version a strategy asks today; None where there is none or it takes none."""
    return version_active(strategy_key) if takes_model(strategy_key) else None


def spec_with(strategy_key: str, version: ModelVersion | None) -> StrategySpec:
    """Return a strategy bound to exactly this version, or with None the rule alone.

    Raises StrategyNotInstalled, and StateInvalid or ConfigInvalid when the version cannot be read:
    whoever names one wants that one and no other.
    """
    spec = rules_of(strategy_key)
    return spec if version is None else hybrid_strategy.with_model(spec, models_of(version))


def binding_for(strategy_key: str) -> Binding:
    """Return a strategy as it runs today and the version it asks, both of one look.

    A version that cannot be read is logged and left out: the rules decide alone and say so, as
    without any version.
    """
    version = version_to_bind(strategy_key)
    try:
        return Binding(spec_with(strategy_key, version), identity_of(version))
    except EngineError:
        if version is None:
            raise
        logger.exception("model_unreadable", version=version.pk)
        return Binding(rules_of(strategy_key), None)


def spec_for(strategy_key: str) -> StrategySpec:
    """Return a strategy as it runs today; see `binding_for`."""
    return binding_for(strategy_key).spec


def identity_of(version: ModelVersion | None) -> dict[str, object] | None:
    """Name a version for results and manifests; None for none."""
    if version is None:
        return None
    return {"number": version.number, "content_hash": version.content_hash, "kind": version.kind}


def models_of(version: ModelVersion) -> Models:
    """Return a version's models, oldest first; StateInvalid when one cannot be read."""
    return _models(version.training_id, version.content_hash)


@lru_cache(maxsize=4)
def _models(training_id: int, content_hash: str) -> Models:
    rows = ModelArtifact.objects.filter(training_id=training_id).order_by("valid_from")
    models = tuple(
        DatedModel(nanoseconds(row.valid_from), FittedModel.from_dict(row.artifact)) for row in rows
    )
    found = sequence_hash(models)
    if found != content_hash:
        raise StateInvalid(
            f"the {len(models)} stored models of training {training_id} have hash {found[:12]}, "
            f"their version was measured with {content_hash[:12]}"
        )
    return models
