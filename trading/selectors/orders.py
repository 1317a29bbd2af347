"""Orders as pages and the API read them; always of one portfolio."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Prefetch, Q, QuerySet

from elson.common.errors import NotFound
from trading.engine.types import WORKING_STATUSES, OrderStatus
from trading.models import BookChange, Fill, Order, OrderEvent, Portfolio

# Name of each filter in the URL, with what may be chosen.
ORDER_FILTERS: dict[str, list[tuple[str, str]]] = {
    "status": [
        ("", "All"),
        ("open", "Open"),
        ("filled", "Filled"),
        ("canceled", "Canceled or expired"),
        ("refused", "Denied or rejected"),
    ],
    "symbol": [],
    "origin": [("", "Anybody"), ("strategy", "A strategy"), ("person", "You")],
}
_STATUSES = {
    "open": WORKING_STATUSES,
    "filled": {OrderStatus.FILLED},
    "canceled": {OrderStatus.CANCELED, OrderStatus.EXPIRED},
    "refused": {OrderStatus.DENIED, OrderStatus.REJECTED},
}
_SORTS = {
    "placed": "market_at",
    "symbol": "instrument__symbol",
    "quantity": "quantity",
    "status": "status",
}


def order_list(
    portfolio: Portfolio | None,
    *,
    status: str = "",
    symbol: str = "",
    origin: str = "",
    client_order_id: str = "",
    sort: str = "-placed",
) -> QuerySet[Order]:
    """Orders of a portfolio with instrument and strategy; unknown filter values are left out."""
    orders = Order.objects.filter(portfolio=portfolio).select_related(
        "instrument", "decision__deployment__version__strategy"
    )
    orders = orders_of_status(orders, status)
    if symbol:
        orders = orders.filter(instrument__symbol__istartswith=symbol.strip()[:24])
    if origin in ("strategy", "person"):
        orders = orders.filter(Q(decision__isnull=origin == "person"))
    if client_order_id:
        orders = orders.filter(client_order_id=client_order_id)
    column = _SORTS.get(sort.lstrip("-"), "market_at")
    sign = "-" if sort.startswith("-") else ""
    return orders.order_by(f"{sign}{column}", f"{sign or '-'}pk")


def orders_of_status(orders: QuerySet[Order], status: str) -> QuerySet[Order]:
    """Keep orders of one choice of status; all for any other word."""
    if status not in _STATUSES:
        return orders
    return orders.filter(status__in=[str(item) for item in _STATUSES[status]])


def order_get(portfolio: Portfolio, order_id: object) -> Order:
    """Return one order of this portfolio with its events and fills; raise NotFound for others."""
    events = OrderEvent.objects.order_by("sequence")
    changes = BookChange.objects.select_related("deployment__version__strategy").order_by("pk")
    fills = Fill.objects.order_by("filled_at", "pk").prefetch_related(
        Prefetch("book_changes", changes)
    )
    try:
        order = (
            order_list(portfolio)
            .prefetch_related(Prefetch("events", events), Prefetch("fills", fills))
            .filter(uuid=str(order_id))
            .first()
        )
    except (ValidationError, ValueError):
        order = None
    if order is None:
        raise NotFound("order", order_id)
    return order
