"""The strategies there are, by key: those that ship with Elson and developers' own."""

from __future__ import annotations

from trading.engine import sources
from trading.engine.strategies import (
    donchian_breakout,
    hybrid,
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
from trading.engine.strategies.registry import Registry

STRATEGIES = Registry(
    (
        sma_cross.SPEC,
        rsi2_reversion.SPEC,
        donchian_breakout.SPEC,
        volatility_adaptive_trend.SPEC,
        hybrid.SPEC,
    ),
    sources.found,
)

__all__ = [
    "STRATEGIES",
    "Features",
    "Parameter",
    "Params",
    "Proposal",
    "Registry",
    "StrategySpec",
    "resolve_params",
    "strategy_get",
]


def strategy_get(key: str) -> StrategySpec:
    """Return the strategy registered under ``key``.

    Raises
    ------
    UnknownStrategy
        Naming the keys there are, or why an own strategy could not be loaded.

    Examples
    --------
    >>> strategy_get("sma_cross").name
    'Moving-average cross'
    """
    return STRATEGIES.get_or_refuse(key)
