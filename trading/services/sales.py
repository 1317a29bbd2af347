"""Sales at work that no longer fit what is held: made smaller, canceled where nothing is left."""

from __future__ import annotations

from decimal import Decimal

from django.db import transaction

from marketdata.models import Instrument
from trading.brokers.registry import broker_of
from trading.engine.types import OrderSide
from trading.models import Order, Portfolio
from trading.selectors.portfolios import market_time, quantity_held
from trading.services.amounts import ZERO, plain
from trading.services.events import order_published
from trading.services.orders import WORKING, engine_order, event_add, order_cancel
from trading.services.portfolios import portfolio_lock

TOO_LARGE = "EXCEEDS_HOLDING"
OWN_SALE = "the strategy sells what is its own"


def sales_fit(*, portfolio: Portfolio, instrument: Instrument, cause: str) -> int:
    """Bring working sales of an instrument to what is held of it; return how many were changed.

    Strategies come first, because they sell what is their own; then a person's, oldest first. What
    rests for a strategy's position is left out: it reserves nothing and is sized by its own book.
    `cause` says what took the units. The caller holds the portfolio's lock.
    """
    selling = Order.objects.filter(
        portfolio=portfolio, instrument=instrument, side=OrderSide.SELL, status__in=WORKING,
        protection="",
    )  # fmt: skip
    left = max(quantity_held(portfolio, instrument), ZERO)
    n_changed = 0
    for order in sorted(selling, key=lambda order: (order.deployment_id is None, order.pk)):
        asked = order.quantity - order.filled_quantity
        kept = min(asked, left)
        left -= kept
        if kept < asked:
            _keep(order, kept, cause)
            n_changed += 1
    return n_changed


@transaction.atomic
def order_reduce(*, order: Order, quantity: Decimal, code: str, reason: str) -> Order:
    """Make a working order smaller in place, so that its id and its turn stay.

    `quantity` is its new size, what was filled included; the old one stays in its history.
    Raises BrokerRejected for one that is final or would not be smaller.
    """
    locked = portfolio_lock(order.portfolio_id)
    current = Order.objects.select_related("instrument").get(pk=order.pk)
    broker_of(locked.kind).reduce(engine_order(current), float(quantity))
    market_at = market_time(locked) or current.market_at
    sizes = {"quantity_before": f"{current.quantity:f}", "quantity": f"{quantity:f}"}
    current.quantity = quantity
    current.reason_code, current.reason = code, reason
    current.save(update_fields=["quantity", "reason_code", "reason", "updated_at"])
    event_add(current, current.status, market_at, {"code": code, "reason": reason, **sizes})
    order_published(current, market_at)
    return current


def _keep(order: Order, kept: Decimal, cause: str) -> None:
    if kept <= 0:
        order_cancel(order=order, code=TOO_LARGE, reason=f"{cause}; nothing is left to sell")
        return
    size = order.filled_quantity + kept
    order_reduce(
        order=order,
        quantity=size,
        code=TOO_LARGE,
        reason=f"reduced from {plain(order.quantity)} to {plain(size)}: {cause}",
    )
