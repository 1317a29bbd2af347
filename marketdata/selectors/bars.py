"""Reading bars: the one place where stored rows become the engine's columns."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from elson.common.errors import DomainError
from marketdata.models import BarSeries, Instrument, Timeframe
from marketdata.selectors.columns import (
    Columns,
    columns_next,
    columns_window,
    instant,
)
from marketdata.selectors.instruments import instrument_get
from marketdata.types import Bars, IntArray


class NoBars(DomainError):
    """The instrument has no bars of that timeframe in that range."""

    status = 404
    title = "No bars"


class UnknownTimeframe(DomainError):
    """The timeframe is none of ours."""

    title = "Unknown timeframe"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is stored of one series; times are bar closes."""

    symbol: str
    timeframe: str
    n_bars: int
    first_at: dt.datetime
    last_at: dt.datetime
    n_gaps: int
    gaps: list[list[str]]
    bars_per_year: float


@dataclass(frozen=True, slots=True)
class LastBar:
    """The newest visible bar and the close before it."""

    symbol: str
    closed_at: dt.datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    previous_close: float | None

    @property
    def change(self) -> float | None:
        """Price change against the bar before, in price units."""
        return None if self.previous_close is None else self.close - self.previous_close

    @property
    def simple_return(self) -> float | None:
        """Change as a fraction of the close before."""
        return None if self.previous_close is None else self.close / self.previous_close - 1.0


def bars_get(
    instrument: Instrument | str,
    timeframe: str = "1d",
    *,
    until: dt.datetime | None = None,
    since: dt.datetime | None = None,
    limit: int | None = None,
) -> Bars:
    """Return the bars that closed from `since` to `until`, both inclusive, oldest first.

    `limit` keeps the newest. Raises UnknownSymbol, UnknownTimeframe or NoBars.
    """
    found = instrument if isinstance(instrument, Instrument) else instrument_get(instrument)
    series = _series_get(found, timeframe)
    bars = _bars(found, series, columns_window(series, until=until, since=since, limit=limit))
    if bars is None:
        raise _no_bars(found.symbol, timeframe, since, until)
    return bars


def series_bars(
    series: BarSeries, *, until: dt.datetime | None = None, since: dt.datetime | None = None
) -> Bars | None:
    """Bars of a series at hand, its instrument with it; None where none closed in that time."""
    return _bars(series.instrument, series, columns_window(series, until=until, since=since))


def series_closes(series: BarSeries) -> IntArray:
    """Close times of every stored bar, nanoseconds UTC: a replay's calendar. Read-only."""
    return columns_window(series)[0]


def closes_at(instrument: Instrument | str, timeframe: str = "1d") -> IntArray:
    """Close times as `series_closes` gives them, of an instrument."""
    found = instrument if isinstance(instrument, Instrument) else instrument_get(instrument)
    return series_closes(_series_get(found, timeframe))


