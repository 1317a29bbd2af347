"""Parameters that follow the volatility regime, each with its reason.

INPUT    base values, a person's own values per regime, the settled regime code of each bar
OUTPUT   values now, bounded, and one sentence for each
LOOKBACK the blend remembers: after n equal regimes a value moves by a share of the way per bar

A value in a regime is the base times the rule's factor, or what a person set for it under
`name.REGIME` (`size_factor.HIGH`), inside the rule's bounds either way. A smaller size is taken at
once, whatever the blend: going back up may take time, going down may not. `name.ADAPTIVE` "off"
switches a parameter's adapting off: then the base counts in every regime, and own values wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trading.engine.errors import ConfigInvalid
from trading.engine.explanation import ParameterNow
from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.types import RegimeCode

# Closer than this share of the wanted value a blend is done.
NEAR = 0.01
# What stands behind the dot in the name of a switch, and its two values; absent is on.
SWITCH, ON, OFF = "ADAPTIVE", "on", "off"


@dataclass(frozen=True, slots=True)
class AdaptiveRule:
    """How one parameter follows the regime: factors for LOW to EXTREME, bounds, and why."""

    factors: tuple[float, float, float, float]
    low: float
    high: float
    is_whole: bool
    falls_at_once: bool
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
    own_values : tuple of (str, int, float)
        What a person set: name, regime code, value.
    switched_off : tuple of str
        Names that a person keeps from adapting: their base counts in every regime.
    """

    lookback_bars: int = 50
    entry_threshold: float = 15.0
    size_factor: float = 1.0
    stop_atr: float = 2.5
    target_atr: float = 0.0
    holding_bars: int = 10
    own_values: tuple[tuple[str, int, float], ...] = ()
    switched_off: tuple[str, ...] = ()


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
        False,
        "calm markets trend slowly, a longer average avoids small reversals",
        "fast markets turn quickly, a shorter average follows sooner",
    ),
    "entry_threshold": AdaptiveRule(
        (1.2, 1.0, 0.8, 0.5),
        1.0,
        40.0,
        False,
        False,
        "small dips are already rare when it is calm",
        "only deep dips are bought when prices swing widely",
    ),
    "size_factor": AdaptiveRule(
        (1.0, 1.0, 0.7, 0.35),
        0.0,
        1.0,
        False,
        True,
        "",
        "volatility estimates lag when volatility rises, so less is held than they allow",
    ),
    "stop_atr": AdaptiveRule(
        (1.0, 1.0, 1.2, 1.4),
        0.5,
        6.0,
        False,
        False,
        "wide swings would hit a tight stop by chance",
        "",
    ),
    "target_atr": AdaptiveRule(
        (1.0, 1.0, 1.2, 1.4),
        0.0,
        10.0,
        False,
        False,
        "wide swings reach further targets",
        "",
    ),
    "holding_bars": AdaptiveRule(
        (1.2, 1.0, 0.8, 0.5),
        2,
        60,
        True,
        False,
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
        Each value is ``base * factor``, or the base where it is switched off, inside the bounds of
        `RULES`.

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


@lru_cache(maxsize=256)  # the sentences of most bars are those of the bar before
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
    code = regime_code if regime_code >= 0 else int(RegimeCode.NORMAL)
    value = float(getattr(base, name))
    if name not in base.switched_off:
        value *= rule.factors[code]
        for own_name, own_code, own_value in base.own_values:
            if own_name == name and own_code == code:
                value = own_value
    if rule.is_whole:
        value = float(round(value))
    return min(max(value, rule.low), rule.high)


def own_values(params: Mapping[str, float | int | str]) -> tuple[tuple[str, int, float], ...]:
    """Collect what a person set per regime from a strategy's parameters.

    Examples
    --------
    >>> own_values({"trend_bars": 50, "size_factor.HIGH": 0.5})
    (('size_factor', 2, 0.5),)
    """
    found = []
    for key in params:
        if "." not in key:
            continue
        name, _, regime = key.partition(".")
        if name in RULES and regime in RegimeCode.__members__:
            found.append((name, int(RegimeCode[regime]), float(params[key])))
    return tuple(sorted(found))


def switched_off(params: Mapping[str, float | int | str]) -> tuple[str, ...]:
    """Return the names that a strategy's parameters keep from adapting.

    Examples
    --------
    >>> switched_off({"trend_bars": 50, "size_factor.ADAPTIVE": "off"})
    ('size_factor',)
    """
    return tuple(name for name in RULES if params.get(f"{name}.{SWITCH}") == OFF)


def adapt_series(
    base: AdaptiveBase, codes: IntArray, *, blend_bars: int = 1, blend_share: float = 1.0
) -> FloatArray:
    """Return every parameter at every bar.

    Parameters
    ----------
    base : AdaptiveBase
        Values of a NORMAL regime, and a person's own.
    codes : int64, shape (n_bars,)
        Settled regime codes, -1 to 3.
    blend_bars : int
        Equal codes in a row before a value moves, >= 1.
    blend_share : float
        Share of the distance moved per bar, in (0, 1]; 1 moves at once.

    Returns
    -------
    float64, shape (6, n_bars)
        Rows in the order of `RULES`; value at i uses ``codes[0..i]`` only.

    Raises
    ------
    ConfigInvalid
        If the blend is outside its bounds.

    Examples
    --------
    >>> codes = np.array([1, 3, 3, 1, 1])
    >>> adapt_series(AdaptiveBase(), codes, blend_bars=2, blend_share=0.5)[2].tolist()
    [1.0, 0.35, 0.35, 0.35, 0.675]
    """
    if blend_bars < 1 or not 0.0 < blend_share <= 1.0:
        raise ConfigInvalid(
            f"a blend of share {blend_share} after {blend_bars} bars must have a share in (0, 1] "
            "and at least 1 bar"
        )
    return adapt_nb(*regime_values(base), codes, blend_bars, blend_share)


@lru_cache(maxsize=256)
def regime_values(base: AdaptiveBase) -> tuple[FloatArray, FloatArray]:
    """Return the values per parameter and regime, (6, 4), and 1 for those that fall at once.

    Treat the arrays as read-only: the same ones are returned for the same base.
    """
    values = np.array([[_value(base, name, code) for code in range(4)] for name in RULES])
    return values, np.array([float(rule.falls_at_once) for rule in RULES.values()])


@kernel
def adapt_next_nb(
    values: FloatArray,
    falls_at_once: FloatArray,
    now: FloatArray,
    code: int,
    n_equal: int,
    blend_bars: int,
    share: float,
) -> None:
    """Move every value on by one bar, in place; `code` has been seen `n_equal` times in a row."""
    is_immediate = share >= 1.0 and blend_bars <= 1
    for k in range(values.shape[0]):
        wanted = values[k, code]
        if is_immediate or (falls_at_once[k] > 0.0 and wanted < now[k]):
            now[k] = wanted
        elif n_equal >= blend_bars:
            now[k] += share * (wanted - now[k])
            if abs(wanted - now[k]) <= NEAR * abs(wanted):
                now[k] = wanted


@kernel
def adapt_nb(
    values: FloatArray, falls_at_once: FloatArray, codes: IntArray, blend_bars: int, share: float
) -> FloatArray:
    """Follow the regime codes through a table of values, one row per parameter."""
    n_rows = values.shape[0]
    n = codes.shape[0]
    out = np.empty((n_rows, n))
    now = values[:, 1].copy()
    n_equal = 0
    before = -1
    for i in range(n):
        code = codes[i] if codes[i] >= 0 else 1
        n_equal = n_equal + 1 if code == before else 1
        before = code
        adapt_next_nb(values, falls_at_once, now, code, n_equal, blend_bars, share)
        for k in range(n_rows):
            out[k, i] = now[k]
    return out


def now_at(series: Iterable[FloatArray], i: int) -> AdaptiveNow:
    """Read one bar of `adapt_series`.

    Examples
    --------
    >>> now_at(adapt_series(AdaptiveBase(), np.array([3])), 0) == adapt(AdaptiveBase(), 3)
    True
    """
    lookback, threshold, size, stop, target, holding = (float(row[i]) for row in series)
    return AdaptiveNow(round(lookback), threshold, size, stop, target, round(holding))


def _line(
    name: str, rule: AdaptiveRule, base: AdaptiveBase, now: AdaptiveNow, regime_code: int
) -> ParameterNow:
    before, after = getattr(base, name), getattr(now, name)
    code = regime_code if regime_code >= 0 else int(RegimeCode.NORMAL)
    wanted = getattr(adapt(base, code), name)
    unknown = "the regime is not known yet" if regime_code < 0 else ""
    if name in base.switched_off:
        because = "not adaptive: switched off"
        if before != after:
            because += f"; {_bounded(rule, before, after)}"
    elif before == after == wanted:
        because = f"base value: {unknown or f'{RegimeCode(code).name} regime leaves it unchanged'}"
    else:
        because = f"{unknown}, taken for NORMAL; " if unknown else ""
        because += _change(name, rule, base, wanted, code)
        if after != wanted:
            because += f"; {after:g} now, on its way step by step"
    return ParameterNow(name, before, after, rule.low, rule.high, because)


def _change(
    name: str, rule: AdaptiveRule, base: AdaptiveBase, wanted: float, regime_code: int
) -> str:
    before, regime = getattr(base, name), RegimeCode(regime_code).name
    if any((name, regime_code) == own[:2] for own in base.own_values):
        return f"{regime} regime: you set it to {wanted:g}, the base is {before:g}"
    if not rule.low <= before <= rule.high:
        return _bounded(rule, before, wanted)
    if wanted == before:
        return f"{regime} regime brings it back to the base value {before:g}"
    word, why = ("raises", rule.why_up) if wanted > before else ("lowers", rule.why_down)
    change = f"{regime} regime {word} it from {before:g} to {wanted:g}"
    return f"{change}: {why}" if why else change


def _bounded(rule: AdaptiveRule, before: float, after: float) -> str:
    return f"from {before:g} to {after:g}: it lies between {rule.low:g} and {rule.high:g}"
