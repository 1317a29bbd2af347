"""Stored bars of a span of days, both inclusive, in UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from marketdata.selectors import bars_get, closes_at, instrument_get, nanoseconds
from marketdata.types import Bars, IntArray
from trading.engine.costs import CostModel
from trading.services.backtests.experiment import costs_of

if TYPE_CHECKING:
    from marketdata.models import Instrument

Day = dt.date | None


def bars_stored(*, symbol: str, timeframe: str, start: Day, end: Day) -> Bars:
    """Read the bars that closed from start to end; UnknownSymbol, UnknownTimeframe or NoBars."""
    return bars_get(symbol, timeframe, since=_beginning(start), until=_end(end))


def market_costs(asked: Any, symbols: Sequence[str]) -> dict[str, CostModel]:
    """Return the cost model of each symbol's market; all the same without the usual costs."""
    return {
        symbol: costs_of(asked, instrument_get(symbol) if asked.has_regime_costs else None)
        for symbol in symbols
    }


def bars_between(instrument: Instrument, timeframe: str, start: Day, end: Day) -> int:
    """Count the bars that `bars_stored` would return."""
    return len(closes_between(instrument, timeframe, start, end))


def closes_between(instrument: Instrument, timeframe: str, start: Day, end: Day) -> IntArray:
    """Return when the bars closed that `bars_stored` would return, in nanoseconds."""
    closes = closes_at(instrument, timeframe)
    since, until = _beginning(start), _end(end)
    first = 0 if since is None else int(np.searchsorted(closes, nanoseconds(since), "left"))
    stop = (
        len(closes) if until is None else int(np.searchsorted(closes, nanoseconds(until), "right"))
    )
    return closes[first:stop]


def _beginning(day: Day) -> dt.datetime | None:
    return None if day is None else dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)


def _end(day: Day) -> dt.datetime | None:
    # Daily closes of every venue lie before midnight UTC of their date.
    return None if day is None else dt.datetime.combine(day, dt.time.max, tzinfo=dt.UTC)
