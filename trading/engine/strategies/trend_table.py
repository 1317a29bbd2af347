"""The volatility-adaptive trend over a whole series, column after column.

INPUT    highs, lows, closes, volatilities and settled regimes
OUTPUT   rows of a `RuleTable`
LOOKBACK the longest adaptive average; Wilder's averages and the blend remember further back

Each loop fills one column or two with what stands in few arrays: that is what a compiler turns
into instructions that do several bars at once. The formulas are those of `trend_rows`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine import rules
from trading.engine.adaptive import RULES, adapt_next_nb
from trading.engine.kernels import FloatArray, IntArray, inlined, kernel
from trading.engine.smoothing import strength_nb
from trading.engine.strategies.trend_rows import (
    ATR_BARS,
    EXIT_BARS,
    RSI_BARS,
    Adapted,
    Strengths,
    Terms,
    adaptive_row_nb,
    distance_nb,
    mean_nb,
    signals_nb,
    strengthened_nb,
    weight_nb,
)
from trading.engine.types import RegimeCode

LOW, NORMAL = int(RegimeCode.LOW), int(RegimeCode.NORMAL)
HIGH, EXTREME = int(RegimeCode.HIGH), int(RegimeCode.EXTREME)
# Zeros before the running sums, so that no average looks before the first bar.
LONGEST = int(RULES["lookback_bars"].high)
# Rows of `adaptive.regime_values`.
LOOKBACK, ENTRY, SIZE, STOP, TARGET, HOLDING = 0, 1, 2, 3, 4, 5


class Measured(NamedTuple):
    """What no parameter changes: running sums of the closes, exit mean, ATR and RSI.

    The sums begin with `LONGEST` zeros; the others equal the indicators of those names, to the bit,
    with a NaN for the RSI where nothing moved.
    """

    sums: FloatArray
    exit_mean: FloatArray
    atr: FloatArray
    strength: FloatArray


@kernel
def measured_nb(high: FloatArray, low: FloatArray, close: FloatArray) -> Measured:
    """Measure a series."""
    n = close.shape[0]
    sums = np.zeros(LONGEST + n)
    exit_mean = np.empty(n)
    atr = np.empty(n)
    strength = np.empty(n)
    strengths = Strengths(0.0, 0.0, 0.0)
    total = 0.0
    for i in range(n):
        total += close[i]
        sums[LONGEST + i] = total
        if i > 0:
            strengths = strengthened_nb(strengths, i, high[i], low[i], close[i], close[i - 1])
        exit_mean[i] = mean_nb(total, sums[LONGEST + i - EXIT_BARS], i, EXIT_BARS)
        atr[i] = strengths.span if i >= ATR_BARS else np.nan
        strength[i] = (
            strength_nb(strengths.gain, strengths.loss, np.nan) if i >= RSI_BARS else np.nan
        )
    return Measured(sums, exit_mean, atr, strength)


@inlined
def chosen_nb(code: int, low: float, normal: float, high: float, extreme: float) -> float:
    """Return what belongs to a regime; an unknown one counts as NORMAL."""
    found = normal
    if code == LOW:
        found = low
    if code == HIGH:
        found = high
    if code == EXTREME:
        found = extreme
    return found


@kernel
def signals_write_nb(
    close: FloatArray,
    sums: FloatArray,
    exit_mean: FloatArray,
    atr: FloatArray,
    strength: FloatArray,
    codes: IntArray,
    lookbacks: FloatArray,
    entries: FloatArray,
    out: FloatArray,
) -> None:
    """Write the signals of every bar; lookbacks and entry thresholds are those of the regimes."""
    window_0, window_1, window_2, window_3 = lookbacks
    entry_0, entry_1, entry_2, entry_3 = entries
    before_0 = sums[LONGEST - int(window_0) :]
    before_1 = sums[LONGEST - int(window_1) :]
    before_2 = sums[LONGEST - int(window_2) :]
    before_3 = sums[LONGEST - int(window_3) :]
    totals = sums[LONGEST:]
    for i in range(close.shape[0]):
        code = codes[i]
        window = chosen_nb(code, window_0, window_1, window_2, window_3)
        before = chosen_nb(code, before_0[i], before_1[i], before_2[i], before_3[i])
        out[i] = signals_nb(
            close[i],
            mean_nb(totals[i], before, i, window),
            exit_mean[i],
            atr[i],
            strength[i],
            chosen_nb(code, entry_0, entry_1, entry_2, entry_3),
        )


@kernel
def weights_write_nb(
    volatility: FloatArray,
    codes: IntArray,
    sizes: FloatArray,
    target_volatility: float,
    max_weight: float,
    pullback_share: float,
    trend_weight: FloatArray,
    dip_weight: FloatArray,
) -> None:
    """Write both weights of every bar; sizes are those of the regimes."""
    size_0, size_1, size_2, size_3 = sizes
    for i in range(codes.shape[0]):
        size = chosen_nb(codes[i], size_0, size_1, size_2, size_3)
        weight = weight_nb(volatility[i], size, target_volatility, max_weight)
        trend_weight[i] = weight
        dip_weight[i] = weight * pullback_share


@kernel
def values_write_nb(codes: IntArray, values: FloatArray, out: FloatArray) -> None:
    """Write the value of every bar's regime."""
    value_0, value_1, value_2, value_3 = values
    for i in range(codes.shape[0]):
        out[i] = chosen_nb(codes[i], value_0, value_1, value_2, value_3)


