"""The strategies that ship with Elson, by key."""

from __future__ import annotations

from collections.abc import Mapping

from trading.engine.errors import UnknownStrategy
from trading.engine.strategies import (
    donchian_breakout,
    rsi2_reversion,
    sma_cross,
    volatility_adaptive_trend,
)
from trading.engine.strategies.base import (
    Features,
    Parameter,
    Params,
    Proposal,
    StrategySpec,
    resolve_params,
)

STRATEGIES: Mapping[str, StrategySpec] = {
    spec.key: spec
    for spec in (
        sma_cross.SPEC,
        rsi2_reversion.SPEC,
        donchian_breakout.SPEC,
        volatility_adaptive_trend.SPEC,
    )
}

__all__ = [
    "STRATEGIES",
    "Features",
    "Parameter",
    "Params",
    "Proposal",
    "StrategySpec",
    "resolve_params",
    "strategy_get",
]


def strategy_get(key: str) -> StrategySpec:
    """Return the strategy registered under ``key``.

    Raises
    ------
    UnknownStrategy
        Naming the keys there are.

    Examples
    --------
    >>> strategy_get("sma_cross").name
    'Moving-average cross'
    """
    if key not in STRATEGIES:
        raise UnknownStrategy(f"no strategy {key!r}; there are {', '.join(STRATEGIES)}")
    return STRATEGIES[key]
