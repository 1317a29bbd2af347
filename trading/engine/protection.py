"""Stops and targets that rest at the market: which orders, and which of them a bar meets.

INPUT    the state of a strategy, the one bar the orders meet
OUTPUT   its protective orders; the one that is executed, how and why
LOOKBACK none; levels are those known at the close before the bar

One cancels the other. A bar that opens beyond the target sells there, because the open comes first.
Where both levels lie inside a bar nobody knows which came first: the stop is taken. What begins
beyond a level where the open is no traded price, `fills.meeting` says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trading.engine import rules
from trading.engine.fill_rules import FillRules
from trading.engine.fills import BarPrices, Execution, execute, meeting
from trading.engine.rules import REASONS, order_level_nb
from trading.engine.state import StrategyState
from trading.engine.types import Order, OrderSide, OrderStatus, OrderType, TimeInForce


@dataclass(frozen=True, slots=True)
class ProtectionMet:
    """The protective order a bar met, what was executed of it (perhaps nothing yet), and why."""

    order: Order
    execution: Execution
    reason: str

    @property
    def is_stopped(self) -> bool:
        """Tell whether it was the stop."""
        return self.order.order_type is OrderType.STOP_MARKET

    def order_after(self, name: str) -> Order:
        """Return the order as the bar left it; what was not filled rests again under a new name."""
        done = self.execution
        is_whole = done.status is OrderStatus.FILLED
        return replace(
            self.order,
            client_order_id=name,
            filled_quantity=done.quantity,
            status=OrderStatus.FILLED if is_whole else OrderStatus.CANCELED,
            is_triggered=done.is_triggered,
        )


def protective_orders(
    state: StrategyState, symbol: str, tick_size: float = 0.0
) -> tuple[Order, ...]:
    """Return the orders that rest for a position: its stop, then its target.

    Parameters
    ----------
    state : StrategyState
        With a position whose protection rests; without one nothing does.
    symbol : str
        Of the instrument.
    tick_size : float
        Levels are rounded to a multiple, away from the market; 0 keeps them as they are.

    Returns
    -------
    tuple of Order
        For all units held, good until canceled; named by their part, STOP or TARGET. A stop at or
        below 0 is left out: nothing trades there.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from trading.engine.state import start
    >>> held = replace(start(9.0), quantity=2.0, stop_price=95.126, rests_protection=True)
    >>> [(order.client_order_id, order.stop_price) for order in protective_orders(held, "X", 0.01)]
    [('STOP', 95.12)]
    """
    if not state.rests_protection or state.is_flat:
        return ()
    is_long = state.quantity > 0.0
    orders = []
    if state.stop_price is not None:
        level = order_level_nb(state.stop_price, tick_size, not is_long)
        orders.append(_order(state, symbol, "STOP", OrderType.STOP_MARKET, level))
    if state.target_price is not None:
        level = order_level_nb(state.target_price, tick_size, is_long)
        orders.append(_order(state, symbol, "TARGET", OrderType.LIMIT, level))
    return tuple(order for order in orders if level_of(order) > 0.0)


def protection_met(
    orders: tuple[Order, ...], bar: BarPrices, fill_rules: FillRules
) -> ProtectionMet | None:
    """Let protective orders meet a bar; the first one met cancels the other.

    Parameters
    ----------
    orders : tuple of Order
        From `protective_orders`.
    bar : BarPrices
        The bar after the close at which the levels were known.
    fill_rules : FillRules
        Costs and limits: a stop pays what a market order pays, a target no slippage.

    Returns
    -------
    ProtectionMet or None
        None where the bar reaches neither. A stop that is met while no volume is left counts as
        met, with nothing executed.
    """
    for order in in_turn(orders, bar, fill_rules.price_field):
        execution = execute(order, bar, fill_rules)
        if execution.quantity > 0.0 or execution.is_triggered:
            return ProtectionMet(order, execution, _reason(order, bar, fill_rules.price_field))
    return None


def in_turn(orders: tuple[Order, ...], bar: BarPrices, price_field: str) -> list[Order]:
    """Sort protective orders by when a bar meets them: what it begins beyond, then the stop."""
    return sorted(
        orders,
        key=lambda order: (
            not _begins_beyond(order, bar, price_field),
            order.order_type is not OrderType.STOP_MARKET,
        ),
    )


def level_of(order: Order) -> float:
    """Return the price at which a protective order rests."""
    level = order.limit_price if order.order_type is OrderType.LIMIT else order.stop_price
    assert level is not None  # noqa: S101 - _order has set it
    return level


def _order(
    state: StrategyState, symbol: str, part: str, order_type: OrderType, level: float
) -> Order:
    is_stop = order_type is OrderType.STOP_MARKET
    return Order(
        client_order_id=part,
        symbol=symbol,
        side=OrderSide.SELL if state.quantity > 0.0 else OrderSide.BUY,
        order_type=order_type,
        quantity=abs(state.quantity),
        limit_price=None if is_stop else level,
        stop_price=level if is_stop else None,
        time_in_force=TimeInForce.GTC,
        submitted_at=state.last_bar_at,
    )


def _begins_beyond(order: Order, bar: BarPrices, price_field: str) -> bool:
    """Tell whether the beginning of a bar already meets the order."""
    is_below = (order.side is OrderSide.SELL) is (order.order_type is OrderType.STOP_MARKET)
    return meeting(bar, level_of(order), is_below=is_below, price_field=price_field)[1]


def _reason(order: Order, bar: BarPrices, price_field: str) -> str:
    if order.order_type is OrderType.LIMIT:
        return REASONS[rules.TARGET_REACHED]
    is_gap = _begins_beyond(order, bar, price_field)
    return REASONS[rules.STOP_GAPPED if is_gap else rules.STOP_REACHED]