@kernel
def distances_write_nb(
    atr: FloatArray, codes: IntArray, times: FloatArray, out: FloatArray
) -> None:
    """Write a distance in prices for every bar; so many ATRs belong to each regime."""
    times_0, times_1, times_2, times_3 = times
    for i in range(codes.shape[0]):
        out[i] = distance_nb(chosen_nb(codes[i], times_0, times_1, times_2, times_3), atr[i])


@kernel
def adaptive_rows_nb(
    close: FloatArray,
    sums: FloatArray,
    exit_mean: FloatArray,
    atr: FloatArray,
    strength: FloatArray,
    volatility: FloatArray,
    codes: IntArray,
    values: FloatArray,
    target_volatility: float,
    max_weight: float,
    pullback_share: float,
    trail_atr: float,
) -> FloatArray:
    """Write the rows of a series whose values follow the regime at once.

    After the closes comes what `measured_nb` returns; `codes` are settled regimes, -1 to 3;
    `values` is what `adaptive.regime_values` returns. Equal to `blended_rows_nb`, to the bit.
    """
    columns = np.empty((rules.N_COLUMNS, close.shape[0]))
    lookbacks, entries = np.rint(values[LOOKBACK]), values[ENTRY]
    signals = columns[rules.SIGNALS]
    signals_write_nb(close, sums, exit_mean, atr, strength, codes, lookbacks, entries, signals)
    weights_write_nb(
        volatility,
        codes,
        values[SIZE],
        target_volatility,
        max_weight,
        pullback_share,
        columns[rules.TREND_WEIGHT],
        columns[rules.DIP_WEIGHT],
    )
    values_write_nb(codes, np.rint(values[HOLDING]), columns[rules.HOLDING_LIMIT])
    distances_write_nb(atr, codes, values[STOP], columns[rules.STOP_DISTANCE])
    distances_write_nb(atr, codes, values[TARGET], columns[rules.TARGET_DISTANCE])
    distances_write_nb(atr, codes, np.full(4, trail_atr), columns[rules.TRAIL_DISTANCE])
    columns[rules.COST_RATE] = 0.0
    return columns.T


@kernel
def blended_rows_nb(
    close: FloatArray,
    sums: FloatArray,
    exit_mean: FloatArray,
    atr: FloatArray,
    strength: FloatArray,
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
    """Write the rows of a series bar by bar, each adaptive value moving on from the one before.

    As `adaptive_rows_nb`; `falls_at_once` is what `adaptive.regime_values` returns.
    """
    n = close.shape[0]
    rows = np.empty((rules.N_COLUMNS, n)).T
    terms = Terms(target_volatility, max_weight, pullback_share, trail_atr)
    now = values[:, NORMAL].copy()
    n_equal = 0
    code_before = -1
    for i in range(n):
        code = codes[i] if codes[i] >= 0 else NORMAL
        n_equal = n_equal + 1 if code == code_before else 1
        code_before = code
        adapt_next_nb(values, falls_at_once, now, code, n_equal, blend_bars, blend_share)
        window = np.round(now[LOOKBACK])
        row = adaptive_row_nb(
            close[i],
            mean_nb(sums[LONGEST + i], sums[LONGEST + i - int(window)], i, window),
            exit_mean[i],
            atr[i],
            strength[i],
            volatility[i],
            Adapted(now[LOOKBACK], now[ENTRY], now[SIZE], now[STOP], now[TARGET], now[HOLDING]),
            terms,
        )
        for k in range(rules.N_COLUMNS):
            rows[i, k] = row[k]
    return rows
