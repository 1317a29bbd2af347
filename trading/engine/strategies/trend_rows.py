"""The arithmetic of the volatility-adaptive trend, one bar at a time.

INPUT    one bar's prices, averages, volatility and adaptive values
OUTPUT   one row of a `RuleTable`
LOOKBACK none; Wilder's averages are handed in and returned

`trend_table` writes whole series with it, `engine.online` bar after bar.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine import rules
from trading.engine.kernels import inlined
from trading.engine.rules import Row
from trading.engine.smoothing import moves_nb, range_nb, wilder_nb

ATR_BARS = 14
EXIT_BARS = 5
RSI_BARS = 2
BAND_ATR = 0.25


class Adapted(NamedTuple):
    """The adaptive values of one bar, in the order of `adaptive.RULES`."""

    lookback: float
    entry: float
    size: float
    stop: float
    target: float
    holding: float


class Strengths(NamedTuple):
    """Wilder's averages of ups, downs and ranges that lead to RSI and ATR."""

    gain: float
    loss: float
    span: float


class Terms(NamedTuple):
    """What does not adapt: shares of equity, and the trailing stop in ATRs (0 none)."""

    target_volatility: float
    max_weight: float
    pullback_share: float
    trail_atr: float


@inlined
def mean_nb(total: float, sum_before: float, i: int, window: float) -> float:
    """Mean of the last `window` values up to `i` from running sums; NaN while there are fewer."""
    mean = np.divide(total - sum_before, window)
    return mean if i >= window - 1 else np.nan


@inlined
def strengthened_nb(
    before: Strengths, i: int, high: float, low: float, close: float, last_close: float
) -> Strengths:
    """Move the averages on by bar `i`, from 1 on; the first ones are plain means."""
    up, down = moves_nb(close, last_close)
    if i <= RSI_BARS:
        gain, loss = before.gain + up / RSI_BARS, before.loss + down / RSI_BARS
    else:
        gain = wilder_nb(before.gain, up, RSI_BARS)
        loss = wilder_nb(before.loss, down, RSI_BARS)
    span = range_nb(high, low, last_close)
    if i > ATR_BARS:
        span = wilder_nb(before.span, span, ATR_BARS)
    elif i == ATR_BARS:
        span = (before.span + span) / ATR_BARS
    else:
        span += before.span
    return Strengths(gain, loss, span)


@inlined
def signals_nb(
    close: float, trend_mean: float, exit_mean: float, atr: float, strength: float, entry: float
) -> int:
    """Return the signal bits of one bar."""
    band = BAND_ATR * atr
    # Sums of products: prices make up their mind too often for a branch to be foreseen.
    return (
        rules.ENTER_TREND * int(close > trend_mean + band)
        + rules.ENTER_DIP * int(strength < entry)
        + rules.LEAVE_TREND * int(close < trend_mean - band)
        + rules.LEAVE_DIP * int(close > exit_mean)
    )


@inlined
def weight_nb(volatility: float, size: float, target_volatility: float, max_weight: float) -> float:
    """Return the share of equity for a volatility; 0 while it is not known."""
    # `np.divide` checks nothing: a check would keep the processor from doing many bars at once.
    weight = min(np.divide(target_volatility, volatility), max_weight) * size
    return weight if volatility > 0.0 else 0.0


@inlined
def distance_nb(times: float, atr: float) -> float:
    """Return so many ATRs; NaN for none."""
    return times * atr if times > 0.0 else np.nan


@inlined
def adaptive_row_nb(
    close: float,
    trend_mean: float,
    exit_mean: float,
    atr: float,
    strength: float,
    volatility: float,
    now: Adapted,
    terms: Terms,
) -> Row:
    """Write the rule of `volatility_adaptive_trend` as one row of a `RuleTable`."""
    weight = weight_nb(volatility, now.size, terms.target_volatility, terms.max_weight)
    return Row(
        float(signals_nb(close, trend_mean, exit_mean, atr, strength, now.entry)),
        weight,
        weight * terms.pullback_share,
        np.round(now.holding),
        distance_nb(now.stop, atr),
        distance_nb(now.target, atr),
        distance_nb(terms.trail_atr, atr),
        0.0,
    )
