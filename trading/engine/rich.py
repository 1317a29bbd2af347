"""One compiled bar loop for every strategy that is a table: rule, sizing, breaker, costs, fills.

INPUT    prices, a `RuleTable`, costs per bar, the breaker's settings
OUTPUT   cash and quantity after each bar, and every fill with its reason
LOOKBACK none beyond the table's own

Order of one bar, as in `engine.step`: the order of bar i - 1 meets the prices of bar i; the book is
marked at the close; breaker, rule and plan decide what to order for bar i + 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine.breaker_kernels import (
    book_of_nb,
    breaker_remember_nb,
    factor_nb,
    level_of_nb,
    limits_of_nb,
)
from trading.engine.breaker_watch import bounds_nb, watched_nb
from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.positions import (
    CASH,
    DELTA,
    HELD,
    REASON,
    TAKES_ALL,
    Begin,
    Decided,
    aged_nb,
    decided_nb,
    fill_nb,
    filled_nb,
    held_after_nb,
    kept_nb,
    nothing_held_nb,
    nothing_pending_nb,
    pending_of_nb,
    position_of_nb,
    protected_nb,
    remember_nb,
    sizing_of_nb,
    stays_nb,
    trend_reason_nb,
)
from trading.engine.rules import (
    COST_RATE,
    DIP_WEIGHT,
    ENTERS,
    FLAT,
    HOLDING_LIMIT,
    NO_SETUP,
    SIGNALS,
    STOP_DISTANCE,
    TARGET_DISTANCE,
    TRAIL_DISTANCE,
    TREND,
    TREND_WEIGHT,
    Row,
)


class RichFills(NamedTuple):
    """Fills of one run in order, each array of shape (n_fills,).

    bar, signed quantity in units, price with slippage, commission in currency, the reason as an
    index in `rules.REASONS`, and the level of an order that rested (NaN for others; empty where
    none may rest).
    """

    bars: IntArray
    quantities: FloatArray
    prices: FloatArray
    commissions: FloatArray
    reasons: IntArray
    levels: FloatArray


@kernel
def simulate_rules_nb(  # noqa: C901 - a branch per event of a bar; calls would take arrays along
    exec_price: FloatArray,
    high: FloatArray | None,
    low: FloatArray | None,
    close: FloatArray,
    seconds: FloatArray,
    days: FloatArray,
    columns: FloatArray,
    volatility: FloatArray,
    percentile: FloatArray,
    commission: FloatArray,
    slippage: FloatArray,
    breaker_config: FloatArray,
    breaker: FloatArray,
    memory: FloatArray,
    sizing_terms: FloatArray,
    start: int,
    first: int,
) -> tuple[
    FloatArray,
    FloatArray,
    IntArray,
    FloatArray,
    FloatArray,
    FloatArray,
    IntArray,
    FloatArray,
    int,
]:
    """Run a table of signals from bar `start`, deciding from `first` on.

    `columns` is the table, column after column: what a bar does not look at is not read.
    `commission` and `slippage` are fractions read at the signal bar; `seconds` and `days` are the
    bars' close since 1970; an empty `breaker_config` leaves the breaker out. `memory` and `breaker`
    begin as they are and are moved on in place; `sizing_terms` holds quantity step, no-trade band,
    as 0 or 1 whether the rule rebalances, wants all cash and may have it, the slippage a plan
    allows for, as 0 or 1 whether a position keeps the holding limit of its signal bar and whether
    its stop and target rest as orders, and their tick. Orders that rest meet the bar after a fill
    at its open: `exec_price` is then the open. Where none may rest, `high` and `low` are None and
    what meets them is not compiled in, so that the loop does not pay for it. Returns cash and
    quantity after each bar, then the fills (see `RichFills`), of which the last item says how many
    are valid.

    It is long because everything remembered from bar to bar is a local variable: in an array each
    bar would wait for the one before to come back from memory.
    """
    n = close.shape[0]
    cash, held = memory[CASH], memory[HELD]
    position, pending = position_of_nb(memory), pending_of_nb(memory)
    decided = Decided(memory[DELTA], int(memory[REASON]), memory[TAKES_ALL] != 0.0)
    sizing = sizing_of_nb(sizing_terms, high is not None)
    has_breaker = breaker_config.shape[0] > 0
    limits = limits_of_nb(breaker_config)
    level, book = level_of_nb(breaker), book_of_nb(breaker)
    bounds = bounds_nb(limits)
    cash_path = np.empty(n)
    held_path = np.empty(n)
    # What rests may fill once more on the bar of another fill.
    most = n + n * int(sizing.rests_protection)
    fill_bars = np.empty(most, dtype=np.int64)
    quantities = np.empty(most)
    prices = np.empty(most)
    fees = np.empty(most)
    reasons = np.empty(most, dtype=np.int64)
    levels = np.full(2 * (most - n), np.nan)
    n_fills = 0
    factor = factor_nb(level, limits)
    for i in range(n):
        if i < start:
            cash_path[i] = cash
            held_path[i] = held
            continue
        if decided.delta != 0.0:
            quantity, price, fee = fill_nb(
                decided.delta,
                cash,
                exec_price[i],
                commission[i - 1],
                slippage[i - 1],
                sizing.quantity_step,
                decided.takes_all_cash,
            )
            if quantity != 0.0:
                cash += -quantity * price - fee
                before, held = held, held_after_nb(held, quantity)
                position, pending = filled_nb(
                    position, pending, before, held, price, sizing.rests_protection
                )
                fill_bars[n_fills] = i
                quantities[n_fills] = quantity
                prices[n_fills] = price
                fees[n_fills] = fee
                reasons[n_fills] = decided.reason
                n_fills += 1
            decided = Decided(0.0, decided.reason, decided.takes_all_cash)
        if high is not None and low is not None and held != 0.0:
            # Nothing rests on series filled at their close here: `exec_price` is the open.
            begin = Begin(exec_price[i], exec_price[i], exec_price[i])
            reason, price, rested_at = protected_nb(
                position, begin, high[i], low[i], sizing.tick_size, slippage[i - 1]
            )
            if reason != 0:
                fee = held * price * commission[i - 1]
                cash += held * price - fee
                fill_bars[n_fills] = i
                quantities[n_fills] = -held
                prices[n_fills] = price
                fees[n_fills] = fee
                reasons[n_fills] = reason
                levels[n_fills] = rested_at
                n_fills += 1
                held = 0.0
                position, pending = nothing_held_nb(), nothing_pending_nb()
        position = aged_nb(position)
        cash_path[i] = cash
        held_path[i] = held
        if i < first:
            continue
        if has_breaker:
            level, book, factor = watched_nb(
                level,
                book,
                factor,
                limits,
                bounds,
                seconds[i],
                days[i],
                cash + held * close[i],
                position.kind != FLAT,
                volatility[i],
                percentile[i],
            )
        if position.kind == FLAT and int(columns[SIGNALS, i]) & ENTERS == 0:
            decided = Decided(0.0, NO_SETUP, False)
            continue
        if position.kind == TREND and stays_nb(
            position,
            int(columns[SIGNALS, i]),
            factor * columns[TREND_WEIGHT, i],
            columns[COST_RATE, i],
            sizing.no_trade_band,
            cash,
            held,
            close[i],
        ):
            position = kept_nb(position, TREND, close[i], columns[TRAIL_DISTANCE, i])
            decided = Decided(0.0, trend_reason_nb(int(columns[SIGNALS, i])), False)
            continue
        row = Row(
            columns[SIGNALS, i],
            columns[TREND_WEIGHT, i],
            columns[DIP_WEIGHT, i],
            columns[HOLDING_LIMIT, i],
            columns[STOP_DISTANCE, i],
            columns[TARGET_DISTANCE, i],
            columns[TRAIL_DISTANCE, i],
            columns[COST_RATE, i],
        )
        position, pending, decided = decided_nb(
            position, pending, row, sizing, cash, held, close[i], commission[i], factor
        )
    memory[CASH], memory[HELD] = cash, held
    remember_nb(memory, position, pending, decided)
    breaker_remember_nb(breaker, level, book)
    return cash_path, held_path, fill_bars, quantities, prices, fees, reasons, levels, n_fills
