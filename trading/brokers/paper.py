"""The paper broker: fills on the next bar with costs, by the same rules as a backtest.

It keeps nothing: whatever it answers follows from the order, the bar and the costs, so a repeated
question gets the same answer. Not modeled: market impact, queue position, latency, borrow fees,
dividends.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from trading.brokers.base import BrokerFill, BrokerRejected, ExecutionReport
from trading.engine.costs import CostModel
from trading.engine.errors import EngineError
from trading.engine.fill_rules import FillRules, affordable_quantity, payable_quantity, rules_of
from trading.engine.fills import BarPrices, Execution, execute
from trading.engine.types import FINAL_STATUSES, Order, OrderSide, OrderStatus, OrderType

NOT_MODELED = ("market impact", "queue position", "latency", "borrow fees", "dividends")
CUT_REASON = "cash at the fill pays for no more"


@dataclass(frozen=True, slots=True)
class MatchTerms:
    """On what terms an order meets a bar.

    Attributes
    ----------
    costs : CostModel
        Rates of the instrument.
    regime_code : int
        Regime at the bar the order was decided on, -1 unknown; rates depend on it.
    quantity_step : float
        Fills are rounded down to a multiple.
    price_field : str
        "OPEN", or "CLOSE" for close-only instruments.
    cash : float or None
        What a purchase may cost at most, commission included; None for a sale.
    takes_all_cash : bool
        The purchase takes all of `cash` instead of its own quantity.
    resizes : bool
        A purchase that cash cuts short is made smaller rather than canceled for the rest.
    """

    costs: CostModel
    regime_code: int = -1
    quantity_step: float = 0.0
    price_field: str = "OPEN"
    cash: float | None = None
    takes_all_cash: bool = False
    resizes: bool = False

    @property
    def rules(self) -> FillRules:
        """The engine's fill rules with the rate of the regime."""
        return rules_of(
            self.costs,
            self.regime_code,
            quantity_step=self.quantity_step,
            price_field=self.price_field,
        )


class PaperBroker:
    """Simulated executions on real bars."""

    key = "paper"

    def submit(self, order: Order) -> ExecutionReport:
        """Accept an order whose prices make sense."""
        if not order.quantity > 0.0:
            raise BrokerRejected(f"quantity {order.quantity:g} must be above 0")
        needs_limit = order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        needs_stop = order.order_type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
        for is_needed, price, name in (
            (needs_limit, order.limit_price, "limit price"),
            (needs_stop, order.stop_price, "stop price"),
        ):
            if is_needed and not (price and price > 0.0):
                raise BrokerRejected(f"a {order.order_type} order needs a {name} above 0")
        return ExecutionReport(
            client_order_id=order.client_order_id,
            venue_order_id=_digest("paper", order.client_order_id),
            status=OrderStatus.ACCEPTED,
        )

    def cancel(self, order: Order) -> ExecutionReport:
        """Cancel what is left."""
        if order.status in FINAL_STATUSES and order.status is not OrderStatus.CANCELED:
            raise BrokerRejected(f"order {order.client_order_id} is {order.status} and final")
        return ExecutionReport(
            client_order_id=order.client_order_id,
            venue_order_id=_digest("paper", order.client_order_id),
            status=OrderStatus.CANCELED,
        )

    def reduce(self, order: Order, quantity: float) -> ExecutionReport:
        """Make what is left of a working order smaller."""
        if order.status in FINAL_STATUSES:
            raise BrokerRejected(f"order {order.client_order_id} is {order.status} and final")
        if not order.filled_quantity < quantity < order.quantity:
            raise BrokerRejected(
                f"new quantity {quantity:g} of order {order.client_order_id} must lie between the "
                f"{order.filled_quantity:g} filled and its {order.quantity:g}"
            )
        return ExecutionReport(
            client_order_id=order.client_order_id,
            venue_order_id=_digest("paper", order.client_order_id),
            status=order.status,
            quantity=quantity,
        )

    def match(self, order: Order, bar: BarPrices, terms: MatchTerms) -> ExecutionReport:
        """Meet one bar that opened after the order was placed.

        A purchase never costs more than `terms.cash`: it is cut down to what that pays for.
        """
        try:
            wanted = _all_cash(order, bar, terms) if terms.takes_all_cash else order
            if wanted is None:
                return _report(order, _cut(order), bar, terms, quantity=None)
            execution = execute(wanted, bar, terms.rules)
            affordable = _affordable(wanted, execution, terms)
            if affordable >= execution.quantity:
                size = wanted.quantity if wanted is not order else None
                return _report(order, execution, bar, terms, quantity=size)
            return _short_of_cash(order, bar, terms, affordable)
        except EngineError as error:
            raise BrokerRejected(str(error)) from error


