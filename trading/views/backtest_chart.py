"""The prices a finished backtest traded on, with its entries and exits, around one trade."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.http import urlencode

from elson.common import formatting
from elson.common.errors import DomainError
from elson.common.formatting import parse_whole
from marketdata.selectors import bars_get, instrument_get
from marketdata.serializers import bar_rows
from trading.selectors.markets import regimes_of_bars, series_of
from trading.views.backtest_words import exit_words

# Bars before the signal and after the exit of the chosen trade, and the most that are sent.
BARS_AROUND = 60
BARS_MOST = 1_500
BARS_WITHOUT_TRADE = 400


def chart_context(backtest: Any, chosen: dict[str, str]) -> dict[str, Any]:
    """Return chart, the chosen trade and the ones beside it; `chosen` has trade and symbol."""
    symbols = backtest.symbols or [backtest.instrument.symbol]
    numbered = {trip["number"]: trip for trip in backtest.result.round_trips}
    number = parse_whole(chosen.get("trade", ""))
    trip = numbered.get(number) if number is not None else None
    symbol = (trip.get("symbol") if trip else chosen.get("symbol")) or symbols[0]
    symbol = symbol if symbol in symbols else symbols[0]
    own = [row for row in numbered.values() if (row.get("symbol") or symbols[0]) == symbol]
    trip = trip or (own[-1] if own else None)
    if trip is not None:
        trip["exit_words"] = exit_words(trip["exit_reason"])
    return {
        "chart_label": f"{symbol} with the trades of this run",
        "symbol": symbol,
        "symbols": symbols,
        "trip": trip,
        "earlier": _beside(own, trip, -1),
        "later": _beside(own, trip, 1),
        **_figure(backtest, symbol, own, trip),
    }


def _beside(own: list[dict[str, Any]], trip: Any, step: int) -> str:
    """Address of the trade before or after, "" at the ends."""
    if trip is None:
        return ""
    at = own.index(trip) + step
    if not 0 <= at < len(own):
        return ""
    return "?" + urlencode({"tab": "chart", "trade": own[at]["number"]})


def _figure(backtest: Any, symbol: str, own: list[dict[str, Any]], trip: Any) -> dict[str, Any]:
    try:
        found = instrument_get(symbol)
        series = series_of(found, backtest.timeframe)
        bars = _bars(backtest, found, trip)
    except DomainError as error:
        return {"chart": None, "chart_error": error.message}
    rows = [
        {**row, "regime": regime}
        for row, regime in zip(bar_rows(bars), regimes_of_bars(series, bars), strict=True)
    ]
    first, last = str(rows[0]["closed_at"]), str(rows[-1]["closed_at"])
    seen = [row for row in own if first <= row["exit_at"] and row["entry_at"] <= last]
    payload = {
        "symbol": symbol,
        "timeframe": backtest.timeframe,
        "tick": f"{found.tick_size.normalize():f}",
        "style": "line" if found.is_close_only else "candles",
        "bars": rows,
        "markers": [marker for row in seen for marker in _markers(row)],
        "empty": f"No bars of {symbol} are stored.",
    }
    summary = f"{symbol} from {first[:10]} to {last[:10]} with {len(seen)} trade"
    return {"chart": payload, "chart_summary": summary + ("." if len(seen) == 1 else "s.")}


def _bars(backtest: Any, instrument: Any, trip: Any) -> Any:
    """Read the bars around a trade, or the last ones the run saw."""
    end = _moment(backtest.result.manifest["data"]["last_at"])
    if trip is None:
        return bars_get(instrument, backtest.timeframe, until=end, limit=BARS_WITHOUT_TRADE)
    entry, leave = _moment(trip["signal_at"]), _moment(trip["exit_at"])
    before = bars_get(instrument, backtest.timeframe, until=entry, limit=BARS_AROUND)
    step = (entry - _moment_of(before.closed_at[0])) / max(len(before) - 1, 1)
    until = min(leave + step * BARS_AROUND, end)
    held = bars_get(
        instrument, backtest.timeframe, since=_moment_of(before.closed_at[0]), until=until
    )
    return held.slice(0, min(len(held), BARS_MOST))


def _markers(trip: dict[str, Any]) -> list[dict[str, str]]:
    is_long = trip["side"] == "BUY"
    ends = (
        ("entry", "buy" if is_long else "sell", trip["entry_at"], trip["entry_price"]),
        ("exit", "sell" if is_long else "buy", trip["exit_at"], trip["exit_price"]),
    )
    return [
        {
            "time": at,
            "kind": kind,
            "text": f"{word} {trip['number']}",
            "label": f"{word.capitalize()} of trade {trip['number']} at {formatting.number(price)}",
            "href": "?" + urlencode({"tab": "chart", "trade": trip["number"]}),
        }
        for word, kind, at, price in ends
    ]


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def _moment_of(nanoseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(nanoseconds) / 1e9, tz=dt.UTC)
