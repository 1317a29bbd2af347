"""Executions: recording one once and for all, and matching working orders against a bar."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from django.db import transaction

from elson.common.errors import Conflict, DomainError
from marketdata.models import Instrument
from trading.brokers.base import BrokerFill, BrokerRejected, ExecutionReport
from trading.brokers.paper import MatchTerms
from trading.brokers.registry import PAPER
from trading.engine.fills import BarPrices
from trading.engine.types import FINAL_STATUSES, WORKING_STATUSES, OrderSide, OrderStatus
from trading.models import Deployment, Fill, Order, Portfolio, Position
from trading.selectors.ledger import cash_get
from trading.selectors.portfolios import reserved_cash
from trading.services.amounts import UNIT, ZERO, amount_of, plain
from trading.services.events import fill_published, order_published
from trading.services.ledger import booking_of, fill_post
from trading.services.order_costs import costs_of, regime_code
from trading.services.orders import WORKING, engine_order, event_add, order_transition
from trading.services.portfolios import portfolio_lock


class FillInvalid(DomainError):
    """The execution does not fit the order."""


class FillConflict(Conflict):
    """The same trade was reported before with other numbers."""


@dataclass(frozen=True, slots=True)
class FillNews:
    """One recorded execution with the broker's own numbers, for the strategy's own book."""

    order: Order
    fill: Fill
    report: BrokerFill


@transaction.atomic
def fill_record(
    *,
    order: Order,
    trade_id: str,
    quantity: Decimal,
    price: Decimal,
    commission: Decimal = ZERO,
    slippage: Decimal = ZERO,
    filled_at: dt.datetime,
    is_booked: bool = False,
) -> Fill:
    """Store one execution with everything that follows from it: order, event, position, ledger.

    One transaction under the portfolio's lock; the same trade_id again answers the first row. A
    fill of a canceled or expired order is booked all the same, because it happened. One of a
    strategy's order waits for its own book, unless the caller books it there itself (`is_booked`).
    Raises FillInvalid, FillConflict.
    """
    portfolio = portfolio_lock(order.portfolio_id)
    current = Order.objects.select_related("instrument").get(pk=order.pk)
    earlier = Fill.objects.filter(order=current, trade_id=trade_id).first()
    if earlier is not None:
        return _same(earlier, quantity, price, commission)
    _check(current, quantity, price, commission)
    fill = Fill.objects.create(
        order=current,
        trade_id=trade_id,
        quantity=quantity,
        price=price,
        commission=commission,
        slippage=slippage,
        filled_at=filled_at,
    )
    position = _position_after(portfolio, fill)
    _order_after(fill)
    if current.deployment_id is not None and not is_booked:
        _await_book(fill, current.deployment_id)
    fill_published(fill, position)
    order_published(current, filled_at)
    return fill


def orders_match(
    *,
    portfolio: Portfolio,
    instrument: Instrument,
    bar: BarPrices,
    closed_at: dt.datetime,
    book_cash: dict[int, float],
) -> list[FillNews]:
    """Let the paper broker meet one bar with every order placed before it; sales first.

    Not with those that rest for a strategy's position: see `live_protection`.
    `book_cash` is the cash of each deployment's own book by id, which its purchases may not exceed.
    The caller holds the portfolio's lock inside its transaction.
    """
    orders = list(
        Order.objects.filter(
            portfolio=portfolio,
            instrument=instrument,
            status__in=WORKING,
            market_at__lt=closed_at,
            protection="",
        ).select_related("instrument")
    )
    # Sales first: what they bring in may pay for a purchase on the same bar.
    orders.sort(key=lambda order: (order.side == OrderSide.BUY, order.pk))
    news: list[FillNews] = []
    for order in orders:
        news.extend(order_match(portfolio, order, bar, closed_at, book_cash))
    return news


def order_match(
    portfolio: Portfolio,
    order: Order,
    bar: BarPrices,
    closed_at: dt.datetime,
    book_cash: dict[int, float],
) -> list[FillNews]:
    """Let the paper broker meet one bar with one order; the caller holds the portfolio's lock."""
    terms = _terms(portfolio, order, book_cash)
    try:
        report = PAPER.match(engine_order(order), bar, terms)
    except BrokerRejected as error:
        order_transition(
            order=order, to_status=OrderStatus.REJECTED, market_at=closed_at,
            code="BROKER_REJECTED", reason=str(error),
        )  # fmt: skip
        order_published(order, closed_at)
        return []
    _resize(order, report)
    if report.is_triggered and not order.is_triggered:
        Order.objects.filter(pk=order.pk).update(is_triggered=True)
    news = [
        FillNews(order, _record(order, executed, closed_at), executed) for executed in report.fills
    ]
    order.refresh_from_db(from_queryset=Order.objects.select_related("instrument"))
    if report.status in FINAL_STATUSES and order.status not in FINAL_STATUSES:
        order_transition(
            order=order, to_status=report.status, market_at=closed_at,
            code=f"BROKER_{report.status}", reason=report.reason,
        )  # fmt: skip
        order_published(order, closed_at)
    return news


