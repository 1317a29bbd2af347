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

from trading.engine.breaker_kernels import breaker_next_nb
from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.rules import (
    BREAKER_REASON,
    COST_RATE,
    HOLDING_LIMIT,
    SIGNALS,
    STOP_DISTANCE,
    TARGET_DISTANCE,
    TRAIL_DISTANCE,
    affordable_nb,
    kind_after_nb,
    plan_nb,
    rule_next_nb,
)
from trading.engine.state import DUST

# Cells of the position's memory.
CASH, HELD, DELTA, REASON, TAKES_ALL, KIND, BARS_HELD = 0, 1, 2, 3, 4, 5, 6
STOP_PRICE, TARGET_PRICE = 7, 8
PENDING_KIND, PENDING_STOP, PENDING_TARGET, PENDING_RATE = 9, 10, 11, 12
N_MEMORY = 13

# Cells of the sizing terms.
QUANTITY_STEP, NO_TRADE_BAND, REBALANCES, WANTS_ALL_CASH, ALLOWS_ALL_CASH = 0, 1, 2, 3, 4
SLIPPAGE_RATE = 5


class RichFills(NamedTuple):
    """Fills of one run in order, each array of shape (n_fills,).

    bar, signed quantity in units, price with slippage, commission in currency, and the reason as an
    index in `rules.REASONS`.
    """

    bars: IntArray
    quantities: FloatArray
    prices: FloatArray
    commissions: FloatArray
    reasons: IntArray


@kernel
def fill_nb(
    delta: float,
    cash: float,
    exec_price: float,
    commission_rate: float,
    slippage_rate: float,
    quantity_step: float,
    takes_all_cash: bool,
) -> tuple[float, float, float]:
    """Fill a market order: signed quantity (0 for none), price with slippage, commission."""
    if delta < 0.0:
        price = exec_price * (1.0 - slippage_rate)
        return delta, price, -delta * price * commission_rate
    price = exec_price * (1.0 + slippage_rate)
    affordable = affordable_nb(cash, price, commission_rate, quantity_step)
    quantity = affordable if takes_all_cash else min(delta, affordable)
    fee = quantity * price * commission_rate
    if takes_all_cash and quantity_step == 0.0:
        # All cash is spent: the rest after the units is commission, to the last bit.
        fee = cash - cash / (1.0 + commission_rate)
    return quantity, price, fee


@kernel
def book_nb(memory: FloatArray, before: float, quantity: float, price: float) -> float:
    """Remember what a fill opened or ended; return what is held, rounding dust being nothing."""
    after = before + quantity
    if abs(after) <= DUST * max(abs(before), abs(quantity)):
        after = 0.0
        memory[KIND] = 0.0
        memory[STOP_PRICE] = np.nan
        memory[TARGET_PRICE] = np.nan
    elif before == 0.0:
        memory[KIND] = memory[PENDING_KIND]
        memory[BARS_HELD] = 0.0
        memory[STOP_PRICE] = price - memory[PENDING_STOP]
        paid = price * (1.0 + memory[PENDING_RATE])
        memory[TARGET_PRICE] = paid + memory[PENDING_TARGET]
    else:
        return after
    memory[PENDING_KIND] = 0.0
    memory[PENDING_STOP] = np.nan
    memory[PENDING_TARGET] = np.nan
    memory[PENDING_RATE] = 0.0
    return after


@kernel
def trailed_nb(stop_price: float, close: float, distance: float) -> float:
    """Return the stop after a close: it only rises, and stays without a distance (NaN)."""
    trailed = close - distance
    if trailed > stop_price or stop_price != stop_price:
        return trailed
    return stop_price


