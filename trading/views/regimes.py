"""The regime page: what regimes are, where every watched market stands, what they change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from elson.common import formatting
from elson.common.listing import csv_response, page_of, sorted_rows
from marketdata.selectors import NoBars, UnknownSymbol, instrument_get
from trading.engine import regimes as definition
from trading.engine.counts import counted
from trading.selectors.markets import regime_spells, series_of
from trading.selectors.portfolios import limits_get, portfolio_get
from trading.selectors.regime_definition import regime_definition
from trading.selectors.regimes import (
    ALL_MARKETS,
    REGIMES,
    RegimeRow,
    markets_of,
    regime_rows,
    strategies_by_regime,
    transition_rows,
    visible_of,
    volatility_estimates,
)

if TYPE_CHECKING:
    from accounts.models import User

SORTS = {
    "symbol": lambda row: row.symbol,
    "regime": lambda row: REGIMES.index(row.regime) if row.regime else None,
    "since": lambda row: row.since,
    "volatility": lambda row: row.volatility,
    "percentile": lambda row: row.percentile,
}
CSV_COLUMNS = (
    ("symbol", lambda row: row.symbol),
    ("name", lambda row: row.name),
    ("regime", lambda row: row.regime),
    ("settled_regime", lambda row: row.settled),
    ("since", lambda row: row.since.isoformat() if row.since else None),
    ("n_bars_in_regime", lambda row: row.n_bars),
    ("volatility", lambda row: row.volatility),
    ("percentile", lambda row: row.percentile),
    ("is_absolute_fallback", lambda row: row.is_fallback),
    *(
        (
            f"next_{regime.lower()}_{name}",
            lambda row, k=k, name=name: getattr(row.following.cells[k], name),
        )
        for name in ("probability", "low", "high", "n")
        for k, regime in enumerate(REGIMES)
    ),
    ("next_reason", lambda row: row.following.reason),
    ("last_at", lambda row: row.last_at.isoformat() if row.last_at else None),
)
TIMELINE_SPELLS = 12


@login_required
@require_GET
def regimes(request: HttpRequest) -> HttpResponse:
    """Show definitions, the chosen markets, and one market in full; `?format=csv`."""
    user = cast("User", request.user)
    portfolio = portfolio_get(user)
    markets = markets_of(user, request.GET.get("markets", ""))
    rows = _chosen_rows(request, regime_rows(portfolio, markets))
    if request.GET.get("format") == "csv":
        return csv_response("regimes.csv", CSV_COLUMNS, rows)
    page = page_of(request, rows)
    context: dict[str, Any] = {
        "page": page,
        "rows": [_with_strip(row) for row in page],
        "as_of": visible_of(portfolio),
        "fewest": definition.FEWEST_CASES,
        "regime_names": REGIMES,
        "regime_chosen": request.GET.get("regime", ""),
        "is_all": request.GET.get("markets", "") == ALL_MARKETS,
    }
    if getattr(request, "htmx", False):
        return render(request, "trading/_regime_board.html", context)
    context |= {
        "channels": " ".join(f"bars:{row.symbol}:1d" for row in page),
        "symbols": [item.symbol for item in markets],
        "definition": regime_definition(),
        "strategies": strategies_by_regime(user),
        "limits": limits_get(portfolio),
        "one": _one(request, portfolio, markets),
    }
    return render(request, "trading/regimes.html", context)


def _chosen_rows(request: HttpRequest, rows: list[RegimeRow]) -> list[RegimeRow]:
    wanted = request.GET.get("regime", "")
    kept = [row for row in rows if not wanted or row.regime == wanted]
    return sorted_rows(kept, request.GET.get("sort", ""), SORTS)


def _with_strip(row: RegimeRow) -> dict[str, Any]:
    return {"row": row, "segments": _segments(row), "strip_label": _strip_label(row)}


def _segments(row: RegimeRow) -> list[dict[str, Any]]:
    return [
        {
            "regime": part.regime,
            "weight": part.n_bars,
            "title": f"{part.regime.capitalize() or 'No regime yet'}, "
            f"{formatting.day(part.from_at)} to {formatting.day(part.to_at)}, "
            f"{counted(part.n_bars, 'bar')}",
        }
        for part in row.timeline
    ]


def _strip_label(row: RegimeRow) -> str:
    total = sum(part.n_bars for part in row.timeline)
    shares = [
        f"{name.capitalize()} {formatting.percent(n / total, 0)}"
        for name in REGIMES
        if (n := sum(part.n_bars for part in row.timeline if part.regime == name))
    ]
    return f"Regimes of {row.symbol} over the last year: {', '.join(shares) or 'none known'}"


def _one(request: HttpRequest, portfolio: Any, markets: list[Any]) -> dict[str, Any] | None:
    """One market in full: the one asked for, else the first shown; its error stays here."""
    asked = request.GET.get("symbol", "") or (markets[0].symbol if markets else "")
    if not asked:
        return None
    try:
        item = instrument_get(asked)
        series = series_of(item, "1d")
        until = visible_of(portfolio)
        row = regime_rows(portfolio, [item])[0]
        estimates = volatility_estimates(series, until)
    except (NoBars, UnknownSymbol) as error:
        return {"symbol": asked[:40], "error": error.message}
    return {
        "symbol": item.symbol,
        "name": item.name,
        "href": reverse("instrument", args=[item.symbol]),
        "row": row,
        "segments": _segments(row),
        "strip_label": _strip_label(row),
        "spells": regime_spells(series, until, n=TIMELINE_SPELLS),
        "transitions": transition_rows(series, until),
        "estimates": estimates,
    }
