"""Markets: watchlists of instruments, and one instrument with its chart and ticket."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from elson.common import formatting
from elson.common.errors import DomainError
from elson.common.formatting import parse_whole
from elson.common.listing import csv_response
from marketdata.providers.replay import DEFAULT_EPISODE, EPISODES
from marketdata.selectors import (
    NoBars,
    UnknownTimeframe,
    bars_get,
    coverage_get,
    instrument_get,
    instrument_list,
    timeframe_list,
    watchlist_get,
    watchlist_instruments,
    watchlist_list,
)
from marketdata.serializers import bar_rows
from marketdata.services import (
    replay_touch,
    replay_watch,
    watchlist_add,
    watchlist_create,
    watchlist_delete,
    watchlist_remove,
)
from trading.forms import TicketForm
from trading.selectors.markets import (
    chart_markers,
    market_rows,
    price_lines,
    regime_spells,
    regimes_of_bars,
    series_of,
)
from trading.selectors.portfolios import portfolio_get, position_row
from trading.selectors.strategies import decision_latest

if TYPE_CHECKING:
    from accounts.models import User

BARS_SENT = 300
BARS_OLDER = 500
BARS_MAX = 5_000
RANGES = (("3M", 63), ("6M", 126), ("1Y", 252), ("5Y", 1260), ("All", BARS_MAX))
SORTS = {
    "symbol": lambda row: row.symbol,
    "last": lambda row: row.last,
    "return": lambda row: row.simple_return,
    "volatility": lambda row: row.volatility,
    "regime": lambda row: {"LOW": 0, "NORMAL": 1, "HIGH": 2, "EXTREME": 3}.get(row.regime),
}
CSV_COLUMNS = (
    ("symbol", lambda row: row.symbol),
    ("name", lambda row: row.name),
    ("last", lambda row: row.last),
    ("last_at", lambda row: row.last_at.isoformat() if row.last_at else None),
    ("change", lambda row: row.change),
    ("simple_return", lambda row: row.simple_return),
    ("volatility_20", lambda row: row.volatility),
    ("regime", lambda row: row.regime),
    ("quantity", lambda row: row.quantity),
)


@login_required
def markets(request: HttpRequest) -> HttpResponse:
    """Instruments of one watchlist, or all; sorted on the server; `?format=csv` for a file."""
    portfolio = portfolio_get(_person(request))
    lists = list(watchlist_list(_person(request)))
    chosen = _chosen_list(request, lists)
    instruments = watchlist_instruments(chosen) if chosen else list(instrument_list())
    rows = _sorted(market_rows(portfolio, instruments), request.GET.get("sort", ""))
    if request.GET.get("format") == "csv":
        return csv_response("markets.csv", CSV_COLUMNS, rows)
    context = {
        "rows": rows,
        "chosen": chosen,
        "tabs": _list_tabs(lists, chosen),
        "symbols": instrument_list(),
        "channels": " ".join(f"bars:{row.symbol}:1d" for row in rows if row.last is not None),
        "query": request.GET.urlencode(),
        "as_of": portfolio.replay.cursor_at if portfolio.replay else None,
    }
    part = (
        "marketdata/_markets_table.html"
        if getattr(request, "htmx", False)
        else "marketdata/markets.html"
    )
    return render(request, part, context)


@login_required
@require_POST
def watchlist_new(request: HttpRequest) -> HttpResponse:
    """Make a list from a name, or the starter list without one."""
    name = request.POST.get("name", "")
    symbols = None if name else list(EPISODES[DEFAULT_EPISODE].watch)
    try:
        made = watchlist_create(user=_person(request), name=name or "Starter", symbols=symbols)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("markets")
    return redirect(f"{reverse('markets')}?list={made.pk}")


@login_required
@require_POST
def watchlist_change(request: HttpRequest, watchlist_id: str, action: str) -> HttpResponse:
    """Add a symbol to a list, take one off, or remove the list."""
    found = watchlist_get(_person(request), watchlist_id)
    try:
        if action == "add":
            watchlist_add(watchlist=found, symbol=_symbol_typed(request))
        elif action == "remove":
            watchlist_remove(watchlist=found, symbol=request.POST.get("symbol", ""))
        elif action == "delete":
            watchlist_delete(watchlist=found)
            return redirect("markets")
    except DomainError as error:
        messages.error(request, error.message)
    return redirect(f"{reverse('markets')}?list={found.pk}")


@login_required
def instrument(request: HttpRequest, symbol: str) -> HttpResponse:
    """One instrument: quote, chart, ticket, position, reasons, regimes and facts."""
    portfolio = portfolio_get(_person(request))
    found = instrument_get(symbol)
    part = request.GET.get("part", "")
    if part in PARTS:
        template, context_of = PARTS[part]
        shown = {"portfolio": portfolio, "instrument": found, **context_of(portfolio, found)}
        return render(request, template, shown)
    if portfolio.replay:
        replay_touch(session=portfolio.replay, now=timezone.now())
        replay_watch(session=portfolio.replay, symbol=found.symbol)
    frames = timeframe_list(found)
    timeframe = _timeframe(request, frames)
    context: dict[str, Any] = {
        "portfolio": portfolio,
        "instrument": found,
        "form": TicketForm(),
        "crumbs": [{"label": "Markets", "href": reverse("markets")}],
        "timeframe": timeframe,
        "frames": _frame_links(request, frames, timeframe),
        "ranges": _range_links(request, timeframe),
        "figure": _figure(request, portfolio, found, timeframe),
        "coverage": _coverage(found, timeframe),
    }
    for _, context_of in PARTS.values():
        context |= context_of(portfolio, found)
    return render(request, "marketdata/instrument.html", context)


@login_required
def instrument_bars(request: HttpRequest, symbol: str) -> HttpResponse:
    """Visible bars with their regimes, for a chart that scrolls back or catches up."""
    portfolio = portfolio_get(_person(request))
    found = instrument_get(symbol)
    timeframe = _timeframe(request, timeframe_list(found))
    until = _before(request.GET.get("until", ""))
    if portfolio.replay:
        until = min(until, portfolio.replay.cursor_at) if until else portfolio.replay.cursor_at
    asked = parse_whole(request.GET.get("limit", ""))
    limit = min(max(BARS_OLDER if asked is None else asked, 1), BARS_MAX)
    return JsonResponse({"bars": _bars_with_regimes(found, timeframe, until, limit)})


def _quote_context(portfolio: Any, found: Any) -> dict[str, Any]:
    return {"row": market_rows(portfolio, [found])[0]}


def _position_context(portfolio: Any, found: Any) -> dict[str, Any]:
    return {"position": position_row(portfolio, found)}


def _why_context(portfolio: Any, found: Any) -> dict[str, Any]:
    return {"why": decision_latest(portfolio, symbol=found.symbol)}


def _spells_context(portfolio: Any, found: Any) -> dict[str, Any]:
    until = portfolio.replay.cursor_at if portfolio.replay else None
    try:
        return {"spells": regime_spells(series_of(found, "1d"), until)}
    except NoBars:
        return {"spells": []}


# Blocks that refresh on their own while the market moves.
PARTS = {
    "quote": ("marketdata/_quote.html", _quote_context),
    "position": ("marketdata/_position.html", _position_context),
    "why": ("marketdata/_why.html", _why_context),
    "regimes": ("marketdata/_regimes.html", _spells_context),
}


def _figure(request: HttpRequest, portfolio: Any, found: Any, timeframe: str) -> dict[str, Any]:
    """Payload of the price chart and its sentence."""
    until = portfolio.replay.cursor_at if portfolio.replay else None
    wanted = dict(RANGES).get(request.GET.get("range", ""), BARS_SENT)
    bars = _bars_with_regimes(found, timeframe, until, wanted)
    address = reverse("instrument_bars", args=[found.symbol])
    payload = {
        "symbol": found.symbol,
        "timeframe": timeframe,
        "tick": f"{found.tick_size.normalize():f}",
        "style": "line" if found.is_close_only else "candles",
        "range": request.GET.get("range", ""),
        "bars": bars,
        "markers": [],
        "price_lines": price_lines(portfolio, found),
        "channel": f"bars:{found.symbol}:{timeframe}",
        "bars_url": f"{address}?timeframe={timeframe}",
        "older_url": f"{address}?timeframe={timeframe}&until=",
        "empty": f"No {timeframe} bars of {found.symbol} are visible yet.",
    }
    if bars:
        since = dt.datetime.fromisoformat(bars[0]["closed_at"])
        payload["markers"] = chart_markers(portfolio, found, since=since)
    return {"payload": payload, "summary": _sentence(found, bars)}


def _bars_with_regimes(
    found: Any, timeframe: str, until: dt.datetime | None, limit: int
) -> list[dict[str, Any]]:
    try:
        series = series_of(found, timeframe)
        bars = bars_get(found, timeframe, until=until, limit=limit)
    except (NoBars, UnknownTimeframe):
        return []
    regimes = regimes_of_bars(series, bars)
    return [{**row, "regime": regime} for row, regime in zip(bar_rows(bars), regimes, strict=True)]


def _sentence(found: Any, bars: list[dict[str, Any]]) -> str:
    if not bars:
        return ""
    first, last = bars[0], bars[-1]
    high = max(bars, key=lambda bar: float(bar["high"]))
    low = min(bars, key=lambda bar: float(bar["low"]))

    def shown(bar: dict[str, Any], field: str) -> str:
        return f"{formatting.price(bar[field], found.tick_size)} on {bar['closed_at'][:10]}"

    change = formatting.signed_percent(float(last["close"]) / float(first["close"]) - 1, 1)
    return (
        f"{len(bars)} bars: close {shown(first, 'close')}, {shown(last, 'close')} ({change}); "
        f"highest {shown(high, 'high')}, lowest {shown(low, 'low')}."
    )


def _coverage(found: Any, timeframe: str) -> Any:
    try:
        return coverage_get(found, timeframe)
    except NoBars:
        return None


def _timeframe(request: HttpRequest, frames: list[str]) -> str:
    wanted = request.GET.get("timeframe", "")
    if wanted in frames:
        return wanted
    return frames[-1] if frames else "1d"


def _frame_links(request: HttpRequest, frames: list[str], here: str) -> list[dict[str, Any]]:
    return [{"label": f, "href": f"?timeframe={f}", "current": f == here} for f in frames]


def _range_links(request: HttpRequest, timeframe: str) -> list[dict[str, Any]]:
    here = request.GET.get("range", "")
    return [
        {"label": name, "href": f"?timeframe={timeframe}&range={name}", "current": name == here}
        for name, _ in RANGES
    ]


def _chosen_list(request: HttpRequest, lists: list[Any]) -> Any:
    wanted = request.GET.get("list", "")
    if wanted == "all":
        return None
    if wanted:
        return watchlist_get(_person(request), wanted)
    return lists[0] if lists else None


def _list_tabs(lists: list[Any], chosen: Any) -> list[dict[str, Any]]:
    tabs = [
        {
            "label": item.name,
            "href": f"?list={item.pk}",
            "current": chosen is not None and item.pk == chosen.pk,
            "count": len(item.items.all()),
        }
        for item in lists
    ]
    return [*tabs, {"label": "All instruments", "href": "?list=all", "current": chosen is None}]


def _sorted(rows: list[Any], sort: str) -> list[Any]:
    key = SORTS.get(sort.removeprefix("-"))
    if key is None:
        return rows
    known = [row for row in rows if key(row) is not None]
    unknown = [row for row in rows if key(row) is None]
    return sorted(known, key=key, reverse=sort.startswith("-")) + unknown


def _symbol_typed(request: HttpRequest) -> str:
    """Symbol of a field that offers "SPX · S&P 500" to choose from."""
    return request.POST.get("symbol", "").split("·")[0].strip()


def _before(text: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _person(request: HttpRequest) -> User:
    """Return who looks; `login_required` has seen to it that they are signed in."""
    return cast("User", request.user)
