"""One time line of what happened in a portfolio: entries, orders, fills and decisions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from django.db.models import Q, QuerySet

from elson.common import formatting
from trading.engine.types import DecisionAction, OrderStatus
from trading.models import Decision, Fill, JournalEntry, Order, Portfolio

ACTIVITY_KINDS: list[tuple[str, str]] = [
    ("", "All"),
    ("fill", "Fills"),
    ("order", "Orders"),
    ("decision", "Decisions"),
    ("entry", "Money"),
]
# A decision to go on as before says nothing on a time line; the strategy's page lists them all.
_QUIET = (DecisionAction.HOLD, DecisionAction.NO_TRADE, DecisionAction.WARM_UP)


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One event: market time, kind, and a sentence with its link."""

    at: dt.datetime
    created_at: dt.datetime
    kind: str
    symbol: str
    text: str
    detail: str
    href: str
    icon: str


class Activity(Sequence[ActivityRow]):
    """The merged time line, newest first; reads only as many rows as are asked for."""

    def __init__(self, sources: Sequence[tuple[QuerySet[Any], Any]]) -> None:
        self._sources = sources

    def __len__(self) -> int:
        return sum(rows.count() for rows, _ in self._sources)

    @overload
    def __getitem__(self, index: int) -> ActivityRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[ActivityRow]: ...
    def __getitem__(self, index: int | slice) -> ActivityRow | list[ActivityRow]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        return self._newest(index.stop)[index]

    def __iter__(self) -> Iterator[ActivityRow]:
        return iter(self._newest(None))

    def _newest(self, limit: int | None) -> list[ActivityRow]:
        found = [row_of(item) for rows, row_of in self._sources for item in rows[:limit]]
        found.sort(key=lambda row: (row.at, row.created_at), reverse=True)
        return found[:limit]


def activity_list(
    portfolio: Portfolio, *, kind: str = "", before: tuple[dt.datetime, dt.datetime] | None = None
) -> Activity:
    """Time line of a portfolio, of one kind or all; only what stands `before` a row's two times."""
    sources = {
        "fill": (_fills(portfolio), _fill_row),
        "order": (_orders(portfolio), _order_row),
        "decision": (_decisions(portfolio), _decision_row),
        "entry": (_entries(portfolio), _entry_row),
    }
    chosen = [kind] if kind in sources else list(sources)
    return Activity(
        [(_before(sources[name][0], name, before), sources[name][1]) for name in chosen]
    )


def _before(
    rows: QuerySet[Any], kind: str, before: tuple[dt.datetime, dt.datetime] | None
) -> QuerySet[Any]:
    if before is None:
        return rows
    at, created_at = before
    field = "filled_at" if kind == "fill" else "market_at"
    is_earlier = Q(**{f"{field}__lt": at}) | Q(**{field: at, "created_at__lt": created_at})
    return rows.filter(is_earlier)


def _fills(portfolio: Portfolio) -> QuerySet[Fill]:
    fills = Fill.objects.filter(order__portfolio=portfolio)
    return fills.select_related("order__instrument").order_by("-filled_at", "-pk")


def _orders(portfolio: Portfolio) -> QuerySet[Order]:
    # A filled order is told by its fill.
    orders = Order.objects.filter(portfolio=portfolio).exclude(status=OrderStatus.FILLED)
    return orders.select_related("instrument").order_by("-market_at", "-pk")


def _decisions(portfolio: Portfolio) -> QuerySet[Decision]:
    decisions = Decision.objects.filter(deployment__portfolio=portfolio).exclude(action__in=_QUIET)
    return decisions.select_related(
        "deployment__instrument", "deployment__version__strategy"
    ).order_by("-market_at", "-pk")


def _entries(portfolio: Portfolio) -> QuerySet[JournalEntry]:
    entries = JournalEntry.objects.filter(portfolio=portfolio)
    return entries.exclude(kind=JournalEntry.Kind.FILL).order_by("-market_at", "-pk")


def _fill_row(fill: Fill) -> ActivityRow:
    order = fill.order
    done = "Bought" if order.side == "BUY" else "Sold"
    price = formatting.price(fill.price, order.instrument.tick_size)
    return ActivityRow(
        at=fill.filled_at,
        created_at=fill.created_at,
        kind="fill",
        symbol=order.instrument.symbol,
        text=f"{done} {formatting.quantity(fill.quantity)} {order.instrument.symbol} at {price}",
        detail=f"costs {formatting.money(fill.commission, order.instrument.currency)}",
        href=f"/orders/{order.uuid}/",
        icon="fill",
    )


def _order_row(order: Order) -> ActivityRow:
    asked = f"{order.get_side_display()} {formatting.quantity(order.quantity)}"
    return ActivityRow(
        at=order.market_at,
        created_at=order.created_at,
        kind="order",
        symbol=order.instrument.symbol,
        text=f"{asked} {order.instrument.symbol}: {order.get_status_display().lower()}",
        detail=order.reason,
        href=f"/orders/{order.uuid}/",
        icon="x" if order.status in (OrderStatus.DENIED, OrderStatus.REJECTED) else "orders",
    )


def _decision_row(decision: Decision) -> ActivityRow:
    deployment = decision.deployment
    strategy = deployment.version.strategy
    return ActivityRow(
        at=decision.market_at,
        created_at=decision.created_at,
        kind="decision",
        symbol=deployment.instrument.symbol,
        text=decision.reason,
        detail=strategy.name,
        href=f"/strategies/{strategy.pk}/decisions/{decision.uuid}/",
        icon="decision",
    )


def _entry_row(entry: JournalEntry) -> ActivityRow:
    return ActivityRow(
        at=entry.market_at,
        created_at=entry.created_at,
        kind="entry",
        symbol="",
        text=entry.description,
        detail="",
        href="/portfolio/ledger/",
        icon="ledger",
    )
