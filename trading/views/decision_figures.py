"""The chart of one decision: the bars around it, as far as they may be seen, and room for more."""

from __future__ import annotations

import datetime as dt
from typing import Any

from elson.common import formatting
from marketdata.selectors import NoBars, bars_get
from marketdata.serializers import bar_rows
from marketdata.types import Bars
from trading.selectors.markets import chart_markers, regimes_of_bars, series_of

BARS_BEFORE = 60
BARS_AFTER = 40


def decision_figure(decision: Any, *, until: dt.datetime | None) -> dict[str, Any] | None:
    """Payload and sentence of the chart, and where bars to come are told; None without any bar."""
    deployment = decision.deployment
    found, timeframe, at = deployment.instrument, deployment.timeframe, decision.market_at
    try:
        before = _rows(deployment, bars_get(found, timeframe, until=at, limit=BARS_BEFORE))
        later = bars_get(found, timeframe, since=at, until=until)
        after = _rows(deployment, later.slice(0, min(len(later), BARS_AFTER + 1)))
    except NoBars:
        return None
    bars = before + after[1:]
    since = dt.datetime.fromisoformat(bars[0]["closed_at"])
    last = bars[-1]["closed_at"]
    payload = {
        "symbol": found.symbol,
        "timeframe": timeframe,
        "tick": f"{found.tick_size.normalize():f}",
        "style": "line" if found.is_close_only else "candles",
        "n_slots": BARS_BEFORE + BARS_AFTER,
        "bars": bars,
        "markers": [
            marker
            for marker in chart_markers(deployment.portfolio, found, since=since)
            if marker["time"] <= last
        ],
        "price_lines": [{"price": f"{decision.price:g}", "label": "close decided at"}],
        "empty": f"No {timeframe} bars of {found.symbol} are visible yet.",
    }
    change = formatting.signed_percent(float(bars[-1]["close"]) / decision.price - 1, 1)
    n_after = len(bars) - len(before)
    noun = "bar" if n_after == 1 else "bars"
    tail = f"; {n_after} {noun} later {change}" if n_after else "; no bar has closed since"
    summary = f"{len(before)} bars up to the decision on {at:%Y-%m-%d}{tail}."
    return {
        "payload": payload,
        "summary": summary,
        "channel": f"bars:{found.symbol}:{timeframe}" if n_after < BARS_AFTER else "",
    }


def _rows(deployment: Any, bars: Bars) -> list[dict[str, Any]]:
    series = series_of(deployment.instrument, deployment.timeframe)
    regimes = regimes_of_bars(series, bars)
    return [{**row, "regime": regime} for row, regime in zip(bar_rows(bars), regimes, strict=True)]