def _terms(portfolio: Portfolio, order: Order, book_cash: dict[int, float]) -> MatchTerms:
    instrument = order.instrument
    cash: float | None = None
    if order.side == OrderSide.BUY:
        free = cash_get(portfolio) - reserved_cash(portfolio) + order.reserved_cash
        cash = float(free)
        if order.deployment_id in book_cash:
            cash = min(cash, book_cash[order.deployment_id])
    return MatchTerms(
        costs=costs_of(instrument),
        regime_code=regime_code(order.regime),
        quantity_step=float(instrument.quantity_step),
        price_field="CLOSE" if instrument.is_close_only else "OPEN",
        cash=cash,
        takes_all_cash=order.is_all_cash,
        resizes=order.deployment_id is not None,
    )


def _resize(order: Order, report: ExecutionReport) -> None:
    """Take over the size the fill decided: the strategy asked for what its cash pays for."""
    if report.quantity is None:
        return
    size = amount_of(report.quantity)
    if size != order.quantity:
        order.reason = f"sized at the fill: {plain(size)} instead of {plain(order.quantity)}"
        order.quantity = size
        order.save(update_fields=["quantity", "reason", "updated_at"])


def _record(order: Order, executed: BrokerFill, closed_at: dt.datetime) -> Fill:
    return fill_record(
        order=order,
        trade_id=executed.trade_id,
        quantity=amount_of(executed.quantity),
        price=amount_of(executed.price),
        commission=amount_of(executed.commission),
        slippage=amount_of(executed.slippage),
        filled_at=closed_at,
        is_booked=True,
    )


def _await_book(fill: Fill, deployment_id: int) -> None:
    """Leave a fill for the runner, which takes it into the strategy's book before it decides."""
    deployment = Deployment.objects.get(pk=deployment_id)
    deployment.unbooked_fills = [*deployment.unbooked_fills, fill.pk]
    deployment.save(update_fields=["unbooked_fills", "updated_at"])


def _check(order: Order, quantity: Decimal, price: Decimal, commission: Decimal) -> None:
    for value, field in ((quantity, "quantity"), (price, "price")):
        if not value.is_finite() or value <= 0:
            raise FillInvalid(
                f"INVALID_{field.upper()}", f"fill {field} {value} must be above 0", field=field
            )
    if not commission.is_finite() or commission < 0:
        raise FillInvalid(
            "INVALID_COMMISSION", f"fill commission {commission} must not be negative",
            field="commission",
        )  # fmt: skip
    left = order.quantity - order.filled_quantity
    if quantity > left:
        raise FillInvalid(
            "FILL_EXCEEDS_ORDER",
            f"fill of {plain(quantity)} exceeds the {plain(left)} left of order "
            f"{order.client_order_id}",
            field="quantity",
        )
    if order.status not in WORKING_STATUSES | {OrderStatus.CANCELED, OrderStatus.EXPIRED}:
        raise FillInvalid(
            "ORDER_NOT_WORKING", f"order {order.client_order_id} is {order.status}; it cannot fill"
        )


def _same(earlier: Fill, quantity: Decimal, price: Decimal, commission: Decimal) -> Fill:
    if (earlier.quantity, earlier.price, earlier.commission) != (quantity, price, commission):
        raise FillConflict(
            "TRADE_ID_REUSED",
            f"trade {earlier.trade_id} was recorded as {plain(earlier.quantity)} at "
            f"{plain(earlier.price)}, now reported as {plain(quantity)} at {plain(price)}",
        )
    return earlier


def _position_after(portfolio: Portfolio, fill: Fill) -> Position:
    order = fill.order
    position, _ = Position.objects.get_or_create(portfolio=portfolio, instrument=order.instrument)
    signed = fill.quantity if order.side == OrderSide.BUY else -fill.quantity
    was = position.quantity
    booking = booking_of(
        held=was,
        cost_basis=position.cost_basis,
        signed_quantity=signed,
        price=fill.price,
        commission=fill.commission,
    )
    position.quantity = booking.quantity
    position.cost_basis = booking.cost_basis
    position.avg_entry_price = booking.avg_entry_price
    position.realized_pnl += booking.realized_pnl
    position.commission_total += fill.commission
    if position.last_price is None:
        position.last_price, position.last_price_at = fill.price, fill.filled_at
    if was == 0 or was * booking.quantity < 0:
        position.opened_at = fill.filled_at
    elif booking.quantity == 0:
        position.opened_at = None
    position.save()
    fill_post(portfolio=portfolio, fill=fill, booking=booking)
    return position


def _order_after(fill: Fill) -> None:
    """Bring the order up to date from its fills, so that their sequence does not matter."""
    order = fill.order
    left_before = order.quantity - order.filled_quantity
    fills = Fill.objects.filter(order=order).values_list("quantity", "price", "commission")
    filled = sum((quantity for quantity, _, _ in fills), ZERO)
    value = sum((quantity * price for quantity, price, _ in fills), ZERO)
    order.filled_quantity = filled
    order.avg_fill_price = amount_of(value / filled)
    order.commission_total = sum((commission for _, _, commission in fills), ZERO)
    left = order.quantity - filled
    if order.status in FINAL_STATUSES:
        # Booked after the end: the order keeps its status, the event says so.
        order.save()
        event_add(order, order.status, fill.filled_at, {"late_fill": fill.trade_id})
        return
    order.reserved_cash = (order.reserved_cash * left / left_before).quantize(
        UNIT, rounding=ROUND_UP
    )
    order_transition(
        order=order,
        to_status=OrderStatus.FILLED if left == 0 else OrderStatus.PARTIALLY_FILLED,
        market_at=fill.filled_at,
        detail={
            "trade_id": fill.trade_id,
            "quantity": f"{fill.quantity:f}",
            "price": f"{fill.price:f}",
        },
    )
