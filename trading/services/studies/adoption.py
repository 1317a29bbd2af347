"""Taking parameters over: always as a new version, never into what runs."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from elson.common.errors import Conflict
from trading.models import Strategy, StrategyVersion, Study
from trading.selectors.strategies import rules_of
from trading.selectors.studies import trial_get
from trading.services.strategies import strategy_create, version_create


class StrategyMismatch(Conflict):
    """The strategy follows other rules than the study searched."""


def parameters_of(study: Study, number: int) -> dict[str, Any]:
    """Return the full parameters of a finished trial."""
    spec = rules_of(study.strategy_key)
    trial = trial_get(study, number)
    return {**spec.defaults, **study.fixed, **trial.parameters}


def newest_version(strategy: Strategy) -> StrategyVersion:
    """Return the newest version that is no draft, or the newest draft where all are."""
    versions = StrategyVersion.objects.filter(strategy=strategy).order_by("-number")
    newest = versions.filter(is_draft=False).first() or versions.first()
    assert newest is not None  # noqa: S101 - a strategy is made with its first version
    return newest


@transaction.atomic
def study_apply(*, study: Study, number: int, strategy: Strategy | None) -> StrategyVersion:
    """Store a trial's parameters as the next draft version of a strategy, or of a new one.

    Running deployments keep their version. Raises StrategyMismatch for other rules.
    """
    parameters = parameters_of(study, number)
    note = f"from optimization #{study.pk}, trial {number}"
    if strategy is None:
        name = rules_of(study.strategy_key).name
        return strategy_create(
            user=study.user,
            key=study.strategy_key,
            name=f"{name} (optimization #{study.pk})"[:80],
            parameters=parameters,
            note=note,
            is_draft=True,
            source=StrategyVersion.Source.STUDY,
        )
    if strategy.user_id != study.user_id or strategy.key != study.strategy_key:
        raise StrategyMismatch(
            "STRATEGY_MISMATCH",
            f"Optimization #{study.pk} searched {study.strategy_key}; "
            f"{strategy.name} follows {strategy.key}.",
        )
    return version_create(
        strategy=strategy,
        parameters=parameters,
        note=note,
        is_draft=True,
        source=StrategyVersion.Source.STUDY,
    )
