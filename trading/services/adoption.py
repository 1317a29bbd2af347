"""Putting a backtested rule to use: a draft version, taken against its verdict only on purpose."""

from __future__ import annotations

from elson.common.errors import Conflict, DomainError
from trading.models import Backtest, StrategyVersion
from trading.selectors.strategies import rules_of
from trading.services.strategies import strategy_create

OVERRIDE = "unproven"


class AdoptionRefused(DomainError):
    """The verdict speaks against it and nobody said to go on."""

    title = "The verdict speaks against it"


def backtest_adopt(*, backtest: Backtest, override: str = "") -> StrategyVersion:
    """Store the rule of a finished run as a new strategy with a draft version; nothing starts.

    A run that failed its checks needs the word `OVERRIDE`, and the version's note records it.
    Raises Conflict without a result, AdoptionRefused without the word, and what `strategy_create`
    refuses: a second strategy of the same run has the same name.
    """
    if backtest.status != Backtest.Status.SUCCEEDED:
        raise Conflict(
            "BACKTEST_WITHOUT_RESULT",
            f"Backtest #{backtest.pk} is {backtest.status} and has no result.",
        )
    is_failed = backtest.result.honesty["status"] == "FAIL"
    if is_failed and override.strip().lower() != OVERRIDE:
        raise AdoptionRefused(
            "VERDICT_FAILED",
            f"Its verdict is “{backtest.result.honesty['verdict']}” Type {OVERRIDE} to go on.",
            field="override",
        )
    name = rules_of(backtest.strategy_key).name
    against = f", against its verdict ({OVERRIDE})" if is_failed else ""
    return strategy_create(
        user=backtest.user,
        key=backtest.strategy_key,
        name=f"{name} (backtest #{backtest.pk})"[:80],
        parameters=backtest.parameters,
        note=f"from backtest #{backtest.pk}{against}",
        limits=backtest.limits,
        is_draft=True,
        source=StrategyVersion.Source.BACKTEST,
    )
