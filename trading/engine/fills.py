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

import math
from dataclasses import dataclass, replace

from trading.engine.costs import MOST_WORSE, CostModel
from trading.engine.errors import ConfigInvalid, OrderInvalid
from trading.engine.sizing import round_down
from trading.engine.types import Order, OrderSide, OrderStatus, OrderType, TimeInForce

# Halvings of the search for what cash pays for: 2^-60 of the largest quantity.
BISECTIONS = 60
RATES = (
    "slippage_rate", "commission_rate", "impact_scale", "commission_per_unit", "commission_minimum",
)  # fmt: skip


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
class FillRules:
    """How fills are made.

    Attributes
    ----------
    slippage_rate : float
        Worsens market and stop fills (spread included), fraction of price, >= 0.
    commission_rate : float
        Per side, fraction of notional, >= 0.
    volume_share : float or None
        Largest share of the bar's volume one order may take, in (0, 1]; None for no limit (also for
        sources that do not know their volume: a bar with volume 0 fills nothing under a share).
    quantity_step : float
        Fills are rounded down to a multiple; 0 for fractional units.
    price_field : str
        "OPEN", or "CLOSE" for series whose opens are not traded prices.
    impact_scale : float
        Fraction of price per root of a unit that a market or stop fill moves the price, >= 0.
    commission_per_unit, commission_minimum : float
        Currency per unit and least commission of an order, >= 0.
    charged_before : float
        What earlier fills of the same order came to, the minimum left out, currency, >= 0.
    """

    slippage_rate: float = 0.0
    commission_rate: float = 0.0
    volume_share: float | None = None
    quantity_step: float = 0.0
    price_field: str = "OPEN"
    impact_scale: float = 0.0
    commission_per_unit: float = 0.0
    commission_minimum: float = 0.0
    charged_before: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a share outside (0, 1] and negative rates."""
        if self.volume_share is not None and not 0.0 < self.volume_share <= 1.0:
            raise ConfigInvalid(f"volume_share {self.volume_share} must lie in (0, 1]")
        for name in RATES:
            if not getattr(self, name) >= 0.0:
                raise ConfigInvalid(f"{name} {getattr(self, name)} must not be negative")

    @property
    def is_proportional(self) -> bool:
        """Tell whether an order costs a fraction of its notional, whatever its size."""
        return not (self.impact_scale or self.commission_per_unit or self.commission_minimum)

    def price_rate(self, quantity: float) -> float:
        """Return how much worse a market fill of ``quantity`` is, up to `MOST_WORSE` of price."""
        rate = self.slippage_rate
        if self.impact_scale:
            rate += self.impact_scale * math.sqrt(quantity)
        return min(rate, MOST_WORSE)

    def charged(self, quantity: float, price: float) -> float:
        """Return the commission of a fill without the least one, currency."""
        return quantity * price * self.commission_rate + quantity * self.commission_per_unit

    def commission(self, quantity: float, price: float) -> float:
        """Return the commission of a fill, currency: all fills of an order pay one minimum."""
        if self.is_proportional:
            return quantity * price * self.commission_rate
        before, least = self.charged_before, self.commission_minimum
        total = before + self.charged(quantity, price)
        return max(total, least) - (max(before, least) if before else 0.0)

    def after(self, charged: float) -> FillRules:
        """Return the rules for the rest of an order whose fills came to that without a minimum."""
        return replace(self, charged_before=charged) if charged else self


def rules_of(
    costs: CostModel,
    regime_code: int,
    *,
    quantity_step: float = 0.0,
    price_field: str = "OPEN",
    volume_share: float | None = None,
    price_rate: float | None = None,
    impact_scale: float = 0.0,
) -> FillRules:
    """Return the fill rules of a cost model at one signal bar, for backtests and paper brokers.

    Parameters
    ----------
    costs : CostModel
        Rates.
    regime_code : int
        Regime at the signal bar, -1 to 3.
    quantity_step, price_field, volume_share, impact_scale
        As in `FillRules`.
    price_rate : float or None
        From `costs.price_rates`; None for what does not depend on the bar's range.

    Returns
    -------
    FillRules
        See there.

    Examples
    --------
    >>> rules_of(CostModel(commission_bps=2.0, spread_bps=1.0), -1).slippage_rate
    0.0001
    """
    return FillRules(
        slippage_rate=costs.price_rate(regime_code) if price_rate is None else price_rate,
        commission_rate=costs.commission_rate(regime_code),
        volume_share=volume_share,
        quantity_step=quantity_step,
        price_field=price_field,
        impact_scale=impact_scale,
        commission_per_unit=costs.commission_per_unit,
        commission_minimum=costs.commission_minimum,
    )


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


def market_price(price: float, side: OrderSide, slippage_rate: float) -> float:
    """Return the price a market order gets: worse by the slippage fraction.

    Examples
    --------
    >>> market_price(100.0, OrderSide.SELL, 0.001)
    99.9
    """
    return price * (1.0 + slippage_rate if side is OrderSide.BUY else 1.0 - slippage_rate)


def affordable_quantity(
    cash: float, price: float, commission_rate: float, quantity_step: float = 0.0
) -> float:
    """Return the units ``cash`` buys at ``price`` with commission included.

    Parameters
    ----------
    cash : float
        Currency; nothing is affordable below zero.
    price : float
        Price per unit with slippage, > 0.
    commission_rate : float
        Fraction of notional, >= 0.
    quantity_step : float
        Multiple to round down to; 0 for fractional units.

    Returns
    -------
    float
        Units, >= 0.

    Examples
    --------
    >>> affordable_quantity(1_001.0, 10.0, 0.001, 1.0)
    100.0
    """
    if cash <= 0.0:
        return 0.0
    # Commission first, then price: the order of operations decides the last bit.
    return round_down(cash / (1.0 + commission_rate) / price, quantity_step)


def payable_quantity(cash: float, price: float, rules: FillRules) -> float:
    """Return the units ``cash`` buys in the market, with impact and commission of their own size.

    Parameters
    ----------
    cash : float
        Currency; nothing is payable below zero.
    price : float
        Price per unit before slippage, > 0.
    rules : FillRules
        Rates, lot size.

    Returns
    -------
    float
        Units, >= 0: the most whose price and commission together do not exceed ``cash``.

    Examples
    --------
    >>> payable_quantity(1_001.0, 10.0, FillRules(commission_minimum=1.0, quantity_step=1.0))
    100.0
    """
    worse = price * (1.0 + rules.price_rate(0.0))
    most = affordable_quantity(cash, worse, rules.commission_rate, rules.quantity_step)
    if rules.is_proportional or _cost_of(most, price, rules) <= cash:
        return most
    low, high = 0.0, most
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if _cost_of(middle, price, rules) <= cash:
            low = middle
        else:
            high = middle
    return round_down(low, rules.quantity_step)


def _cost_of(quantity: float, price: float, rules: FillRules) -> float:
    paid = price * (1.0 + rules.price_rate(quantity))
    return quantity * paid + rules.commission(quantity, paid)


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
