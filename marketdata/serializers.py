"""Market data as JSON: the same rows over REST, in pages and on the socket.

Prices are strings with every digit of the stored float, times ISO 8601 UTC with Z.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from elson.common.api import StrictSerializer
from marketdata.selectors import Coverage, LastBar, instant, iso
from marketdata.types import Bars

if TYPE_CHECKING:
    from marketdata.selectors.instruments import Instrument
    from marketdata.selectors.watchlists import Watchlist

BAR_FIELDS = ("closed_at", "open", "high", "low", "close", "volume")


def bar_row(
    closed_at_ns: int, open_: float, high: float, low: float, close: float, volume: float
) -> dict[str, str]:
    """One closed bar."""
    return {
        "closed_at": iso(instant(closed_at_ns)),
        "open": number(open_),
        "high": number(high),
        "low": number(low),
        "close": number(close),
        "volume": number(volume),
    }


def bar_rows(bars: Bars) -> list[dict[str, str]]:
    """All of them, oldest first."""
    columns = (bars.closed_at, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return [bar_row(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def forming_row(closes_at_ns: int, open_: float) -> dict[str, Any]:
    """Everything that is known of the bar that forms: when it will close, and its open."""
    return {"closed_at": iso(instant(closes_at_ns)), "open": number(open_), "is_forming": True}


def number(value: float) -> str:
    """Shortest text that reads back as the same float, without an exponent or a needless `.0`."""
    text = repr(float(value))
    if "e" in text:
        text = f"{value:.20f}".rstrip("0").rstrip(".")
    return text.removesuffix(".0")


class BarSerializer(serializers.Serializer):
    """One closed bar."""

    closed_at = serializers.CharField(help_text="Close of the bar, ISO 8601 UTC.")
    open = serializers.CharField()
    high = serializers.CharField()
    low = serializers.CharField()
    close = serializers.CharField()
    volume = serializers.CharField()


class BarsPageSerializer(serializers.Serializer):
    """Closed bars of one series, oldest first."""

    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    visible_until = serializers.CharField(
        allow_null=True, help_text="Market time of your replay; nothing after it is answered."
    )
    has_older = serializers.BooleanField(help_text="Ask again with until= the first closed_at.")
    bars = BarSerializer(many=True)


class InstrumentSerializer(serializers.Serializer):
    """An instrument as it is listed."""

    symbol = serializers.CharField()
    name = serializers.CharField()
    venue = serializers.CharField(source="venue.code")
    asset_class = serializers.CharField()
    currency = serializers.CharField()
    tick_size = serializers.CharField()
    quantity_step = serializers.CharField()
    is_tradable = serializers.BooleanField()
    is_close_only = serializers.BooleanField()
    source = serializers.CharField()  # type: ignore[assignment]  # a field called as Field.source
    licence = serializers.CharField()
    adjustment = serializers.CharField()
    note = serializers.CharField()


class InstrumentPageSerializer(serializers.Serializer):
    """One page of instruments; a search has no further pages."""

    next = serializers.URLField(allow_null=True, required=False)
    previous = serializers.URLField(allow_null=True, required=False)
    results = InstrumentSerializer(many=True)


class CoverageSerializer(serializers.Serializer):
    """What of a series is visible to you."""

    timeframe = serializers.CharField()
    n_bars = serializers.IntegerField()
    first_at = serializers.CharField()
    last_at = serializers.CharField()
    n_gaps = serializers.IntegerField()


class InstrumentDetailSerializer(InstrumentSerializer):
    """An instrument with its series and newest visible bar."""

    series = CoverageSerializer(many=True)
    last = BarSerializer(allow_null=True)


class WatchlistSerializer(StrictSerializer):
    """A named list of symbols."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=60)
    symbols = serializers.ListField(
        child=serializers.CharField(max_length=24), required=False, max_length=100
    )


class WatchlistNameSerializer(StrictSerializer):
    """A new name; symbols come and go one by one."""

    name = serializers.CharField(max_length=60)


class WatchlistsSerializer(serializers.Serializer):
    """All watchlists of a person."""

    results = WatchlistSerializer(many=True)


class WatchlistItemSerializer(StrictSerializer):
    """One symbol for a list."""

    symbol = serializers.CharField(max_length=24)


class ReplaySerializer(serializers.Serializer):
    """State of a replay."""

    key = serializers.CharField()
    episode = serializers.CharField()
    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    state = serializers.ChoiceField(choices=["RUNNING", "PAUSED", "ENDED"])
    is_auto_paused = serializers.BooleanField()
    speed = serializers.IntegerField(help_text="Bars a minute.")
    cursor_at = serializers.CharField()
    starts_at = serializers.CharField()
    date = serializers.CharField()
    sequence = serializers.IntegerField()
    epoch = serializers.IntegerField()


class ReplaySpeedSerializer(StrictSerializer):
    """A new speed."""

    speed = serializers.IntegerField(min_value=1, max_value=600)


def instrument_row(instrument: Instrument) -> dict[str, Any]:
    """Instrument as listed; amounts as strings."""
    row = dict(InstrumentSerializer(instrument).data)
    for name in ("tick_size", "quantity_step"):
        row[name] = f"{getattr(instrument, name).normalize():f}"
    return row


def coverage_row(coverage: Coverage, visible_until: Any = None) -> dict[str, Any]:
    """Coverage, cut at what the reader may see: the end of the data is the future too."""
    last_at = min(coverage.last_at, visible_until) if visible_until else coverage.last_at
    return {
        "timeframe": coverage.timeframe,
        "n_bars": coverage.n_bars,
        "first_at": iso(coverage.first_at),
        "last_at": iso(last_at),
        "n_gaps": coverage.n_gaps,
    }


def last_bar_row(last: LastBar) -> dict[str, Any]:
    """Newest bar with its change; what pages patch from the socket."""
    return {
        "closed_at": iso(last.closed_at),
        "open": number(last.open),
        "high": number(last.high),
        "low": number(last.low),
        "close": number(last.close),
        "volume": number(last.volume),
    }


def watchlist_row(watchlist: Watchlist) -> dict[str, Any]:
    """Watchlist with its symbols in order; the items must be fetched already."""
    return {
        "id": watchlist.pk,
        "name": watchlist.name,
        "symbols": [item.instrument.symbol for item in watchlist.items.all()],
    }