@kernel
def decide_nb(
    memory: FloatArray,
    rows: FloatArray,
    i: int,
    sizing: FloatArray,
    cash: float,
    held: float,
    close: float,
    commission_rate: float,
    factor: float,
) -> float:
    """Decide at the close of bar `i` and remember why; return the units to trade on the next."""
    reason = rule_next_nb(
        int(rows[i, SIGNALS]),
        int(memory[KIND]),
        int(memory[BARS_HELD]),
        int(rows[i, HOLDING_LIMIT]),
        close,
        memory[STOP_PRICE],
        memory[TARGET_PRICE],
        rows[i, COST_RATE],
    )
    kind = kind_after_nb(reason)
    weight = factor * rows[i, kind] if kind != 0 else 0.0
    wants_all = sizing[WANTS_ALL_CASH] != 0.0 and factor == 1.0
    _, delta, _ = plan_nb(
        weight,
        held,
        cash,
        close,
        commission_rate,
        sizing[SLIPPAGE_RATE],
        sizing[QUANTITY_STEP],
        sizing[NO_TRADE_BAND],
        sizing[REBALANCES] != 0.0,
        wants_all,
    )
    memory[REASON] = BREAKER_REASON if kind != 0 and factor == 0.0 else reason
    is_all = wants_all and sizing[ALLOWS_ALL_CASH] != 0.0 and held == 0.0
    memory[TAKES_ALL] = 1.0 if is_all else 0.0
    if held != 0.0:
        if kind != 0:
            memory[KIND] = kind
            memory[STOP_PRICE] = trailed_nb(memory[STOP_PRICE], close, rows[i, TRAIL_DISTANCE])
    elif delta != 0.0:
        memory[PENDING_KIND] = kind
        memory[PENDING_STOP] = rows[i, STOP_DISTANCE]
        memory[PENDING_TARGET] = rows[i, TARGET_DISTANCE]
        memory[PENDING_RATE] = rows[i, COST_RATE]
    return delta


@kernel
def simulate_rules_nb(
    exec_price: FloatArray,
    close: FloatArray,
    seconds: FloatArray,
    rows: FloatArray,
    volatility: FloatArray,
    percentile: FloatArray,
    commission: FloatArray,
    slippage: FloatArray,
    breaker_config: FloatArray,
    breaker: FloatArray,
    memory: FloatArray,
    sizing: FloatArray,
    start: int,
    first: int,
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, FloatArray, FloatArray, IntArray, int]:
    """Run a table of signals from bar `start`, deciding from `first` on.

    `commission` and `slippage` are fractions read at the signal bar; `seconds` is the bars' close
    in seconds UTC; an empty `breaker_config` leaves the breaker out. `memory` and `breaker` begin
    as they are and are moved on in place; `sizing` holds quantity step, no-trade band, as 0 or 1
    whether the rule rebalances, wants all cash and may have it, and the slippage a plan allows
    for. Returns cash and quantity after each bar, then the fills (see `RichFills`), of which the
    last item says how many are valid.
    """
    n = close.shape[0]
    cash, held, delta = memory[CASH], memory[HELD], memory[DELTA]
    cash_path = np.full(n, cash)
    held_path = np.full(n, held)
    fill_bars = np.empty(n, dtype=np.int64)
    quantities = np.empty(n)
    prices = np.empty(n)
    fees = np.empty(n)
    reasons = np.empty(n, dtype=np.int64)
    n_fills = 0
    has_breaker = breaker_config.shape[0] > 0
    factor = 1.0
    for i in range(start, n):
        if delta != 0.0:
            quantity, price, fee = fill_nb(
                delta,
                cash,
                exec_price[i],
                commission[i - 1],
                slippage[i - 1],
                sizing[QUANTITY_STEP],
                memory[TAKES_ALL] != 0.0,
            )
            if quantity != 0.0:
                cash += -quantity * price - fee
                held = book_nb(memory, held, quantity, price)
                fill_bars[n_fills] = i
                quantities[n_fills] = quantity
                prices[n_fills] = price
                fees[n_fills] = fee
                reasons[n_fills] = int(memory[REASON])
                n_fills += 1
            delta = 0.0
        memory[BARS_HELD] = memory[BARS_HELD] + 1.0 if held != 0.0 else 0.0
        cash_path[i] = cash
        held_path[i] = held
        if i < first:
            continue
        if has_breaker:
            factor = breaker_next_nb(
                breaker,
                breaker_config,
                seconds[i],
                cash + held * close[i],
                held,
                volatility[i],
                percentile[i],
                np.nan,
            )
        delta = decide_nb(memory, rows, i, sizing, cash, held, close[i], commission[i], factor)
    memory[CASH], memory[HELD], memory[DELTA] = cash, held, delta
    return cash_path, held_path, fill_bars, quantities, prices, fees, reasons, n_fills
