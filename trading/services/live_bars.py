"""Bars that closed since a portfolio's last step, as the runner works through them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from marketdata.models import BarSeries, Instrument
from marketdata.selectors import instant, nanoseconds, series_bars, series_closes
from marketdata.types import Bars
from trading.engine.fills import BarPrices


@dataclass(frozen=True, slots=True)
class InstrumentBar:
    """One closed bar of one instrument inside the step of the lead's calendar."""

    instrument: Instrument
    bars: Bars
    closed_at: dt.datetime

    @property
    def index(self) -> int:
        """Index in the instrument's stored series."""
        return len(self.bars) - 1

    @property
    def prices(self) -> BarPrices:
        """The bar as the engine's fills want it."""
        bars = self.bars
        return BarPrices(
            open=float(bars.open[-1]),
            high=float(bars.high[-1]),
            low=float(bars.low[-1]),
            close=float(bars.close[-1]),
            volume=float(bars.volume[-1]),
            closed_at=int(bars.closed_at[-1]),
        )


def next_close(series: BarSeries, after: dt.datetime) -> dt.datetime | None:
    """Return the first close of a calendar after a moment, None at its end."""
    calendar = series_closes(series)
    i = int(np.searchsorted(calendar, nanoseconds(after), side="right"))
    return instant(int(calendar[i])) if i < len(calendar) else None


def bars_by_time(
    series: Iterable[BarSeries], after: dt.datetime, until: dt.datetime
) -> list[list[InstrumentBar]]:
    """Bars that closed after `after` up to `until`, grouped by close time, oldest first."""
    found: dict[dt.datetime, list[InstrumentBar]] = {}
    for one in series:
        for bar in _bars_between(one, after, until):
            found.setdefault(bar.closed_at, []).append(bar)
    return [
        sorted(found[moment], key=lambda bar: bar.instrument.symbol) for moment in sorted(found)
    ]


def _bars_between(series: BarSeries, after: dt.datetime, until: dt.datetime) -> list[InstrumentBar]:
    bars = series_bars(series, until=until)
    if bars is None:
        return []
    first = int(np.searchsorted(bars.closed_at, nanoseconds(after), side="right"))
    last = len(bars) - 1
    return [
        InstrumentBar(
            series.instrument,
            bars if i == last else bars.until(i),
            instant(int(bars.closed_at[i])),
        )
        for i in range(first, last + 1)
    ]
