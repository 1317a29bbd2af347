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
def held_after_nb(before: float, quantity: float) -> float:
    """Return what is held after a fill; rounding dust is nothing."""
    after = before + quantity
    return 0.0 if abs(after) <= DUST * max(abs(before), abs(quantity)) else after


@kernel
def trailed_nb(stop_price: float, close: float, distance: float) -> float:
    """Return the stop after a close: it only rises, and stays without a distance (NaN)."""
    trailed = close - distance
    if trailed > stop_price or stop_price != stop_price:
        return trailed
    return stop_price


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
    breaker_state: FloatArray,
    cash: float,
    quantity_step: float,
    no_trade_band: float,
    rebalances: bool,
    uses_all_cash: bool,
    allows_all_cash: bool,
    start: int,
    first: int,
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, FloatArray, FloatArray, IntArray, int]:
    """Run a table of signals from bar `start`, deciding from `first` on.

    `commission` and `slippage` are fractions read at the signal bar; `seconds` is the bars' close
    in seconds UTC; an empty `breaker_config` leaves the breaker out. Returns cash and quantity
    after each bar, then the fills (see `RichFills`) of which the last item are valid.
    """
    n = close.shape[0]
    cash_path = np.full(n, cash)
    held_path = np.zeros(n)
    fill_bars = np.empty(n, dtype=np.int64)
    quantities = np.empty(n)
    prices = np.empty(n)
    fees = np.empty(n)
    reasons = np.empty(n, dtype=np.int64)
    n_fills = 0
    has_breaker = breaker_config.shape[0] > 0
    held = 0.0
    kind = 0
    bars_held = 0
    stop_price = np.nan
    target_price = np.nan
    delta = 0.0
    takes_all = False
    reason = 0
    pending_kind = 0
    pending_stop = np.nan
    pending_target = np.nan
    pending_rate = 0.0
    for i in range(start, n):
        if delta != 0.0:
            before = held
            quantity, price, fee = fill_nb(
                delta,
                cash,
                exec_price[i],
                commission[i - 1],
                slippage[i - 1],
                quantity_step,
                takes_all,
            )
            if quantity != 0.0:
                cash += -quantity * price - fee
                held = held_after_nb(before, quantity)
                if held == 0.0:
                    kind = 0
                    stop_price = np.nan
                    target_price = np.nan
                elif before == 0.0:
                    kind = pending_kind
                    bars_held = 0
                    stop_price = price - pending_stop
                    target_price = price * (1.0 + pending_rate) + pending_target
                fill_bars[n_fills] = i
                quantities[n_fills] = quantity
                prices[n_fills] = price
                fees[n_fills] = fee
                reasons[n_fills] = reason
                n_fills += 1
            delta = 0.0
        bars_held = bars_held + 1 if held != 0.0 else 0
        cash_path[i] = cash
        held_path[i] = held
        if i < first:
            continue
        factor = 1.0
        if has_breaker:
            factor = breaker_next_nb(
                breaker_state,
                breaker_config,
                seconds[i],
                cash + held * close[i],
                held,
                volatility[i],
                percentile[i],
                np.nan,
            )
        reason = rule_next_nb(
            int(rows[i, SIGNALS]),
            kind,
            bars_held,
            int(rows[i, HOLDING_LIMIT]),
            close[i],
            stop_price,
            target_price,
            rows[i, COST_RATE],
        )
        wanted = kind_after_nb(reason)
        weight = factor * (rows[i, wanted] if wanted != 0 else 0.0)
        if wanted != 0 and factor == 0.0:
            reason = BREAKER_REASON
        takes_all = uses_all_cash and factor == 1.0
        _, delta, _ = plan_nb(
            weight,
            held,
            cash,
            close[i],
            commission[i],
            slippage[i],
            quantity_step,
            no_trade_band,
            rebalances,
            takes_all,
        )
        takes_all = takes_all and allows_all_cash and held == 0.0
        if held == 0.0:
            pending_kind = wanted
            pending_stop = rows[i, STOP_DISTANCE]
            pending_target = rows[i, TARGET_DISTANCE]
            pending_rate = rows[i, COST_RATE]
            continue
        if wanted != 0:
            kind = wanted
        stop_price = trailed_nb(stop_price, close[i], rows[i, TRAIL_DISTANCE])
    return cash_path, held_path, fill_bars, quantities, prices, fees, reasons, n_fills
