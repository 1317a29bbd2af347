"""The arithmetic of the volatility-adaptive trend: one bar's row, and the rows of a whole series.

INPUT    highs, lows, closes, volatilities and settled regimes
OUTPUT   rows of a `RuleTable`
LOOKBACK the longest adaptive average; Wilder's averages and the blend remember further back
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine import rules
from trading.engine.adaptive import adapt_next_nb
from trading.engine.kernels import FloatArray, IntArray, inlined, kernel
from trading.engine.rules import Row
from trading.engine.smoothing import moves_nb, range_nb, strength_nb, wilder_nb
from trading.engine.types import RegimeCode

ATR_BARS = 14
EXIT_BARS = 5
RSI_BARS = 2
BAND_ATR = 0.25
NORMAL = int(RegimeCode.NORMAL)


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
def mean_nb(total: float, sum_before: float, i: int, window: int) -> float:
    """Mean of the last `window` values up to `i` from running sums; NaN while there are fewer."""
    return (total - sum_before) / window if i >= window - 1 else np.nan


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
    band = BAND_ATR * atr
    signals = 0
    if close > trend_mean + band:
        signals |= rules.ENTER_TREND
    if strength < now.entry:
        signals |= rules.ENTER_DIP
    if close < trend_mean - band:
        signals |= rules.LEAVE_TREND
    if close > exit_mean:
        signals |= rules.LEAVE_DIP
    weight = 0.0
    if volatility > 0.0:
        weight = min(terms.target_volatility / volatility, terms.max_weight) * now.size
    return Row(
        float(signals),
        weight,
        weight * terms.pullback_share,
        np.round(now.holding),
        now.stop * atr,
        now.target * atr if now.target > 0.0 else np.nan,
        terms.trail_atr * atr if terms.trail_atr > 0.0 else np.nan,
        0.0,
    )


@kernel
def adaptive_rows_nb(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volatility: FloatArray,
    codes: IntArray,
    values: FloatArray,
    falls_at_once: FloatArray,
    blend_bars: int,
    blend_share: float,
    target_volatility: float,
    max_weight: float,
    pullback_share: float,
    trail_atr: float,
) -> FloatArray:
    """Write `adaptive_row_nb` for every bar in one pass, every feature on the way.

    `codes` are settled regimes, -1 to 3; `values` and `falls_at_once` are what
    `adaptive.regime_values` returns. Equal to the indicators of the same names, to the bit.
    """
    n = close.shape[0]
    rows = np.empty((n, rules.N_COLUMNS))
    sums = np.empty(n)
    terms = Terms(target_volatility, max_weight, pullback_share, trail_atr)
    is_immediate = blend_share >= 1.0 and blend_bars <= 1
    blended = values[:, NORMAL].copy()
    strengths = Strengths(0.0, 0.0, 0.0)
    total = 0.0
    n_equal = 0
    code_before = -1
    for i in range(n):
        total += close[i]
        sums[i] = total
        if i > 0:
            strengths = strengthened_nb(strengths, i, high[i], low[i], close[i], close[i - 1])
        code = codes[i] if codes[i] >= 0 else NORMAL
        if is_immediate:
            now = Adapted(
                values[0, code],
                values[1, code],
                values[2, code],
                values[3, code],
                values[4, code],
                values[5, code],
            )
        else:
            n_equal = n_equal + 1 if code == code_before else 1
            code_before = code
            adapt_next_nb(values, falls_at_once, blended, code, n_equal, blend_bars, blend_share)
            now = Adapted(blended[0], blended[1], blended[2], blended[3], blended[4], blended[5])
        window = int(np.round(now.lookback))
        trend_mean = mean_nb(total, sums[i - window] if i >= window else 0.0, i, window)
        exit_sum = sums[i - EXIT_BARS] if i >= EXIT_BARS else 0.0
        row = adaptive_row_nb(
            close[i],
            trend_mean,
            mean_nb(total, exit_sum, i, EXIT_BARS),
            strengths.span if i >= ATR_BARS else np.nan,
            strength_nb(strengths.gain, strengths.loss) if i >= RSI_BARS else np.nan,
            volatility[i],
            now,
            terms,
        )
        for k in range(rules.N_COLUMNS):
            rows[i, k] = row[k]
    return rows
