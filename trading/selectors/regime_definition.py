"""What the words of the volatility regimes mean; every number is read from the engine."""

from __future__ import annotations

from dataclasses import dataclass

from trading.engine import regimes
from trading.engine.types import Regime


@dataclass(frozen=True, slots=True)
class RegimeBounds:
    """From where to where a regime reaches: shares of its own past, and volatility a year.

    `to_level` is None for the highest.
    """

    regime: str
    from_share: float
    to_share: float
    from_level: float
    to_level: float | None


@dataclass(frozen=True, slots=True)
class RegimeDefinition:
    """How a regime is decided; fixed levels count until `minimum_bars` values exist."""

    alpha: float
    window_bars: int
    minimum_bars: int
    warm_up_bars: int
    confirm_bars: int
    rows: tuple[RegimeBounds, ...]


def regime_definition() -> RegimeDefinition:
    """Read every threshold from the engine, so that no page or door can say another one."""
    shares = (0.0, *regimes.PERCENTILE_CUTS, 1.0)
    levels = (0.0, *regimes.VOLATILITY_CUTS, None)
    return RegimeDefinition(
        alpha=regimes.ALPHA,
        window_bars=regimes.WINDOW_BARS,
        minimum_bars=regimes.MINIMUM_BARS,
        warm_up_bars=regimes.WARM_UP_BARS,
        confirm_bars=regimes.N_CONFIRM,
        rows=tuple(
            RegimeBounds(
                regime=str(name),
                from_share=shares[k],
                to_share=shares[k + 1],
                from_level=levels[k] or 0.0,
                to_level=levels[k + 1],
            )
            for k, name in enumerate(Regime)
        ),
    )
