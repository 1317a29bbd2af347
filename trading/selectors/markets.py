"""Markets as one portfolio may see them: prices, regimes, its own fills, never anything later."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketdata.models import BarSeries, Instrument
from marketdata.selectors import (
    NoBars,
    bars_get,
    bars_map,
    columns_between,
    instant,
    nanoseconds,
    series_map,
)
from marketdata.types import Bars, FloatArray, IntArray
from trading.engine.regimes import regimes_of
from trading.engine.types import WORKING_STATUSES, Regime, regime_of
from trading.models import Decision, Fill, Order, Portfolio
from trading.selectors.portfolios import positions_open

VOLATILITY_BARS = 20
SPARK_BARS = 40
N_SPELLS = 8
# Regimes of whole series are kept: they are causal, so a later bar never changes an earlier one.
KEPT_TRACKS = 64


@dataclass(frozen=True, slots=True)
class RegimeTrack:
    """Regime codes of a whole series; read only up to the moment that may be seen."""

    closed_at: IntArray
    codes: IntArray
    settled_codes: IntArray
    volatility: FloatArray
    percentile: FloatArray
    is_fallback: NDArray[np.bool_]

    def index(self, until: dt.datetime | None) -> int:
        """Position of the last bar closed at or before `until`."""
        if until is None:
            return int(self.closed_at.shape[0]) - 1
        return int(np.searchsorted(self.closed_at, nanoseconds(until), side="right")) - 1


@dataclass(frozen=True, slots=True)
class RegimeSpell:
    """A stretch of bars in one regime; `simple_return` is the price change inside it."""

    regime: str
    from_at: dt.datetime
    to_at: dt.datetime
    n_bars: int
    simple_return: float


@dataclass(frozen=True, slots=True)
class MarketRow:
    """One instrument in a list of markets."""

    symbol: str
    name: str
    asset_class: str
    tick_size: Decimal
    is_close_only: bool
    last: float | None
    last_at: dt.datetime | None
    change: float | None
    simple_return: float | None
    volatility: float | None
    regime: str
    regime_since: dt.datetime | None
    spark: list[float]
    quantity: Decimal


def market_rows(portfolio: Portfolio, instruments: Sequence[Instrument]) -> list[MarketRow]:
    """Newest visible numbers of many instruments, in their order; a constant number of queries."""
    until = portfolio.replay.cursor_at if portfolio.replay else None
    wanted = list(instruments)
    series = series_map(wanted)
    bars = bars_map(wanted, until=until, limit=SPARK_BARS)
    held = {item.instrument_id: item.quantity for item in positions_open(portfolio)}
    return [
        _row(item, bars.get(item.symbol), series.get(item.pk), until, held.get(item.pk, Decimal(0)))
        for item in wanted
    ]


def regime_track(series: BarSeries) -> RegimeTrack:
    """Regimes of every stored bar of a series, from memory when it did not change."""
    with _lock:
        kept = _tracks.get(series.version)
    if kept is not None:
        return kept
    bars = bars_get(series.instrument, series.timeframe)
    found = regimes_of(bars)
    track = RegimeTrack(
        bars.closed_at,
        found.codes,
        found.settled_codes,
        found.volatility,
        found.percentile,
        found.is_fallback,
    )
    with _lock:
        _tracks[series.version] = track
        while len(_tracks) > KEPT_TRACKS:
            _tracks.popitem(last=False)
    return track


def series_of(instrument: Instrument, timeframe: str) -> BarSeries:
    """Return the stored series; raise NoBars where there is none."""
    found = series_map([instrument], timeframe).get(instrument.pk)
    if found is None:
        raise NoBars("NO_BARS", f"There are no {timeframe} bars of {instrument.symbol}.")
    return found


def regimes_of_bars(series: BarSeries, bars: Bars) -> list[str | None]:
    """Regime at each of these bars, None while there is too little history."""
    track = regime_track(series)
    places = np.searchsorted(track.closed_at, bars.closed_at)
    return [regime_word(int(code)) for code in track.codes[places]]


def regime_spells(
    series: BarSeries, until: dt.datetime | None, *, n: int = N_SPELLS
) -> list[RegimeSpell]:
    """Last `n` stretches of equal regime, newest first; none reaches beyond `until`."""
    track = regime_track(series)
    n_bars = track.index(until) + 1
    if n_bars <= 0:
        return []
    codes = track.codes[:n_bars]
    starts = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1)).astype(int)
    ends = np.concatenate((starts[1:], [n_bars]))
    newest = list(zip(starts.tolist(), ends.tolist(), strict=True))[-n:]
    first = newest[0][0]
    close = columns_between(
        series, int(track.closed_at[first]) - 1000, int(track.closed_at[n_bars - 1])
    )[4]
    return [
        RegimeSpell(
            regime=regime_word(int(codes[start])) or "",
            from_at=instant(int(track.closed_at[start])),
            to_at=instant(int(track.closed_at[end - 1])),
            n_bars=end - start,
            # What happened while it lasted: from the close before its first bar.
            simple_return=float(close[end - 1 - first] / close[max(start - 1, first) - first] - 1),
        )
        for start, end in reversed(newest)
    ]


def chart_markers(
    portfolio: Portfolio, instrument: Instrument, *, since: dt.datetime
) -> list[dict[str, Any]]:
    """Own fills of an instrument, and signals that a rule blocked, as shapes on its chart."""
    fills = (
        Fill.objects.filter(
            order__portfolio=portfolio, order__instrument=instrument, filled_at__gte=since
        )
        .select_related("order")
        .order_by("filled_at", "pk")
    )
    blocked = (
        Decision.objects.filter(
            deployment__portfolio=portfolio, deployment__instrument=instrument,
            market_at__gte=since,
        )
        .exclude(blocked_by="")
        .select_related("deployment__version")
        .order_by("market_at")
    )  # fmt: skip
    return [_fill_marker(fill) for fill in fills] + [_signal_marker(item) for item in blocked]


def price_lines(portfolio: Portfolio, instrument: Instrument) -> list[dict[str, str]]:
    """Limit and stop prices of the portfolio's working orders on an instrument."""
    working = Order.objects.filter(
        portfolio=portfolio, instrument=instrument, status__in=WORKING_STATUSES
    ).order_by("pk")
    return [
        {"price": f"{value:f}", "label": f"{order.get_side_display()} {word} {order.quantity:f}"}
        for order in working
        for word, value in (("limit", order.limit_price), ("stop", order.stop_price))
        if value is not None
    ]