def bars_hash(bars: Bars) -> str:
    """SHA-256 of exactly these bars, for the manifest of whatever was computed from them."""
    digest = hashlib.sha256(f"{bars.symbol} {bars.timeframe} {len(bars)}\n".encode())
    for column in (bars.closed_at, bars.open, bars.high, bars.low, bars.close, bars.volume):
        digest.update(column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def coverage_get(instrument: Instrument | str, timeframe: str = "1d") -> Coverage:
    """Say what is stored; raises UnknownSymbol, UnknownTimeframe or NoBars."""
    found = instrument if isinstance(instrument, Instrument) else instrument_get(instrument)
    series = _series_get(found, timeframe)
    if series.first_at is None or series.last_at is None:
        raise _no_bars(found.symbol, timeframe, None, None)
    return Coverage(
        found.symbol, timeframe, series.n_bars, series.first_at, series.last_at,
        series.n_gaps, series.gaps, series.bars_per_year,
    )  # fmt: skip


def timeframe_list(instrument: Instrument) -> list[str]:
    """Timeframes that have bars, shortest first."""
    stored = set(
        BarSeries.objects.filter(instrument=instrument, n_bars__gt=0).values_list(
            "timeframe", flat=True
        )
    )
    return [value for value in Timeframe.values if value in stored]


def series_exist() -> bool:
    """Tell whether any bars are stored at all."""
    return BarSeries.objects.filter(n_bars__gt=0).exists()


def last_bar_get(
    instrument: Instrument | str, timeframe: str = "1d", *, until: dt.datetime | None = None
) -> LastBar:
    """Return the newest bar closed at or before `until`; raises NoBars."""
    bars = bars_get(instrument, timeframe, until=until, limit=2)
    return LastBar(
        symbol=bars.symbol,
        closed_at=instant(int(bars.closed_at[-1])),
        open=float(bars.open[-1]),
        high=float(bars.high[-1]),
        low=float(bars.low[-1]),
        close=float(bars.close[-1]),
        volume=float(bars.volume[-1]),
        previous_close=float(bars.close[-2]) if len(bars) > 1 else None,
    )


def series_map(
    instruments: Iterable[Instrument | int], timeframe: str = "1d"
) -> dict[int, BarSeries]:
    """Series of many instruments in one query, with them, by instrument id."""
    found = BarSeries.objects.filter(
        instrument__in=instruments, timeframe=timeframe, n_bars__gt=0
    ).select_related("instrument__venue")
    return {series.instrument_id: series for series in found}


def bars_map(
    instruments: list[Instrument],
    timeframe: str = "1d",
    *,
    until: dt.datetime | None = None,
    limit: int | None = None,
) -> dict[str, Bars]:
    """Bars of many instruments by symbol, in one query plus what is not yet in memory."""
    result = {}
    for series in series_map(instruments, timeframe).values():
        bars = _bars(series.instrument, series, columns_window(series, until=until, limit=limit))
        if bars is not None:
            result[bars.symbol] = bars
    return result


def columns_between(series: BarSeries, after_ns: int, until_ns: int) -> Columns:
    """Columns of the bars that closed after `after_ns` and not after `until_ns`."""
    return columns_window(series, since=instant(after_ns + 1000), until=instant(until_ns))


def series_list(instruments: list[Instrument]) -> list[BarSeries]:
    """Every series of these instruments, of all timeframes, with the instrument at hand."""
    return list(
        BarSeries.objects.filter(instrument__in=instruments, n_bars__gt=0).select_related(
            "instrument__venue"
        )
    )


def close_before(series: BarSeries, closed_at_ns: int) -> float | None:
    """Close of the bar in front of the one that closed at `closed_at_ns`; None at the first."""
    closes = columns_window(series, until=instant(closed_at_ns - 1000), limit=1)[4]
    return float(closes[-1]) if closes.shape[0] else None


def next_open_get(series: BarSeries, after_ns: int) -> tuple[int, float] | None:
    """Close time and open of the bar that forms after `after_ns`: all that is known of it.

    None at the end of the data, and for close-only series, whose open is the close to come.
    """
    if series.instrument.is_close_only:
        return None
    columns = columns_next(series, after_ns)
    if columns[0].shape[0] == 0:
        return None
    return int(columns[0][0]), float(columns[1][0])


def _series_get(instrument: Instrument, timeframe: str) -> BarSeries:
    if timeframe not in Timeframe.values:
        raise UnknownTimeframe(
            "UNKNOWN_TIMEFRAME",
            f"The timeframe {str(timeframe)[:20]!r} is none of {', '.join(Timeframe.values)}.",
            field="timeframe",
        )
    found = BarSeries.objects.filter(instrument=instrument, timeframe=timeframe)
    # With the venue in the same statement: bars tell its time zone.
    series = found.select_related("instrument__venue").first()
    if series is None or series.n_bars == 0:
        raise _no_bars(instrument.symbol, timeframe, None, None)
    return series


def _no_bars(
    symbol: str, timeframe: str, since: dt.datetime | None, until: dt.datetime | None
) -> NoBars:
    span = f" from {since:%Y-%m-%d}" if since else ""
    span += f" until {until:%Y-%m-%d}" if until else ""
    return NoBars(
        "NO_BARS",
        f"There are no {timeframe} bars of {symbol}{span}.",
        field="symbol", symbol=symbol, timeframe=timeframe,
    )  # fmt: skip


def _bars(instrument: Instrument, series: BarSeries, columns: Columns) -> Bars | None:
    if columns[0].shape[0] == 0:
        return None
    return Bars(
        instrument.symbol,
        series.timeframe,
        *columns,
        bars_per_year=series.bars_per_year,
        exec_price="CLOSE" if instrument.is_close_only else "OPEN",
        asset_class=instrument.asset_class,
        time_zone=series.instrument.venue.time_zone,
    )