def _all_cash(order: Order, bar: BarPrices, terms: MatchTerms) -> Order | None:
    """Return the order sized by what its cash pays for at this bar; None for nothing."""
    base = bar.open if terms.price_field == "OPEN" else bar.close
    quantity = payable_quantity(terms.cash or 0.0, base, terms.rules)
    return replace(order, quantity=quantity) if quantity > 0.0 else None


def _affordable(order: Order, execution: Execution, terms: MatchTerms) -> float:
    if order.side is OrderSide.SELL or terms.cash is None or terms.takes_all_cash:
        return execution.quantity
    if execution.quantity <= 0.0:
        return execution.quantity
    rate = terms.costs.commission_rate(terms.regime_code)
    return affordable_quantity(terms.cash, execution.price, rate, terms.quantity_step)


def _short_of_cash(
    order: Order, bar: BarPrices, terms: MatchTerms, affordable: float
) -> ExecutionReport:
    if affordable <= 0.0:
        return _report(order, _cut(order), bar, terms, quantity=None)
    smaller = replace(order, quantity=order.filled_quantity + affordable)
    execution = execute(smaller, bar, terms.rules)
    if terms.resizes:
        return _report(order, execution, bar, terms, quantity=smaller.quantity)
    rest_canceled = replace(execution, status=OrderStatus.CANCELED, reason=CUT_REASON)
    return _report(order, rest_canceled, bar, terms, quantity=None)


def _cut(order: Order) -> Execution:
    return Execution(0.0, 0.0, 0.0, OrderStatus.CANCELED, order.is_triggered, CUT_REASON)


def _report(
    order: Order,
    execution: Execution,
    bar: BarPrices,
    terms: MatchTerms,
    *,
    quantity: float | None,
) -> ExecutionReport:
    fills: tuple[BrokerFill, ...] = ()
    if execution.quantity > 0.0:
        fills = (_fill(order, execution, bar, terms),)
    return ExecutionReport(
        client_order_id=order.client_order_id,
        venue_order_id=_digest("paper", order.client_order_id),
        status=execution.status,
        fills=fills,
        is_triggered=execution.is_triggered,
        quantity=quantity,
        reason=execution.reason,
    )


def _fill(order: Order, execution: Execution, bar: BarPrices, terms: MatchTerms) -> BrokerFill:
    has_slippage = order.order_type in (OrderType.MARKET, OrderType.STOP_MARKET)
    rate = terms.costs.slippage_rate if has_slippage else 0.0
    sign = 1.0 if order.side is OrderSide.BUY else -1.0
    before = execution.price / (1.0 + sign * rate)
    return BrokerFill(
        trade_id=_digest(order.client_order_id, str(bar.closed_at), repr(order.filled_quantity)),
        quantity=execution.quantity,
        price=execution.price,
        commission=execution.commission,
        slippage=abs(execution.price - before) * execution.quantity,
        filled_at=bar.closed_at,
    )


def _digest(*parts: str) -> str:
    """Name made of content: the same after a restart or a second look."""
    return "P-" + hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]
