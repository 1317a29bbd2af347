"""Wilder's averages: relative strength, true range and direction, as series and bar by bar.

INPUT    float64 arrays, oldest value first; or one bar's prices and the value after the bar before
OUTPUT   float64 arrays of the same length, NaN while a window is not full; or one value
LOOKBACK value at i uses inputs 0..i only

Series and running strategies move on through the same one-bar functions.
"""

from __future__ import annotations

import numpy as np

from trading.engine.kernels import FloatArray, inlined, kernel


@inlined
def range_nb(high: float, low: float, before: float) -> float:
    """Return the largest of the bar's range and its two distances to the close before."""
    span = high - low
    rise = abs(high - before)
    drop = abs(low - before)
    if rise > span:
        span = rise
    if drop > span:
        span = drop
    return span


@inlined
def moves_nb(close: float, before: float) -> tuple[float, float]:
    """Split a change into its upward and its downward part, both >= 0."""
    change = close - before
    if change > 0.0:
        return change, 0.0
    if change < 0.0:
        return 0.0, -change
    # NaN and zero both land here; adding keeps NaN alive instead of dropping it.
    return change, 0.0


@inlined
def wilder_nb(mean: float, value: float, window: int) -> float:
    """Return Wilder's average with one more value."""
    return (mean * (window - 1) + value) / window


@inlined
def strength_nb(gain: float, loss: float, still: float) -> float:
    """Return the relative strength index of two averages, 0 to 100; `still` where nothing moved."""
    total = gain + loss
    return 100.0 * gain / total if total != 0.0 else still


@kernel
def rsi_nb(values: FloatArray, window: int, still: float) -> FloatArray:
    """Relative strength index by Wilder's smoothing, 0 to 100; `still` where nothing moved.

    TA-Lib calls that 0, as it calls a fall without a rise: a rule that buys dips asks for a NaN.
    """
    n = values.shape[0]
    out = np.full(n, np.nan)
    if n <= window:
        return out
    gain = 0.0
    loss = 0.0
    for i in range(1, n):
        up, down = moves_nb(values[i], values[i - 1])
        if i <= window:
            gain += up / window
            loss += down / window
        else:
            gain = wilder_nb(gain, up, window)
            loss = wilder_nb(loss, down, window)
        if i >= window:
            out[i] = strength_nb(gain, loss, still)
    return out


@kernel
def true_range_nb(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Largest of today's range and the two distances to yesterday's close; NaN on bar 0."""
    n = close.shape[0]
    out = np.full(n, np.nan)
    for i in range(1, n):
        out[i] = range_nb(high[i], low[i], close[i - 1])
    return out


@kernel
def atr_nb(high: FloatArray, low: FloatArray, close: FloatArray, window: int) -> FloatArray:
    """Average true range by Wilder's smoothing; first value at index `window`."""
    n = close.shape[0]
    out = np.full(n, np.nan)
    if n <= window:
        return out
    ranges = true_range_nb(high, low, close)
    mean = 0.0
    for i in range(1, window + 1):
        mean += ranges[i]
    mean /= window
    out[window] = mean
    for i in range(window + 1, n):
        mean = wilder_nb(mean, ranges[i], window)
        out[i] = mean
    return out


@kernel
def directional_move_nb(rise: float, drop: float) -> tuple[float, float]:
    """Split one bar's move into its upward and downward part; at most one is above zero."""
    if drop > 0.0 and rise < drop:
        return 0.0, drop
    if rise > 0.0 and rise > drop:
        return rise, 0.0
    return 0.0, 0.0


@kernel
def adx_nb(high: FloatArray, low: FloatArray, close: FloatArray, window: int) -> FloatArray:
    """Average directional index by Wilder, 0 to 100; first value at index 2*window - 1."""
    n = close.shape[0]
    out = np.full(n, np.nan)
    if n < 2 * window:
        return out
    ranges = true_range_nb(high, low, close)
    plus = 0.0
    minus = 0.0
    span = 0.0
    dx = 0.0
    adx = 0.0
    for i in range(1, n):
        rise = high[i] - high[i - 1]
        drop = low[i - 1] - low[i]
        if i >= window:
            plus -= plus / window
            minus -= minus / window
            span -= span / window
        up, down = directional_move_nb(rise, drop)
        plus += up
        minus += down
        span += ranges[i]
        if i < window:
            continue
        total = plus + minus
        has_direction = span != 0.0 and total != 0.0
        if has_direction:
            dx = 100.0 * abs(plus - minus) / total
        if i < 2 * window:
            adx += dx / window if has_direction else 0.0
        elif has_direction:
            adx = wilder_nb(adx, dx, window)
        if i >= 2 * window - 1:
            out[i] = adx
    return out
