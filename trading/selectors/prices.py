"""Prices as a portfolio may know them: nothing after its market time."""

from __future__ import annotations

import datetime as dt

from marketdata.models import Instrument
from marketdata.selectors import LastBar, NoBars, bars_get, last_bar_get
from trading.engine.regimes import classify
from trading.engine.types import Regime, regime_of


def bar_last(
    instrument: Instrument, *, until: dt.datetime | None, timeframe: str = "1d"
) -> LastBar | None:
    """Return the last bar closed at or before `until`, None where there is none."""
    try:
        return last_bar_get(instrument, timeframe, until=until)
    except NoBars:
        return None


def regime_at(
    instrument: Instrument, *, until: dt.datetime | None, timeframe: str = "1d"
) -> Regime | None:
    """Return the volatility regime known at the last close until then; None without history."""
    try:
        bars = bars_get(instrument, timeframe, until=until)
    except NoBars:
        return None
    return regime_of(int(classify(bars.close, bars.bars_per_year).codes[-1]))
