"""Whether and where an order fills on one bar: gaps, stops, limits, volume share.

INPUT    a working order and the one bar that follows its submission
OUTPUT   what was executed on that bar and what becomes of the rest
LOOKBACK none; nothing of the bar is known to whoever placed the order

Conservative choices: a limit is filled at its price, or at the open when the bar opens beyond it,
never better; a stop that is gapped through fills at the open; slippage worsens market and stop
fills, never limit fills, and by no more than `costs.MOST_WORSE` of the price. Where the open is no
traded price, `meeting` says what is known of a bar's beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

from trading.engine.errors import OrderInvalid
from trading.engine.fill_rules import FillRules, market_price
from trading.engine.sizing import round_down
from trading.engine.types import Order, OrderSide, OrderStatus, OrderType, TimeInForce


@dataclass(frozen=True, slots=True)
class BarPrices:
    """The bar an order meets: prices > 0, volume in units, close time in nanoseconds UTC."""

    open: float
    high: float
    low: float
    close: float
    volume: float
    closed_at: int


@dataclass(frozen=True, slots=True)
class Execution:
    """What one bar did to an order: units (0 for none), its status then, why in a few words."""

    quantity: float
    price: float
    commission: float
    status: OrderStatus
    is_triggered: bool
    reason: str


def execute(order: Order, bar: BarPrices, rules: FillRules | None = None) -> Execution:
    """Match a working order against the bar after its submission.

    Parameters
    ----------
    order : Order
        With quantity still to fill.
    bar : BarPrices
        A bar that opened after the order was submitted.
    rules : FillRules or None
        None for no costs and no limits.

    Returns
    -------
    Execution
        Quantity, price with slippage, commission and the status that follows: FILLED,
        PARTIALLY_FILLED, CANCELED (rest of IOC, unfilled FOK), EXPIRED (DAY, GTD over), unchanged.

    Raises
    ------
    OrderInvalid
        If the quantity is not above zero or a needed limit or stop price is missing.

    Notes
    -----
    A stop-limit met within the bar fills at its stop if the limit allows; one gapped through
    becomes a limit order at the open of this bar. DAY ends with the bar.

    Examples
    --------
    >>> order = Order("1", "SPX", OrderSide.BUY, OrderType.LIMIT, 10.0, limit_price=99.0)
    >>> execute(order, BarPrices(98.0, 101.0, 97.0, 100.0, 1e6, 0)).price
    98.0
    """
    _check(order)
    rules = rules or FillRules()
    quantity = _fillable(order, bar, rules)
    price, is_triggered, reason = _price(order, bar, rules, rules.price_rate(quantity))
    if price is None:
        return _unfilled(order, bar, is_triggered, reason)
    if order.time_in_force is TimeInForce.FOK and quantity < order.remaining_quantity:
        return Execution(0.0, 0.0, 0.0, OrderStatus.CANCELED, is_triggered, "not fillable at once")
    if quantity <= 0.0:
        return _unfilled(order, bar, is_triggered, "no volume left for this order on the bar")
    commission = rules.commission(quantity, price)
    status = _status_after(order, quantity, bar)
    return Execution(quantity, price, commission, status, is_triggered, reason)


def meeting(
    bar: BarPrices, level: float, *, is_below: bool, price_field: str
) -> tuple[float | None, bool]:
    """Return at which price a bar meets a level, and whether it began beyond it.

    Parameters
    ----------
    bar : BarPrices
        The bar after the close at which the order was known.
    level : float
        Stop or limit price.
    is_below : bool
        Whether the level is met from above, as the stop of a sale and the limit of a purchase.
    price_field : str
        As in `FillRules`.

    Returns
    -------
    float or None
        The open where the bar opens beyond the level, else the level; None where it is not reached.
        With "CLOSE" the open is no traded price: a bar began beyond a level for certain only where
        all of it lies there, and what it then traded at for certain is its close.
    bool
        Whether it began beyond the level.

    Examples
    --------
    >>> bar = BarPrices(96.0, 94.0, 90.0, 93.0, 1e6, 0)
    >>> meeting(bar, 95.0, is_below=True, price_field="CLOSE")
    (93.0, True)
    """
    begin, price = bar.open, bar.open
    if price_field != "OPEN":
        begin, price = bar.high if is_below else bar.low, bar.close
    if begin <= level if is_below else begin >= level:
        return price, True
    is_met = bar.low <= level if is_below else bar.high >= level
    return (level if is_met else None), False


def _check(order: Order) -> None:
    if not order.remaining_quantity > 0.0:
        raise OrderInvalid(f"order {order.client_order_id} has nothing left to fill")
    needs_limit = order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    needs_stop = order.order_type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    for is_needed, price, name in (
        (needs_limit, order.limit_price, "limit_price"),
        (needs_stop, order.stop_price, "stop_price"),
    ):
        if is_needed and (price is None or price <= 0.0):
            raise OrderInvalid(f"{order.order_type} order needs a {name} above 0, found {price}")


def _price(
    order: Order, bar: BarPrices, rules: FillRules, slippage: float
) -> tuple[float | None, bool, str]:
    """Return the execution price or None, whether the stop is met by now, and why."""
    if order.order_type is OrderType.MARKET:
        base = bar.open if rules.price_field == "OPEN" else bar.close
        return market_price(base, order.side, slippage), False, "market order"
    if order.order_type is OrderType.LIMIT:
        return _limit_price(order, bar, rules), order.is_triggered, "limit reached"
    met, is_gap = _stop_met(order, bar, rules)
    if met is None:
        return None, False, "stop not reached"
    if order.order_type is OrderType.STOP_MARKET:
        reason = f"stop gapped through, filled at the {rules.price_field.lower()}"
        price = market_price(met, order.side, slippage)
        return price, True, reason if is_gap else "stop reached"
    limit = _level(order.limit_price)
    is_within = met <= limit if order.side is OrderSide.BUY else met >= limit
    reason = "stop reached within the limit" if is_within else "stop reached, waiting for the limit"
    if is_gap:
        # Met where the bar begins: all of it follows, so the limit has its chance.
        return _limit_price(order, bar, rules), True, reason
    if is_within:
        return met, True, reason
    return None, True, "stop reached beyond the limit"


def _limit_price(order: Order, bar: BarPrices, rules: FillRules) -> float | None:
    is_below = order.side is OrderSide.BUY
    limit = _level(order.limit_price)
    return meeting(bar, limit, is_below=is_below, price_field=rules.price_field)[0]


def _stop_met(order: Order, bar: BarPrices, rules: FillRules) -> tuple[float | None, bool]:
    """Return the price at which the stop is met and whether the bar began beyond it.

    One that an earlier bar has met is met where this one begins.
    """
    if order.is_triggered:
        return (bar.open if rules.price_field == "OPEN" else bar.close), True
    is_below = order.side is OrderSide.SELL
    level = _level(order.stop_price)
    return meeting(bar, level, is_below=is_below, price_field=rules.price_field)


def _fillable(order: Order, bar: BarPrices, rules: FillRules) -> float:
    quantity = order.remaining_quantity
    if rules.volume_share is not None:
        quantity = min(quantity, bar.volume * rules.volume_share)
    if quantity >= order.remaining_quantity:
        return order.remaining_quantity
    return round_down(quantity, rules.quantity_step)


def _status_after(order: Order, quantity: float, bar: BarPrices) -> OrderStatus:
    if quantity >= order.remaining_quantity:
        return OrderStatus.FILLED
    if order.time_in_force is TimeInForce.IOC:
        return OrderStatus.CANCELED
    return OrderStatus.EXPIRED if _is_over(order, bar) else OrderStatus.PARTIALLY_FILLED


def _unfilled(order: Order, bar: BarPrices, is_triggered: bool, reason: str) -> Execution:
    status = order.status
    if order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        status = OrderStatus.CANCELED
    elif _is_over(order, bar):
        status = OrderStatus.EXPIRED
    return Execution(0.0, 0.0, 0.0, status, is_triggered or order.is_triggered, reason)


def _is_over(order: Order, bar: BarPrices) -> bool:
    if order.time_in_force is TimeInForce.DAY:
        return True
    if order.time_in_force is TimeInForce.GTD:
        return order.expires_at is not None and bar.closed_at >= order.expires_at
    return False


def _level(price: float | None) -> float:
    assert price is not None  # noqa: S101 - _check has refused the order otherwise
    return price
