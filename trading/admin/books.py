"""Portfolios with their orders, fills, positions, ledger and limits for staff."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin

from elson.common.admin import CsvAdmin, NamedBlankFilter, ReadOnlyAdmin, ReadOnlyInline
from trading.models import (
    BookChange,
    EquityPoint,
    Fill,
    JournalEntry,
    LedgerAccount,
    Order,
    OrderEvent,
    Portfolio,
    Position,
    Posting,
    RiskLimits,
)


class PositionInline(ReadOnlyInline):
    """What the portfolio holds."""

    model = Position
    fields = ("instrument", "quantity", "avg_entry_price", "realized_pnl", "last_price")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Position]:
        """Read the symbols with the rows."""
        return super().get_queryset(request).select_related("instrument")


class LedgerAccountInline(ReadOnlyInline):
    """Balances of the books."""

    model = LedgerAccount
    fields = ("kind", "currency", "balance")


@admin.register(Portfolio)
class PortfolioAdmin(ReadOnlyAdmin):
    """Portfolios and where their replay stands."""

    list_display = (
        "id",
        "user",
        "name",
        "kind",
        "currency",
        "opening_cash",
        "processed_at",
        "is_archived",
    )
    list_filter = ("kind", "is_archived")
    list_select_related = ("user",)
    search_fields = ("user__email", "name")
    inlines = (PositionInline, LedgerAccountInline)
    ordering = ("-id",)


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin):
    """Holdings of everybody."""

    list_display = (
        "portfolio",
        "instrument",
        "quantity",
        "avg_entry_price",
        "realized_pnl",
        "last_price",
    )
    list_select_related = ("portfolio", "instrument")
    search_fields = ("portfolio__user__email", "instrument__symbol")
    ordering = ("-id",)


@admin.register(EquityPoint)
class EquityPointAdmin(ReadOnlyAdmin):
    """Equity, bar by bar."""

    list_display = ("portfolio", "market_at", "equity", "cash", "gross_exposure", "regime")
    list_filter = ("regime",)
    list_select_related = ("portfolio",)
    search_fields = ("portfolio__user__email",)
    ordering = ("-id",)


class OrderEventInline(ReadOnlyInline):
    """How the order got where it is."""

    model = OrderEvent
    fields = ("sequence", "from_status", "to_status", "market_at", "created_at")


class FillInline(ReadOnlyInline):
    """What was executed."""

    model = Fill
    fields = ("trade_id", "quantity", "price", "commission", "slippage", "filled_at")


@admin.register(Order)
class OrderAdmin(CsvAdmin):
    """Orders with their events and fills."""

    list_display = (
        "created_at", "portfolio", "instrument", "side", "order_type", "quantity", "status",
        "filled_quantity", "avg_fill_price", "reason_code",
    )  # fmt: skip
    list_filter = ("status", "side", "order_type", ("reason_code", NamedBlankFilter))
    list_select_related = ("portfolio", "instrument")
    search_fields = ("uuid", "client_order_id", "portfolio__user__email", "instrument__symbol")
    date_hierarchy = "created_at"
    inlines = (OrderEventInline, FillInline)
    ordering = ("-id",)


class BookChangeInline(ReadOnlyInline):
    """Whose units it sold, where strategies held them."""

    model = BookChange
    fields = ("deployment", "quantity", "held_before", "commission", "created_at")


@admin.register(Fill)
class FillAdmin(ReadOnlyAdmin):
    """Executions of everybody."""

    inlines = (BookChangeInline,)
    list_display = ("filled_at", "order", "quantity", "price", "commission", "slippage")
    list_select_related = ("order__instrument", "order__portfolio")
    search_fields = ("trade_id", "order__instrument__symbol")
    ordering = ("-id",)


class PostingInline(ReadOnlyInline):
    """The two or more sides of an entry; they sum to zero."""

    model = Posting
    fields = ("account", "instrument", "amount")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Posting]:
        """Read accounts and symbols with the rows."""
        return super().get_queryset(request).select_related("account", "instrument")


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyAdmin):
    """The ledger, entry by entry."""

    list_display = ("portfolio", "sequence", "kind", "description", "market_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("portfolio",)
    search_fields = ("source_key", "description", "portfolio__user__email")
    inlines = (PostingInline,)
    ordering = ("-id",)


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin):
    """Balances of every book."""

    list_display = ("portfolio", "kind", "currency", "balance")
    list_filter = ("kind",)
    list_select_related = ("portfolio",)
    search_fields = ("portfolio__user__email",)
    ordering = ("-id",)


@admin.register(RiskLimits)
class RiskLimitsAdmin(SimpleHistoryAdmin):
    """Limits checked before every order; each change is kept."""

    list_display = (
        "portfolio", "max_order_notional", "max_position_weight", "max_daily_loss_ratio",
        "max_open_orders", "max_orders_per_minute",
    )  # fmt: skip
    list_select_related = ("portfolio",)
    search_fields = ("portfolio__user__email",)
    raw_id_fields = ("portfolio",)
    ordering = ("-id",)
