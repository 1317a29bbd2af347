"""Market data for staff: what came from imports is read, never edited."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from marketdata.models import (
    Bar,
    BarSeries,
    IngestRun,
    Instrument,
    ReplaySession,
    Venue,
    Watchlist,
    WatchlistItem,
)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody edits."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes."""
        return False


@admin.register(Venue)
class VenueAdmin(admin.ModelAdmin):
    """Venues and their clocks."""

    list_display = ("code", "name", "time_zone", "session_close", "bars_per_year")
    search_fields = ("code", "name")
    ordering = ("code",)


class BarSeriesInline(admin.TabularInline):
    """What is stored of an instrument."""

    model = BarSeries
    fields = ("timeframe", "n_bars", "first_at", "last_at", "n_gaps", "bars_per_year")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Series come from imports."""
        return False


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    """Instruments: names and steps may be corrected, the symbol may not."""

    list_display = (
        "symbol", "name", "asset_class", "venue", "is_tradable", "is_close_only", "source",
    )  # fmt: skip
    list_filter = ("asset_class", "venue", "is_tradable", "is_close_only", "licence")
    list_select_related = ("venue",)
    search_fields = ("symbol", "name", "source")
    readonly_fields = ("symbol", "source", "licence", "is_close_only", "created_at", "updated_at")
    ordering = ("symbol",)
    inlines = (BarSeriesInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Instruments come with their bars, by `import_bars`."""
        return False


@admin.register(Bar)
class BarAdmin(ReadOnlyAdmin):
    """Bars, newest first; never edited."""

    list_display = (
        "instrument", "timeframe", "closed_at", "open", "high", "low", "close", "volume",
    )  # fmt: skip
    list_filter = ("timeframe", "instrument__asset_class")
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)
    ordering = ("-id",)
    # Counting every bar would take longer than showing fifty of them.
    show_full_result_count = False
    list_per_page = 50


@admin.register(BarSeries)
class BarSeriesAdmin(ReadOnlyAdmin):
    """Coverage and gaps by series."""

    list_display = (
        "instrument", "timeframe", "n_bars", "first_at", "last_at", "n_gaps", "bars_per_year",
    )  # fmt: skip
    list_filter = ("timeframe", "instrument__asset_class")
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)
    ordering = ("instrument__symbol", "timeframe")


@admin.register(IngestRun)
class IngestRunAdmin(ReadOnlyAdmin):
    """What was offered, stored and refused, with the faults."""

    list_display = (
        "created_at", "source", "instrument", "timeframe", "status", "n_rows", "n_stored",
        "n_gaps", "n_faults",
    )  # fmt: skip
    list_filter = ("status", "timeframe")
    list_select_related = ("instrument",)
    search_fields = ("source", "instrument__symbol", "sha256")
    date_hierarchy = "created_at"
    ordering = ("-id",)


class WatchlistItemInline(admin.TabularInline):
    """Symbols of a list."""

    model = WatchlistItem
    autocomplete_fields = ("instrument",)
    extra = 0


@admin.register(Watchlist)
class WatchlistAdmin(admin.ModelAdmin):
    """People's lists."""

    list_display = ("name", "user", "n_items", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__email")
    raw_id_fields = ("user",)
    ordering = ("-id",)
    inlines = (WatchlistItemInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Watchlist]:
        """Fetch the items for the count in one query."""
        return super().get_queryset(request).prefetch_related("items")

    @admin.display(description="symbols")
    def n_items(self, watchlist: Watchlist) -> int:
        """Count the symbols."""
        return len(watchlist.items.all())


@admin.register(ReplaySession)
class ReplaySessionAdmin(ReadOnlyAdmin):
    """Everybody's replays: where they stand and whether they move."""

    list_display = (
        "user", "episode", "lead", "timeframe", "state", "is_auto_paused", "speed", "cursor_at",
        "sequence", "epoch", "advanced_at", "seen_at",
    )  # fmt: skip
    list_filter = ("state", "episode", "is_auto_paused", "timeframe")
    list_select_related = ("user", "lead")
    search_fields = ("user__email", "key")
    ordering = ("-id",)
