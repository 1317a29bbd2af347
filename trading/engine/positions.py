"""What is held and what is pending: one fill, one close, and the memory between them.

INPUT    what is remembered, a fill or one row of a `RuleTable`
OUTPUT   what is remembered next, and what to trade
LOOKBACK none

The bar loop of `engine.rich` carries `Position`, `Pending` and `Decided` in registers; who takes
one bar at a time keeps them in one vector.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine.kernels import FloatArray, inlined, kernel
from trading.engine.rules import (
    BREAKER_REASON,
    ENTER_TREND,
    FLAT,
    LEAVE_TREND,
    STOP_GAPPED,
    STOP_REACHED,
    TARGET_REACHED,
    TREND,
    WITHHOLDS,
    Row,
    affordable_nb,
    kind_after_nb,
    order_level_nb,
    plan_nb,
    rule_next_nb,
)
from trading.engine.state import DUST

# Cells of the position's memory.
CASH, HELD, DELTA, REASON, TAKES_ALL, KIND, BARS_HELD = 0, 1, 2, 3, 4, 5, 6
STOP_PRICE, TARGET_PRICE, LIMIT = 7, 8, 9
PENDING_KIND, PENDING_STOP, PENDING_TARGET, PENDING_RATE, PENDING_LIMIT = 10, 11, 12, 13, 14
N_MEMORY = 15

# Cells of the sizing terms.
QUANTITY_STEP, NO_TRADE_BAND, REBALANCES, WANTS_ALL_CASH, ALLOWS_ALL_CASH = 0, 1, 2, 3, 4
SLIPPAGE_RATE, KEEPS_LIMIT, RESTS_PROTECTION, TICK_SIZE = 5, 6, 7, 8


class Position(NamedTuple):
    """What is held: kind (0 flat), closes held, prices of stop and target (NaN none), own limit."""

    kind: int
    bars_held: int
    stop_price: float
    target_price: float
    limit: int


class Pending(NamedTuple):
    """What an order opens: kind, distances of stop and target (NaN none), cost per side, limit."""

    kind: int
    stop: float
    target: float
    rate: float
    limit: int


class Decided(NamedTuple):
    """Units to trade on the next bar, why (see `rules.REASONS`), and whether for all the cash."""

    delta: float
    reason: int
    takes_all_cash: bool


class Begin(NamedTuple):
    """How a bar begins: below `under` or above `over` it began beyond a level, trading at `price`.

    As in `fills.meeting`: all three are the open, or where that is no traded price high, low and
    close.
    """

    under: float
    over: float
    price: float


class Sizing(NamedTuple):
    """The terms of sizing as `plan_nb` wants them."""

    quantity_step: float
    no_trade_band: float
    rebalances: bool
    wants_all_cash: bool
    allows_all_cash: bool
    slippage_rate: float
    keeps_limit: bool
    rests_protection: bool
    tick_size: float


@inlined
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


@inlined
def held_after_nb(before: float, quantity: float) -> float:
    """Return what is held after a fill; rounding dust is nothing."""
    after = before + quantity
    return 0.0 if abs(after) <= DUST * max(abs(before), abs(quantity)) else after


@inlined
def nothing_held_nb() -> Position:
    """Return the position of a flat book."""
    return Position(0, 0, np.nan, np.nan, 0)


@inlined
def nothing_pending_nb() -> Pending:
    """Return what no order would open."""
    return Pending(0, np.nan, np.nan, 0.0, 0)


@inlined
def aged_nb(position: Position) -> Position:
    """Count one more close that something was held."""
    bars_held = position.bars_held + 1 if position.kind != FLAT else 0
    return Position(
        position.kind, bars_held, position.stop_price, position.target_price, position.limit
    )


@inlined
def opened_nb(pending: Pending, price: float, rests_protection: bool) -> Position:
    """Return the position that the fill of a pending order opens."""
    paid = price * (1.0 + pending.rate)
    stop_price, target_price = price - pending.stop, paid + pending.target
    if rests_protection:
        # An order that rests is filled before costs; what is watched at the close, after them.
        target_price /= 1.0 - pending.rate
    return Position(pending.kind, 0, stop_price, target_price, pending.limit)


@inlined
def filled_nb(
    position: Position,
    pending: Pending,
    before: float,
    held: float,
    price: float,
    rests_protection: bool,
) -> tuple[Position, Pending]:
    """Return what a fill leaves: it ends a position, opens one, or changes its size."""
    if held == 0.0:
        return nothing_held_nb(), nothing_pending_nb()
    if before == 0.0:
        return opened_nb(pending, price, rests_protection), nothing_pending_nb()
    return position, pending


@inlined
def begin_nb(opened: float, high: float, low: float, close: float, fills_at_close: bool) -> Begin:
    """Return how a bar begins; where orders are filled at the close the open is not traded."""
    if fills_at_close:
        return Begin(high, low, close)
    return Begin(opened, opened, opened)


@inlined
def protected_nb(
    position: Position,
    begin: Begin,
    high: float,
    low: float,
    tick_size: float,
    slippage_rate: float,
) -> tuple[int, float, float]:
    """Let a bar meet what rests for a long position: reason (0 for none), price paid, level.

    As `protection.protection_met`: what the bar begins beyond comes first, then the stop.
    """
    stop, target = -np.inf, np.inf
    if position.stop_price == position.stop_price:
        stop = order_level_nb(position.stop_price, tick_size, False)
    if position.target_price == position.target_price:
        target = order_level_nb(position.target_price, tick_size, True)
    if begin.under <= stop:
        return STOP_GAPPED, begin.price * (1.0 - slippage_rate), stop
    if begin.over >= target:
        return TARGET_REACHED, begin.price, target
    if low <= stop:
        return STOP_REACHED, stop * (1.0 - slippage_rate), stop
    return (TARGET_REACHED, target, target) if high >= target else (0, 0.0, 0.0)


@inlined
def trailed_nb(stop_price: float, close: float, distance: float) -> float:
    """Return the stop after a close: it only rises, and stays without a distance (NaN)."""
    trailed = close - distance
    if trailed > stop_price or stop_price != stop_price:
        return trailed
    return stop_price


@inlined
def kept_nb(position: Position, kind: int, close: float, trail_distance: float) -> Position:
    """Return a position after a close that keeps it: its kind may change, its stop may rise."""
    stop = trailed_nb(position.stop_price, close, trail_distance)
    return Position(kind, position.bars_held, stop, position.target_price, position.limit)


@inlined
def trend_reason_nb(signals: int) -> int:
    """Return the index in `REASONS` of why a TREND is kept."""
    return 1 if signals & ENTER_TREND else 3


@inlined
def stays_nb(
    position: Position,
    signals: int,
    weight: float,
    cost_rate: float,
    no_trade_band: float,
    cash: float,
    held: float,
    close: float,
) -> bool:
    """Tell whether a TREND certainly stays as it is: then `decided_nb` need not be asked.

    It looks where most bars end, at what `rules.rule_next_nb` and `rules.plan_nb` would look at.
    """
    invested = held * close
    equity = cash + invested
    return (
        signals & (ENTER_TREND | LEAVE_TREND) != LEAVE_TREND
        and not close <= position.stop_price
        and not close * (1.0 - cost_rate) > position.target_price
        and weight != 0.0
        and equity > 0.0
        and abs(weight - invested / equity) <= no_trade_band
    )


@inlined
def decided_nb(
    position: Position,
    pending: Pending,
    row: Row,
    sizing: Sizing,
    cash: float,
    held: float,
    close: float,
    commission_rate: float,
    factor: float,
) -> tuple[Position, Pending, Decided]:
    """Decide at a close by one row of a table.

    Most of its lines hand arguments to `rules.rule_next_nb` and `rules.plan_nb` one by one: it is
    that long because kernels get numbers, not objects to read them from.
    """
    limit = int(row.holding_limit)
    reason = rule_next_nb(
        int(row.signals),
        position.kind,
        position.bars_held,
        position.limit if sizing.keeps_limit else limit,
        close,
        np.nan if sizing.rests_protection else position.stop_price,
        np.nan if sizing.rests_protection else position.target_price,
        row.cost_rate,
    )
    kind = kind_after_nb(reason)
    weight = 0.0
    if kind != FLAT:
        weight = factor * (row.trend_weight if kind == TREND else row.dip_weight)
    wants_all = sizing.wants_all_cash and factor == 1.0
    _, delta, _ = plan_nb(
        weight,
        held,
        cash,
        close,
        commission_rate,
        sizing.slippage_rate,
        sizing.quantity_step,
        sizing.no_trade_band,
        sizing.rebalances,
        wants_all,
    )
    if delta > 0.0 and int(row.signals) & WITHHOLDS:
        delta = 0.0
    takes_all = wants_all and sizing.allows_all_cash and held == 0.0
    if held != 0.0:
        if kind != FLAT:
            position = kept_nb(position, kind, close, row.trail_distance)
    elif delta != 0.0:
        kept = limit if sizing.keeps_limit else 0
        pending = Pending(kind, row.stop_distance, row.target_distance, row.cost_rate, kept)
    if kind != FLAT and factor == 0.0:
        reason = BREAKER_REASON
    return position, pending, Decided(delta, reason, takes_all)


@inlined
def position_of_nb(memory: FloatArray) -> Position:
    """Read the position out of the memory."""
    return Position(
        int(memory[KIND]),
        int(memory[BARS_HELD]),
        memory[STOP_PRICE],
        memory[TARGET_PRICE],
        int(memory[LIMIT]),
    )


@inlined
def pending_of_nb(memory: FloatArray) -> Pending:
    """Read what the pending order would open out of the memory."""
    return Pending(
        int(memory[PENDING_KIND]),
        memory[PENDING_STOP],
        memory[PENDING_TARGET],
        memory[PENDING_RATE],
        int(memory[PENDING_LIMIT]),
    )


@inlined
def sizing_of_nb(sizing: FloatArray, rests_protection: bool) -> Sizing:
    """Read the terms of sizing out of their vector, but for what the caller knows better."""
    return Sizing(
        sizing[QUANTITY_STEP],
        sizing[NO_TRADE_BAND],
        sizing[REBALANCES] != 0.0,
        sizing[WANTS_ALL_CASH] != 0.0,
        sizing[ALLOWS_ALL_CASH] != 0.0,
        sizing[SLIPPAGE_RATE],
        sizing[KEEPS_LIMIT] != 0.0,
        rests_protection,
        sizing[TICK_SIZE],
    )


@inlined
def remember_nb(memory: FloatArray, position: Position, pending: Pending, decided: Decided) -> None:
    """Write into the memory what is held, what is pending and what was decided."""
    memory[KIND] = position.kind
    memory[BARS_HELD] = position.bars_held
    memory[STOP_PRICE] = position.stop_price
    memory[TARGET_PRICE] = position.target_price
    memory[LIMIT] = position.limit
    memory[PENDING_KIND] = pending.kind
    memory[PENDING_STOP] = pending.stop
    memory[PENDING_TARGET] = pending.target
    memory[PENDING_RATE] = pending.rate
    memory[PENDING_LIMIT] = pending.limit
    memory[DELTA] = decided.delta
    memory[REASON] = decided.reason
    memory[TAKES_ALL] = 1.0 if decided.takes_all_cash else 0.0


@kernel
def book_nb(
    memory: FloatArray, quantity: float, price: float, commission: float, rests_protection: bool
) -> None:
    """Book a fill in the memory: cash, what is held, and what the fill opened or ended."""
    before = memory[HELD]
    held = held_after_nb(before, quantity)
    memory[CASH] += -quantity * price - commission
    memory[HELD] = held
    position, pending = position_of_nb(memory), pending_of_nb(memory)
    position, pending = filled_nb(position, pending, before, held, price, rests_protection)
    decided = Decided(memory[DELTA], int(memory[REASON]), memory[TAKES_ALL] != 0.0)
    remember_nb(memory, position, pending, decided)
