"""Kernels of a shared account: orders of a tick, what is held, and one decision after another.

INPUT    bars of all books one after another, a vector of memory for each book
OUTPUT   equity at every tick, trades that ended and that won
LOOKBACK none beyond the tables' own and the returns that a correlation needs

Order of one tick, as in `shared_account`: interest; sales and purchases at the open; what rests;
sales and purchases at the close; marks; decisions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marketdata.types import FloatArray, IntArray
from trading.engine.breaker import NS
from trading.engine.breaker_kernels import breaker_next_nb
from trading.engine.correlation import WINDOW_RETURNS, pair_correlation_nb
from trading.engine.kernels import kernel
from trading.engine.positions import (
    CASH,
    DELTA,
    HELD,
    QUANTITY_STEP,
    RESTS_PROTECTION,
    TAKES_ALL,
    TICK_SIZE,
    Decided,
    aged_nb,
    begin_nb,
    book_nb,
    decided_nb,
    fill_nb,
    pending_of_nb,
    position_of_nb,
    protected_nb,
    remember_nb,
    sizing_of_nb,
)
from trading.engine.rules import (
    COST_RATE,
    DIP_WEIGHT,
    HOLDING_LIMIT,
    SIGNALS,
    STOP_DISTANCE,
    TARGET_DISTANCE,
    TRAIL_DISTANCE,
    TREND_WEIGHT,
    Row,
)

BoolArray = NDArray[np.bool_]
# Columns of the prices of all bars.
EXEC_PRICE, CLOSE, VOLATILITY, PERCENTILE, COMMISSION, SLIPPAGE = 0, 1, 2, 3, 4, 5
# Columns of what else resting orders meet.
OPEN, HIGH, LOW = 0, 1, 2
# Columns of what is known of each book between two of its bars.
PRICE, RISK = 0, 1
# Columns of the trades of each book: its cash before the last one, whether it holds, counts.
BEFORE, IS_OPEN, ENDED, WON = 0, 1, 2, 3


@kernel
def account_nb(
    days_between: FloatArray,
    tick_begins: IntArray,
    owners: IntArray,
    bars: IntArray,
    begins: IntArray,
    first: IntArray,
    prices: FloatArray,
    ranges: FloatArray,
    closed_at: IntArray,
    rows: FloatArray,
    fills_at_close: BoolArray,
    has_breaker: BoolArray,
    configs: FloatArray,
    breakers: FloatArray,
    memory: FloatArray,
    sizing: FloatArray,
    shares: FloatArray,
    gross_cap: float,
    n_slots: int,
    most: int,
    financing: float,
    cash: float,
) -> tuple[FloatArray, int, int]:
    """Return the account's equity after each tick, and how many trades ended and how many won.

    `days_between` are the days since the tick before. `owners` and `bars` name the book and bar of
    every event in order, `tick_begins` where each tick's events begin. `prices`, `closed_at`,
    `rows` and, where something rests, `ranges` hold the bars of all books one after another, book k
    from `begins[k]` on and deciding from `first[k]` on. `breakers` and `memory` are moved on in
    place. A NaN share follows from the volatilities. `financing` is the fraction of negative cash
    charged a day.

    It is long because a kernel takes its arrays one by one; each event of a tick is one of its own.
    """
    n_ticks = tick_begins.shape[0] - 1
    equity = np.empty(n_ticks)
    known = np.full((begins.shape[0] - 1, 2), np.nan)
    trades = np.zeros((begins.shape[0] - 1, 4))
    trades[:, BEFORE] = memory[:, CASH]
    some_at_close, some_rest = fills_at_close.any(), (sizing[:, RESTS_PROTECTION] != 0.0).any()
    for tick in range(n_ticks):
        low, high = tick_begins[tick], tick_begins[tick + 1]
        if tick > 0 and cash < 0.0:
            cash -= -cash * financing * days_between[tick]
        for at_close in (False, True):
            if at_close and some_rest:
                cash += protect_nb(
                    owners, bars, low, high, prices, ranges, fills_at_close, memory, sizing
                )
            if at_close and not some_at_close:
                continue
            cash = trade_nb(
                owners,
                bars,
                low,
                high,
                prices,
                fills_at_close,
                at_close,
                memory,
                sizing,
                known,
                shares,
                gross_cap,
                n_slots,
                cash,
            )
        for event in range(low, high):
            known[owners[event], PRICE] = prices[bars[event], CLOSE]
            known[owners[event], RISK] = prices[bars[event], VOLATILITY]
            ended_nb(trades[owners[event]], memory[owners[event]])
        equity[tick] = cash + held_nb(memory, known)
        n_taken = 0
        for k in range(known.shape[0]):
            n_taken += memory[k, HELD] != 0.0 or memory[k, DELTA] != 0.0
        for event in range(low, high):
            k, j = owners[event], bars[event]
            own = share_nb(shares, known, k, gross_cap, n_slots) * equity[tick]
            factor = 1.0
            if has_breaker[k] and j >= first[k]:
                factor = breaker_next_nb(
                    breakers[k],
                    configs[k],
                    closed_at[j] / NS,
                    equity[tick],
                    memory[k, HELD],
                    prices[j, VOLATILITY],
                    prices[j, PERCENTILE],
                    correlation_nb(memory, begins, closed_at, prices, k, closed_at[j]),
                    memory[k, CASH] + memory[k, HELD] * prices[j, CLOSE],
                )
            is_full = n_taken >= most
            n_taken += decide_nb(
                memory[k], sizing[k], prices, rows, j, j >= first[k], own, factor, is_full
            )
    return equity, int(trades[:, ENDED].sum()), int(trades[:, WON].sum())


@kernel
def ended_nb(trades: FloatArray, memory: FloatArray) -> None:
    """Count the trade of a book that ended on this tick, won where it left cash.

    One that also began on this tick is told by the cash it moved.
    """
    if memory[HELD] != 0.0:
        trades[IS_OPEN] = 1.0
    elif trades[IS_OPEN] != 0.0 or memory[CASH] != trades[BEFORE]:
        trades[ENDED] += 1.0
        trades[WON] += memory[CASH] > trades[BEFORE]
        trades[BEFORE], trades[IS_OPEN] = memory[CASH], 0.0


@kernel
def decide_nb(
    memory: FloatArray,
    sizing: FloatArray,
    prices: FloatArray,
    rows: FloatArray,
    j: int,
    is_ready: bool,
    own: float,
    factor: float,
    is_full: bool,
) -> int:
    """Decide for one book at the close of bar `j`; return how many more positions are taken.

    `own` is the book's share of the account's equity; a full account opens nothing more.
    """
    held = memory[HELD]
    position = aged_nb(position_of_nb(memory))
    pending = pending_of_nb(memory)
    decided = Decided(0.0, 0, False)
    if is_ready:
        row = Row(
            rows[j, SIGNALS],
            rows[j, TREND_WEIGHT],
            rows[j, DIP_WEIGHT],
            rows[j, HOLDING_LIMIT],
            rows[j, STOP_DISTANCE],
            rows[j, TARGET_DISTANCE],
            rows[j, TRAIL_DISTANCE],
            rows[j, COST_RATE],
        )
        close, rate = prices[j, CLOSE], prices[j, COMMISSION]
        position, pending, decided = decided_nb(
            position,
            pending,
            row,
            sizing_of_nb(sizing, sizing[RESTS_PROTECTION] != 0.0),
            own - held * close,
            held,
            close,
            rate,
            factor,
        )
    is_entry = held == 0.0 and decided.delta != 0.0
    if is_entry and is_full:
        decided = Decided(0.0, decided.reason, False)
    remember_nb(memory, position, pending, decided)
    return int(is_entry and not is_full)


@kernel
def trade_nb(
    owners: IntArray,
    bars: IntArray,
    low: int,
    high: int,
    prices: FloatArray,
    fills_at_close: BoolArray,
    at_close: bool,
    memory: FloatArray,
    sizing: FloatArray,
    known: FloatArray,
    shares: FloatArray,
    gross_cap: float,
    n_slots: int,
    cash: float,
) -> float:
    """Fill the orders of one tick and return cash; purchases share what the sales leave.

    The events of the tick are those from `low` to `high`; only books that fill at the close or at
    the open, as `at_close` says, are met.
    """
    needs = np.zeros(high - low)
    for event in range(low, high):
        k, j = owners[event], bars[event]
        delta = memory[k, DELTA] if fills_at_close[k] == at_close else 0.0
        if delta < 0.0:
            cash += executed_nb(memory[k], sizing[k], prices, j, 0.0)
        elif delta > 0.0:
            if memory[k, TAKES_ALL] != 0.0:
                value = memory[k, HELD] * known[k, PRICE] if memory[k, HELD] != 0.0 else 0.0
                equity = cash + held_nb(memory, known)
                share = share_nb(shares, known, k, gross_cap, n_slots)
                needs[event - low] = max(share * equity - value, 0.0)
            else:
                worse = prices[j, EXEC_PRICE] * (1.0 + prices[j - 1, SLIPPAGE])
                paid = delta * worse + delta * worse * prices[j - 1, COMMISSION]
                needs[event - low] = paid * (1.0 + 1e-12)
    asked = needs.sum()
    if asked > 0.0:
        gross = held_nb(memory, known)
        budget = max(min(cash, gross_cap * (cash + gross) - gross), 0.0)
        granted = min(1.0, budget / asked)
        for event in range(low, high):
            k = owners[event]
            if fills_at_close[k] == at_close and memory[k, DELTA] > 0.0:
                paying = needs[event - low] * granted
                cash += executed_nb(memory[k], sizing[k], prices, bars[event], paying)
    return cash


@kernel
def protect_nb(
    owners: IntArray,
    bars: IntArray,
    low: int,
    high: int,
    prices: FloatArray,
    ranges: FloatArray,
    fills_at_close: BoolArray,
    memory: FloatArray,
    sizing: FloatArray,
) -> float:
    """Let the bars of one tick meet what rests; return the cash it brings."""
    brought = 0.0
    for event in range(low, high):
        k, j = owners[event], bars[event]
        held = memory[k, HELD]
        if held == 0.0 or sizing[k, RESTS_PROTECTION] == 0.0:
            continue
        begin = begin_nb(
            ranges[j, OPEN],
            ranges[j, HIGH],
            ranges[j, LOW],
            prices[j, CLOSE],
            fills_at_close[k],
        )
        reason, price, _ = protected_nb(
            position_of_nb(memory[k]),
            begin,
            ranges[j, HIGH],
            ranges[j, LOW],
            sizing[k, TICK_SIZE],
            prices[j - 1, SLIPPAGE],
        )
        if reason != 0:
            fee = held * price * prices[j - 1, COMMISSION]
            memory[k, DELTA] = 0.0
            book_nb(memory[k], -held, price, fee, True)
            brought += held * price - fee
    return brought


@kernel
def executed_nb(
    memory: FloatArray, sizing: FloatArray, prices: FloatArray, j: int, paying: float
) -> float:
    """Fill one book's order, a purchase for at most `paying`; return the cash it moves."""
    quantity, price, fee = fill_nb(
        memory[DELTA],
        paying,
        prices[j, EXEC_PRICE],
        prices[j - 1, COMMISSION],
        prices[j - 1, SLIPPAGE],
        sizing[QUANTITY_STEP],
        memory[TAKES_ALL] != 0.0,
    )
    memory[DELTA] = 0.0
    if quantity == 0.0:
        return 0.0
    book_nb(memory, quantity, price, fee, sizing[RESTS_PROTECTION] != 0.0)
    return -quantity * price - fee


