"""Compiled rules and simulations: the fast twins of `step`, one pass over plain arrays.

INPUT    float64 arrays of indicators and prices, int64 targets
OUTPUT   targets, orders, equity paths
LOOKBACK value at i uses inputs 0..i only; a target decided on bar i trades on bar i + 1
"""

from __future__ import annotations

import numpy as np

from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.rules import (
    COST_RATE,
    DIP_WEIGHT,
    HOLDING_LIMIT,
    N_COLUMNS,
    SIGNALS,
    STOP_DISTANCE,
    TARGET_DISTANCE,
    TRAIL_DISTANCE,
    TREND_WEIGHT,
)


@kernel
def sma_cross_targets_nb(fast: FloatArray, slow: FloatArray) -> IntArray:
    """1 while fast > slow with both defined (a comparison with NaN is false), else 0."""
    n = fast.shape[0]
    out = np.zeros(n, dtype=np.int64)
    for i in range(n):
        if fast[i] > slow[i]:
            out[i] = 1
    return out


@kernel
def reversion_next_nb(
    is_long: bool,
    bars_held: int,
    rsi: float,
    close: float,
    exit_mean: float,
    trend_mean: float,
    entry_level: float,
    max_bars: int,
) -> int:
    """Return 1 to be long after this bar, 0 to be flat; the rule of `rsi2_reversion`.

    `trend_mean` below 0 switches the trend filter off; `max_bars` 0 the holding limit.
    """
    if is_long:
        if close > exit_mean or (max_bars > 0 and bars_held >= max_bars):
            return 0
        return 1
    above_trend = trend_mean < 0.0 or close > trend_mean
    if rsi < entry_level and close <= exit_mean and above_trend:
        return 1
    return 0


@kernel
def reversion_targets_nb(
    rsi: FloatArray,
    close: FloatArray,
    exit_mean: FloatArray,
    trend_mean: FloatArray,
    entry_level: float,
    max_bars: int,
    first: int,
) -> IntArray:
    """Apply `reversion_next_nb` bar by bar from `first`; a fill follows each change by one bar."""
    n = close.shape[0]
    out = np.zeros(n, dtype=np.int64)
    target = 0
    bars_held = 0
    for i in range(first, n):
        bars_held += 1
        before = target
        target = reversion_next_nb(
            target == 1,
            bars_held,
            rsi[i],
            close[i],
            exit_mean[i],
            trend_mean[i],
            entry_level,
            max_bars,
        )
        if target == 1 and before == 0:
            bars_held = 0
        out[i] = target
    return out


@kernel
def breakout_next_nb(is_long: bool, close: float, upper: float, lower: float) -> int:
    """Return 1 to be long after this bar, 0 to be flat; the rule of `donchian_breakout`."""
    if is_long:
        return 0 if close < lower else 1
    return 1 if close > upper else 0


@kernel
def breakout_targets_nb(
    close: FloatArray, upper: FloatArray, lower: FloatArray, first: int
) -> IntArray:
    """Apply `breakout_next_nb` bar by bar from `first`."""
    n = close.shape[0]
    out = np.zeros(n, dtype=np.int64)
    target = 0
    for i in range(first, n):
        target = breakout_next_nb(target == 1, close[i], upper[i], lower[i])
        out[i] = target
    return out


@kernel
def signal_rows_nb(signals: IntArray, weights: FloatArray, holding_limit: int) -> FloatArray:
    """Write the rows of a `rules.RuleTable` without stops: signals, one weight, one limit."""
    n = signals.shape[0]
    rows = np.empty((N_COLUMNS, n)).T
    for i in range(n):
        rows[i, SIGNALS] = signals[i]
        rows[i, TREND_WEIGHT] = weights[i]
        rows[i, DIP_WEIGHT] = weights[i]
        rows[i, HOLDING_LIMIT] = holding_limit
        rows[i, STOP_DISTANCE] = np.nan
        rows[i, TARGET_DISTANCE] = np.nan
        rows[i, TRAIL_DISTANCE] = np.nan
        rows[i, COST_RATE] = 0.0
    return rows


@kernel
def simulate_all_in_nb(
    exec_price: FloatArray,
    close: FloatArray,
    targets: IntArray,
    commission: FloatArray,
    slippage: FloatArray,
    cash: float,
    first: int,
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, FloatArray, FloatArray, int]:
    """Trade every change of `targets` on the next bar with all cash; long or flat.

    `commission` and `slippage` are fractions per bar, read at the *signal* bar. Returns cash and
    quantity after each bar, and per order: bar, signed quantity, price with slippage, commission;
    the order arrays hold `n_orders` valid rows (the last item).
    """
    n = close.shape[0]
    cash_path = np.full(n, cash)
    held_path = np.zeros(n)
    bars = np.empty(n, dtype=np.int64)
    quantities = np.empty(n)
    prices = np.empty(n)
    fees = np.empty(n)
    n_orders = 0
    held = 0.0
    for i in range(first + 1, n):
        wanted = targets[i - 1]
        if wanted == 1 and held == 0.0:
            price = exec_price[i] * (1.0 + slippage[i - 1])
            value = cash / (1.0 + commission[i - 1])
            held = value / price
            bars[n_orders] = i
            quantities[n_orders] = held
            prices[n_orders] = price
            fees[n_orders] = cash - value
            cash = 0.0
            n_orders += 1
        elif wanted == 0 and held > 0.0:
            price = exec_price[i] * (1.0 - slippage[i - 1])
            value = held * price
            fee = value * commission[i - 1]
            bars[n_orders] = i
            quantities[n_orders] = -held
            prices[n_orders] = price
            fees[n_orders] = fee
            cash += value - fee
            held = 0.0
            n_orders += 1
        cash_path[i] = cash
        held_path[i] = held
    return cash_path, held_path, bars, quantities, prices, fees, n_orders