def realized_volatility(close: FloatArray, bars_per_year: float) -> float | None:
    """Annualized standard deviation of the last 20 log returns; None with fewer."""
    if close.shape[0] <= VOLATILITY_BARS:
        return None
    returns = np.diff(np.log(close[-VOLATILITY_BARS - 1 :]))
    return float(np.std(returns, ddof=1) * np.sqrt(bars_per_year))


_tracks: OrderedDict[uuid.UUID, RegimeTrack] = OrderedDict()
_lock = threading.Lock()


def _row(
    item: Instrument,
    bars: Bars | None,
    series: BarSeries | None,
    until: dt.datetime | None,
    quantity: Decimal,
) -> MarketRow:
    last = previous = last_at = volatility = since = None
    regime = ""
    spark: list[float] = []
    if bars is not None and series is not None:
        last, last_at = float(bars.close[-1]), instant(int(bars.closed_at[-1]))
        previous = float(bars.close[-2]) if len(bars) > 1 else None
        volatility = realized_volatility(bars.close, bars.bars_per_year)
        spark = bars.close.tolist()
        regime, since = _regime_and_since(regime_track(series), until)
    return MarketRow(
        symbol=item.symbol,
        name=item.name,
        asset_class=item.get_asset_class_display(),
        tick_size=item.tick_size,
        is_close_only=item.is_close_only,
        last=last,
        last_at=last_at,
        change=last - previous if last is not None and previous is not None else None,
        simple_return=last / previous - 1 if last is not None and previous else None,
        volatility=volatility,
        regime=regime,
        regime_since=since,
        spark=spark,
        quantity=quantity,
    )


def _regime_and_since(
    track: RegimeTrack, until: dt.datetime | None
) -> tuple[str, dt.datetime | None]:
    at = track.index(until)
    if at < 0:
        return "", None
    changed = np.flatnonzero(np.diff(track.codes[: at + 1]))
    first = int(changed[-1]) + 1 if changed.shape[0] else 0
    return regime_word(int(track.codes[at])) or "", instant(int(track.closed_at[first]))


def regime_word(code: int) -> str | None:
    """Name of a regime code, None while it is unknown."""
    regime: Regime | None = regime_of(code)
    return None if regime is None else str(regime.value)


def _fill_marker(fill: Fill) -> dict[str, Any]:
    side = fill.order.side
    quantity = f"{fill.quantity.normalize():f}"
    return {
        "time": fill.filled_at.isoformat().replace("+00:00", "Z"),
        "kind": "buy" if side == "BUY" else "sell",
        "text": quantity,
        "label": f"{side.capitalize()} {quantity} at {fill.price.normalize():f}",
        "href": f"/orders/{fill.order.uuid}/",
    }


def _signal_marker(decision: Decision) -> dict[str, Any]:
    strategy_id = decision.deployment.version.strategy_id
    return {
        "time": decision.market_at.isoformat().replace("+00:00", "Z"),
        "kind": "signal",
        "text": "",
        "label": f"Signal not traded: {decision.blocked_by}",
        "href": f"/strategies/{strategy_id}/decisions/{decision.uuid}/",
    }
