"""What every source of bars speaks: typed instruments, raw columns, faults.

INPUT   whatever a vendor, a package or a file holds
OUTPUT  `SeriesOffer`: an `InstrumentSpec`, a timeframe and a loader of `RawBars`
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from marketdata.types import SECONDS_PER_DAY, FloatArray, IntArray

MAX_FAULTS_LISTED = 100
MAX_VALUE_SHOWN = 80


class ProviderError(Exception):
    """A source could not give its bars; the subclass says what to do next."""


class ProviderUnavailable(ProviderError):
    """Not there now: install it, or try again later."""


class ProviderRejected(ProviderError):
    """It answered, and refused for good."""


class ProviderProtocolError(ProviderError):
    """It answered something it never should: a bug or a change of format."""


@dataclass(frozen=True, slots=True)
class VenueSpec:
    """A venue as the importer knows it."""

    code: str
    name: str
    time_zone: str
    session_close: dt.time
    bars_per_year: int


VENUES = {
    venue.code: venue
    for venue in (
        VenueSpec("XNYS", "New York Stock Exchange", "America/New_York", dt.time(16, 0), 252),
        VenueSpec("XNAS", "Nasdaq", "America/New_York", dt.time(16, 0), 252),
        VenueSpec("FX", "Currencies, 24 hours on weekdays", "UTC", dt.time(23, 59, 59), 260),
        VenueSpec("COMM", "Commodities, 24 hours on weekdays", "UTC", dt.time(23, 59, 59), 252),
        VenueSpec("CRYPTO", "Crypto, 24 hours every day", "UTC", dt.time(23, 59, 59), 365),
    )
}
VENUE_OF_ASSET_CLASS = {
    "EQUITY": "XNYS",
    "ETF": "XNYS",
    "INDEX": "XNYS",
    "REFERENCE": "XNYS",
    "FX": "FX",
    "COMMODITY": "COMM",
    "CRYPTO": "CRYPTO",
}


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """What a source says about an instrument; made into a row by `instrument_ensure`."""

    symbol: str
    name: str
    venue: str = "XNYS"
    asset_class: str = "EQUITY"
    currency: str = "USD"
    tick_size: str = "0.01"
    quantity_step: str = "0.0001"
    is_tradable: bool = True
    is_close_only: bool = False
    source: str = ""
    licence: str = ""
    adjustment: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a file: the line as an editor counts it, the column, the value."""

    row: int | None
    column: str | None
    value: str
    reason: str

    def as_dict(self) -> dict[str, object]:
        """Return the fault as plain JSON."""
        return {
            "row": self.row,
            "column": self.column,
            "value": self.value,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        """Write the fault as one sentence."""
        place = f"row {self.row}: " if self.row is not None else ""
        what = f"{self.column} {self.value!r} " if self.column else ""
        return f"{place}{what}{self.reason}"


@dataclass(slots=True)
class FaultList:
    """Keeps the first hundred faults and counts the rest."""

    listed: list[Fault] = field(default_factory=list)
    n: int = 0

    def add(self, row: int | None, column: str | None, value: object, reason: str) -> None:
        """Take one more fault."""
        self.n += 1
        if len(self.listed) < MAX_FAULTS_LISTED:
            shown = "".join(c if c.isprintable() else "·" for c in str(value))
            self.listed.append(Fault(row, column, shown[:MAX_VALUE_SHOWN], reason))


@dataclass(slots=True)
class RawBars:
    """Columns as a source gave them, each value already a number, oldest first.

    `stamps` are seconds since 1970 UTC; for daily bars midnight of the date as written, which
    `daily_closes` turns into the close of the venue's session. `rows` are lines of the file.
    """

    stamps: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    rows: IntArray
    faults: FaultList = field(default_factory=FaultList)
    n_rows: int = 0
    n_duplicates: int = 0
    ignored_columns: tuple[str, ...] = ()
    symbol: str = ""

    def __len__(self) -> int:
        """Count the rows without a fault."""
        return int(self.stamps.shape[0])

    @classmethod
    def empty(cls) -> RawBars:
        """Return no rows at all, to carry faults."""
        whole, number = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
        return cls(whole, number, number, number, number, number, rows=whole)

    def take(self, keep: IntArray) -> None:
        """Keep only these positions, in this order."""
        for name in ("stamps", "open", "high", "low", "close", "volume", "rows"):
            setattr(self, name, getattr(self, name)[keep])


Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SeriesOffer:
    """One series a source can give: what it is, under which name, and how to load it."""

    spec: InstrumentSpec
    timeframe: str
    source: str
    sha256: Callable[[], str]
    load: Callable[[Progress], RawBars]


class Provider(Protocol):
    """A source of historical bars."""

    name: str

    def offers(self) -> Iterable[SeriesOffer]:
        """List what the source has; raises ProviderUnavailable when it is not there."""
        ...


def daily_closes(stamps: IntArray, time_zone: str, session_close: dt.time) -> IntArray:
    """Close of the venue's session on each date, seconds UTC.

    The date as written stays the date in the venue's time zone, so a daily bar never moves to the
    day before or after, whatever zone it is looked at from.
    """
    days, place = np.unique(
        np.asarray(stamps, dtype=np.int64) // SECONDS_PER_DAY, return_inverse=True
    )
    zone = ZoneInfo(time_zone)
    closes = np.empty(days.shape[0], dtype=np.int64)
    for i, day in enumerate(days.tolist()):
        date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
        local = dt.datetime.combine(date, session_close, tzinfo=zone)
        closes[i] = int(local.timestamp())
    return closes[place]
