"""Prices as a portfolio may know them: nothing after its market time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from marketdata.models import Instrument
from marketdata.selectors import LastBar, NoBars, bars_get, instant, last_bar_get
from trading.engine.regimes import regimes_of
from trading.engine.types import Regime, regime_of
from trading.models import Portfolio

# Bars the percentile of volatility looks back over (trading.engine.regimes).
PERCENTILE_WINDOW = 1_008


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
    return regime_of(int(regimes_of(bars).codes[-1]))


@dataclass(frozen=True, slots=True)
class RegimeNow:
    """Regime of one instrument at a moment: since which close, from how much history."""

    symbol: str
    name: str
    regime: str
    since: dt.datetime | None
    volatility: float | None
    percentile: float | None
    n_history: int


def regime_now(
    instrument: Instrument, *, until: dt.datetime | None, timeframe: str = "1d"
) -> RegimeNow:
    """Return regime, its first close and the numbers behind it, as known at `until`."""
    try:
        bars = bars_get(instrument, timeframe, until=until)
    except NoBars:
        return RegimeNow(instrument.symbol, instrument.name, "", None, None, None, 0)
    series = regimes_of(bars)
    codes = series.codes
    changed = np.flatnonzero(np.diff(codes))
    first = int(changed[-1]) + 1 if len(changed) else 0
    return RegimeNow(
        symbol=instrument.symbol,
        name=instrument.name,
        regime=str(regime_of(int(codes[-1])) or ""),
        since=instant(int(bars.closed_at[first])),
        volatility=_finite(series.volatility[-1]),
        percentile=_finite(series.percentile[-1]),
        n_history=min(len(bars), PERCENTILE_WINDOW),
    )


def regimes_now(portfolio: Portfolio) -> list[RegimeNow]:
    """Regimes of the indices in a portfolio's replay at its market time."""
    replay = portfolio.replay
    if replay is None:
        return []
    tracked = [
        instrument
        for instrument in replay.instruments.order_by("pk")
        if instrument.asset_class == "INDEX"
    ]
    return [
        regime_now(instrument, until=replay.cursor_at, timeframe=replay.timeframe)
        for instrument in tracked
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
