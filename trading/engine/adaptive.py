"""Parameters that follow the volatility regime, each with its reason.

INPUT    base values and the settled regime code
OUTPUT   values now, bounded, and one sentence for each
LOOKBACK none; the regime carries the history
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from trading.engine.types import ParameterNow, RegimeCode


@dataclass(frozen=True, slots=True)
class AdaptiveRule:
    """How one parameter follows the regime: factors for LOW to EXTREME, bounds, and why."""

    factors: tuple[float, float, float, float]
    low: float
    high: float
    is_whole: bool
    why_up: str
    why_down: str


@dataclass(frozen=True, slots=True)
class AdaptiveBase:
    """Base values, as they stand in a NORMAL regime.

    Attributes
    ----------
    lookback_bars : int
        Length of the trend average.
    entry_threshold : float
        RSI(2) below which a pullback is bought, 0 to 100.
    size_factor : float
        Multiplies the volatility-target weight.
    stop_atr, target_atr : float
        Distances from the entry in average true ranges; target 0 means none.
    holding_bars : int
        Longest time a pullback is held.
    """

    lookback_bars: int = 50
    entry_threshold: float = 15.0
    size_factor: float = 1.0
    stop_atr: float = 2.5
    target_atr: float = 0.0
    holding_bars: int = 10


@dataclass(frozen=True, slots=True)
class AdaptiveNow:
    """The same values under one regime."""

    lookback_bars: int
    entry_threshold: float
    size_factor: float
    stop_atr: float
    target_atr: float
    holding_bars: int


RULES: Mapping[str, AdaptiveRule] = {
    "lookback_bars": AdaptiveRule(
        (1.2, 1.0, 0.8, 0.6),
        5,
        300,
        True,
        "calm markets trend slowly, a longer average avoids small reversals",
        "fast markets turn quickly, a shorter average follows sooner",
    ),
    "entry_threshold": AdaptiveRule(
        (1.2, 1.0, 0.8, 0.5),
        1.0,
        40.0,
        False,
        "small dips are already rare when it is calm",
        "only deep dips are bought when prices swing widely",
    ),
    "size_factor": AdaptiveRule(
        (1.0, 1.0, 0.7, 0.35),
        0.0,
        1.0,
        False,
        "",
        "volatility estimates lag when volatility rises, so less is held than they allow",
    ),
    "stop_atr": AdaptiveRule(
        (1.0, 1.0, 1.2, 1.4),
        0.5,
        6.0,
        False,
        "wide swings would hit a tight stop by chance",
        "",
    ),
    "target_atr": AdaptiveRule(
        (1.0, 1.0, 1.2, 1.4),
        0.0,
        10.0,
        False,
        "wide swings reach further targets",
        "",
    ),
    "holding_bars": AdaptiveRule(
        (1.2, 1.0, 0.8, 0.5),
        2,
        60,
        True,
        "recoveries take longer when it is calm",
        "a bounce that does not come quickly is not a bounce",
    ),
}


@lru_cache(maxsize=256)
def adapt(base: AdaptiveBase, regime_code: int) -> AdaptiveNow:
    """Return the parameters for one regime.

    Parameters
    ----------
    base : AdaptiveBase
        Values of a NORMAL regime.
    regime_code : int
        -1 to 3; unknown is treated as NORMAL.

    Returns
    -------
    AdaptiveNow
        Each value is ``base * factor``, inside the bounds of `RULES`.

    Examples
    --------
    >>> now = adapt(AdaptiveBase(), 3)
    >>> now.lookback_bars, now.size_factor
    (30, 0.35)
    """
    return AdaptiveNow(
        lookback_bars=int(_value(base, "lookback_bars", regime_code)),
        entry_threshold=_value(base, "entry_threshold", regime_code),
        size_factor=_value(base, "size_factor", regime_code),
        stop_atr=_value(base, "stop_atr", regime_code),
        target_atr=_value(base, "target_atr", regime_code),
        holding_bars=int(_value(base, "holding_bars", regime_code)),
    )


def explain(base: AdaptiveBase, now: AdaptiveNow, regime_code: int) -> tuple[ParameterNow, ...]:
    """Return base, present value, bounds and reason of every adaptive parameter.

    Examples
    --------
    >>> base = AdaptiveBase()
    >>> explain(base, adapt(base, 3), 3)[2].because[:42]
    'EXTREME regime lowers it from 1 to 0.35: v'
    """
    return tuple(_line(name, rule, base, now, regime_code) for name, rule in RULES.items())


def _value(base: AdaptiveBase, name: str, regime_code: int) -> float:
    rule = RULES[name]
    code = regime_code if regime_code >= 0 else RegimeCode.NORMAL
    value = float(getattr(base, name)) * rule.factors[code]
    if rule.is_whole:
        value = float(round(value))
    return min(max(value, rule.low), rule.high)


def _line(
    name: str, rule: AdaptiveRule, base: AdaptiveBase, now: AdaptiveNow, regime_code: int
) -> ParameterNow:
    before, after = getattr(base, name), getattr(now, name)
    if regime_code < 0:
        because = "base value: the regime is not known yet"
    elif before == after:
        because = f"base value: {RegimeCode(regime_code).name} regime leaves it unchanged"
    else:
        word, why = ("raises", rule.why_up) if after > before else ("lowers", rule.why_down)
        change = f"{RegimeCode(regime_code).name} regime {word} it from {before:g} to {after:g}"
        because = f"{change}: {why}" if why else change
    return ParameterNow(name, before, after, rule.low, rule.high, because)
