"""One compiled bar loop for tables whose orders do not simply fill whole at the open.

INPUT    as `engine.rich`, with volumes, a share of them, times in force and every kind of cost
OUTPUT   cash and quantity after each bar, every order with its status, every fill
LOOKBACK none beyond the table's own

Order of one bar, as in `engine.execution`: interest on negative cash; the working order and what
rests meet the bar, each at its time; the book is marked at the close; breaker, rule and plan decide
what to order, and a new order replaces the one at work. It takes several times as long as the loop
of `engine.rich`, which is for orders that fill whole.
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
from trading.engine.order_kernels import (
    Charges,
    Working,
    charged_nb,
    commission_nb,
    fillable_nb,
    filled_at_nb,
    no_order_nb,
    ordered_nb,
    rested_nb,
)
from trading.engine.positions import (
    CASH,
    HELD,
    RESTS_PROTECTION,
    Decided,
    aged_nb,
    begin_nb,
    decided_nb,
    filled_nb,
    held_after_nb,
    pending_of_nb,
    position_of_nb,
    remember_nb,
    sizing_of_nb,
)
from trading.engine.rules import (
    COST_RATE,
    DIP_WEIGHT,
    FLAT,
    HOLDING_LIMIT,
    SIGNALS,
    STOP_DISTANCE,
    STOP_REACHED,
    TARGET_DISTANCE,
    TARGET_REACHED,
    TRAIL_DISTANCE,
    TREND_WEIGHT,
    Row,
)

# Where an order stands; their names are in `simulation.STATUSES`.
ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED = 0, 1, 2, 3, 4


class OrderMarket(NamedTuple):
    """What orders meet, float64 of shape (n_bars,): prices, volume, days since the bar before.

    Then what a fill decided at each bar costs: commission and slippage as fractions, impact per
    root of a unit.
    """

    exec_price: FloatArray
    opened: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    days_between: FloatArray
    commission: FloatArray
    slippage: FloatArray
    impact: FloatArray


class OrderTerms(NamedTuple):
    """On what terms orders meet bars.

    Share of the volume (NaN for no limit), whether a rest is carried, whether market orders get the
    close, commission per unit and least one, and interest a day on negative cash.
    """

    volume_share: float
    carries_rest: bool
    fills_at_close: bool
    per_unit: float
    minimum: float
    financing: float


class OrderLog(NamedTuple):
    """Orders by number: bar that decided it, signed units, units filled, status.

    Of one that rested the reason it was met for and its level, of others 0 and NaN.
    """

    signals: IntArray
    quantities: FloatArray
    filled: FloatArray
    statuses: IntArray
    rested: IntArray
    levels: FloatArray


class FillLog(NamedTuple):
    """Fills in order: bar, number of the order, signed units, price, commission, reason."""

    bars: IntArray
    numbers: IntArray
    quantities: FloatArray
    prices: FloatArray
    commissions: FloatArray
    reasons: IntArray


@kernel
def charges_nb(
    market: OrderMarket, terms: OrderTerms, quantity_step: float, i: int, before: float
) -> Charges:
    """Return what a fill decided at bar `i` costs whose order was charged `before` by now."""
    return Charges(
        market.slippage[i],
        market.commission[i],
        market.impact[i],
        terms.per_unit,
        terms.minimum,
        quantity_step,
        before,
    )


@kernel
def most_nb(terms: OrderTerms, volume: float, taken: float) -> float:
    """Return the units a bar gives one order after `taken` of another."""
    if terms.volume_share != terms.volume_share:
        return np.inf
    if taken > 0.0:
        volume = max(volume - taken / terms.volume_share, 0.0)
    return volume * terms.volume_share


@kernel
def simulate_orders_nb(  # noqa: C901 - a branch per event of a bar, as in `rich`
    market: OrderMarket,
    terms: OrderTerms,
    seconds: FloatArray,
    days: FloatArray,
    columns: FloatArray,
    volatility: FloatArray,
    percentile: FloatArray,
    breaker_config: FloatArray,
    breaker: FloatArray,
    memory: FloatArray,
    sizing_terms: FloatArray,
    start: int,
    first: int,
) -> tuple[FloatArray, FloatArray, OrderLog, FillLog, int, int, float, bool]:
    """Run a table of signals from bar `start`, deciding from `first` on.

    Arguments are those of `rich.simulate_rules_nb`, whose `memory` and `breaker` are moved on in
    place here too. Returns cash and quantity after each bar, the orders and fills, how many of each
    are valid, the interest paid and whether a stop was met that is not sold yet.

    It is long because everything remembered from bar to bar is a local variable.
    """
    n = market.close.shape[0]
    cash, held = memory[CASH], memory[HELD]
    position, pending = position_of_nb(memory), pending_of_nb(memory)
    sizing = sizing_of_nb(sizing_terms, sizing_terms[RESTS_PROTECTION] != 0.0)
    limits = limits_of_nb(breaker_config)
    level, book, bounds = level_of_nb(breaker), book_of_nb(breaker), bounds_nb(limits)
    factor = factor_nb(level, limits)
    cash_path, held_path = np.full(n, cash), np.full(n, held)
    most_orders = 2 * n
    orders = OrderLog(
        np.empty(most_orders, dtype=np.int64),
        np.empty(most_orders),
        np.empty(most_orders),
        np.empty(most_orders, dtype=np.int64),
        np.zeros(most_orders, dtype=np.int64),
        np.full(most_orders, np.nan),
    )
    fills = FillLog(
        np.empty(most_orders, dtype=np.int64),
        np.empty(most_orders, dtype=np.int64),
        np.empty(most_orders),
        np.empty(most_orders),
        np.empty(most_orders),
        np.empty(most_orders, dtype=np.int64),
    )
    n_orders, n_fills, interest, is_stopped = 0, 0, 0.0, False
    working = no_order_nb()
    decided = Decided(0.0, 0, False)
    for i in range(start, n):
        if i > 0 and cash < 0.0:
            charged = -cash * terms.financing * market.days_between[i]
            interest += charged
            cash -= charged
        taken = 0.0
        for turn in range(2):
            reason, quantity, price, fee, signed, number = 0, 0.0, 0.0, 0.0, 0.0, -1
            if (turn == 0) == terms.fills_at_close:
                if held == 0.0 or not sizing.rests_protection:
                    continue
                charges = charges_nb(market, terms, sizing.quantity_step, i - 1, 0.0)
                most = most_nb(terms, market.volume[i], taken)
                begin = begin_nb(
                    market.opened[i],
                    market.high[i],
                    market.low[i],
                    market.close[i],
                    terms.fills_at_close,
                )
                reason, quantity, price, rested_at = rested_nb(
                    position,
                    held,
                    begin,
                    market.high[i],
                    market.low[i],
                    sizing.tick_size,
                    most,
                    charges,
                )
                if reason == 0:
                    continue
                if working.number >= 0:
                    orders.statuses[working.number] = CANCELED
                working = no_order_nb()
                is_stopped = is_stopped or reason != TARGET_REACHED
                if quantity > 0.0:
                    number, signed = n_orders, -quantity
                    fee = commission_nb(charges, quantity, price)
                    orders.signals[number] = i - 1
                    orders.quantities[number] = -held
                    orders.filled[number] = quantity
                    orders.statuses[number] = FILLED if quantity >= held else CANCELED
                    orders.rested[number] = reason
                    orders.levels[number] = rested_at
                    n_orders += 1
            elif working.signal >= 0:
                charges = charges_nb(
                    market, terms, sizing.quantity_step, working.signal, working.charged
                )
                ordered = ordered_nb(working, cash, market.exec_price[i], charges)
                left = max(ordered - working.filled, 0.0)
                if not left > 0.0:
                    if working.number >= 0:
                        orders.statuses[working.number] = CANCELED
                    working = no_order_nb()
                    continue
                quantity = fillable_nb(
                    left, most_nb(terms, market.volume[i], 0.0), sizing.quantity_step
                )
                number = working.number
                if number < 0:
                    number = n_orders
                    n_orders += 1
                filled, status, charged = working.filled + quantity, FILLED, working.charged
                if quantity < left:
                    status = PARTIALLY_FILLED if filled > 0.0 else ACCEPTED
                    if not terms.carries_rest:
                        status = EXPIRED
                if quantity > 0.0:
                    price, fee = filled_at_nb(
                        working, ordered, quantity, cash, market.exec_price[i], charges
                    )
                    signed = quantity if working.is_buy else -quantity
                    charged += charged_nb(charges, quantity, price)
                    reason, taken = working.reason, quantity
                orders.signals[number] = working.signal
                orders.quantities[number] = ordered if working.is_buy else -ordered
                orders.filled[number] = filled
                orders.statuses[number] = status
                working = Working(
                    number,
                    working.signal,
                    working.is_buy,
                    working.takes_all_cash,
                    ordered,
                    filled,
                    working.reason,
                    charged,
                )
                if status in (FILLED, EXPIRED):
                    working = no_order_nb()
            if quantity > 0.0:
                cash += -signed * price - fee
                before, held = held, held_after_nb(held, signed)
                position, pending = filled_nb(
                    position, pending, before, held, price, sizing.rests_protection
                )
                is_stopped = is_stopped and held != 0.0
                fills.bars[n_fills] = i
                fills.numbers[n_fills] = number
                fills.quantities[n_fills] = signed
                fills.prices[n_fills] = price
                fills.commissions[n_fills] = fee
                fills.reasons[n_fills] = reason
                n_fills += 1
        position = aged_nb(position)
        cash_path[i] = cash
        held_path[i] = held
        if i < first:
            continue
        if breaker_config.shape[0] > 0:
            level, book, factor = watched_nb(
                level,
                book,
                factor,
                limits,
                bounds,
                seconds[i],
                days[i],
                cash + held * market.close[i],
                position.kind != FLAT,
                volatility[i],
                percentile[i],
            )
        if is_stopped:
            # What is left of a position whose stop was met goes, whatever the rule says.
            decided = Decided(-held, STOP_REACHED, False)
        else:
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
                position,
                pending,
                row,
                sizing,
                cash,
                held,
                market.close[i],
                market.commission[i],
                factor,
            )
        is_reducing = working.signal >= 0 and not working.is_buy
        if decided.delta == 0.0 and held != 0.0 and not is_reducing:
            # No wish keeps the rest of an order at work while something is held; but what is left
            # of a sale has nothing to complete once the rule wants to keep it.
            continue
        if working.number >= 0:
            orders.statuses[working.number] = CANCELED
        working = no_order_nb()
        if decided.delta != 0.0:
            working = Working(
                -1,
                i,
                decided.delta > 0.0,
                decided.takes_all_cash,
                abs(decided.delta),
                0.0,
                decided.reason,
                0.0,
            )
    memory[CASH], memory[HELD] = cash, held
    remember_nb(memory, position, pending, decided)
    breaker_remember_nb(breaker, level, book)
    return cash_path, held_path, orders, fills, n_orders, n_fills, interest, is_stopped