@kernel
def held_nb(memory: FloatArray, known: FloatArray) -> float:
    """Value all positions at their last closes; nothing here is ever short."""
    total = 0.0
    for k in range(known.shape[0]):
        if memory[k, HELD] != 0.0:
            total += memory[k, HELD] * known[k, PRICE]
    return total


@kernel
def share_nb(
    shares: FloatArray, known: FloatArray, k: int, gross_cap: float, n_slots: int
) -> float:
    """Return a book's share of equity; a NaN one by its volatility beside the others'."""
    if not np.isnan(shares[k]):
        return float(shares[k])
    if not known[k, RISK] > 0.0:
        return 0.0
    total = 0.0
    n = 0
    for other in range(known.shape[0]):
        if known[other, RISK] > 0.0:
            total += 1.0 / known[other, RISK]
            n += 1
    return float(min(gross_cap / known[k, RISK] / total * n / n_slots, gross_cap))


@kernel
def correlation_nb(
    memory: FloatArray,
    begins: IntArray,
    closed_at: IntArray,
    prices: FloatArray,
    k: int,
    now: int,
) -> float:
    """Average a book's correlations with the others held; see `correlation.mean_correlation`."""
    total = 0.0
    n = 0
    own_at, own = closed_at[begins[k] : begins[k + 1]], prices[begins[k] : begins[k + 1], CLOSE]
    for other in range(memory.shape[0]):
        if other == k or memory[other, HELD] == 0.0:
            continue
        low, high = begins[other], begins[other + 1]
        pair = pair_correlation_nb(
            own_at, own, closed_at[low:high], prices[low:high, CLOSE], now, WINDOW_RETURNS
        )
        if not np.isnan(pair):
            total += pair
            n += 1
    return total / n if n else np.nan
