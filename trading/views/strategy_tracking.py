"""A strategy at work beside its backtest, and what a version would hold now."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from elson.common import formatting
from elson.common.errors import DomainError
from elson.common.listing import csv_response, wants_fragment
from trading.selectors.own_books import book_of, own_backtest
from trading.selectors.portfolios import portfolio_of
from trading.selectors.strategies import (
    deployment_get,
    deployment_now,
    strategy_of,
    strategy_version,
)
from trading.services.preview import (
    HoldingNow,
    PreviewTerms,
    capital_read,
    holdings_now,
    symbols_read,
)
from trading.services.tracking import Tracking, cost_lines, fill_costs, tracking_of

MOST_POINTS = 400
MOST_FILLS = 12
DEFAULT_CAPITAL = "10000"
FILL_COLUMNS = (
    ("filled_at", lambda row: row.filled_at.isoformat()),
    ("side", lambda row: row.side),
    ("quantity", lambda row: row.quantity),
    ("price", lambda row: row.price),
    ("slippage_bps", lambda row: row.slippage_bps),
    ("expected_slippage_bps", lambda row: row.expected_slippage_bps),
    ("commission_bps", lambda row: row.commission_bps),
    ("expected_commission_bps", lambda row: row.expected_commission_bps),
    ("moved_bps", lambda row: row.moved_bps),
)
HOLDING_COLUMNS = tuple(
    (name, lambda row, name=name: getattr(row, name))
    for name in (
        "symbol", "market_at", "close", "regime", "quantity", "weight", "order_quantity", "action",
        "reason", "refused_by", "error",
    )
)  # fmt: skip


@login_required
@require_GET
def strategy_tracking(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Own book against the same rule on the same bars, and fills against their cost model.

    A part of the strategy's page; opened alone it leads there.
    """
    strategy = strategy_of(request.user, strategy_id)
    is_file = request.GET.get("format") == "csv"
    if not (is_file or wants_fragment(request)):
        return redirect(f"{reverse('strategy_detail', args=[strategy.pk])}#tracking")
    now = deployment_now(strategy, request.GET.get("run"))
    context: dict[str, Any] = {"strategy": strategy, "now": now}
    if now is not None:
        deployment = deployment_get(request.user, now.deployment_id)
        replay = deployment.portfolio.replay
        # A stopped one is judged up to its last bar, not by what the market did since.
        seen = replay.cursor_at if replay else None
        until = now.last_bar_at if now.status == "STOPPED" else seen
        rows = fill_costs(deployment)
        if is_file:
            return csv_response("fills.csv", FILL_COLUMNS, rows)
        tracking = tracking_of(deployment, until=until)
        context |= {
            "tracking": tracking,
            "figure": tracking_figure(tracking, currency=deployment.portfolio.currency),
            "book": book_of(deployment, until=until),
            "own_backtest": own_backtest(deployment),
            "version": deployment.version,
            "lines": cost_lines(rows),
            "fills": rows[: -MOST_FILLS - 1 : -1],
            "n_fills": len(rows),
        }
    return render(request, "trading/_strategy_tracking.html", context)


@login_required
@require_GET
def version_preview(request: HttpRequest, strategy_id: int, number: int) -> HttpResponse:
    """Show what a version would hold now on chosen instruments; nothing is ordered."""
    strategy = strategy_of(request.user, strategy_id)
    version = strategy_version(strategy, number)
    context = preview_context(
        request,
        request.GET,
        strategy_key=strategy.key,
        parameters=version.parameters,
        limits=version.limits,
        costs=version.costs,
        symbol=symbol_of(strategy),
    )
    if request.GET.get("format") == "csv":
        return csv_response("preview.csv", HOLDING_COLUMNS, context["holdings"])
    context |= {
        "strategy": strategy,
        "version": version,
        "crumbs": [
            {"label": "Strategies", "href": reverse("strategies")},
            {"label": strategy.name, "href": reverse("strategy_detail", args=[strategy.pk])},
        ],
    }
    status = 422 if context["preview_error"] else 200
    part = "_holdings_now" if wants_fragment(request) else "version_preview"
    return render(request, f"trading/{part}.html", context, status=status)


def preview_context(
    request: HttpRequest,
    asked: Any,
    *,
    strategy_key: str,
    parameters: Any,
    limits: Any,
    costs: Any,
    symbol: str,
) -> dict[str, Any]:
    """Compute the preview that was asked for, or say what is wrong with the asking."""
    portfolio = portfolio_of(request.user)
    symbols, capital = asked.get("symbols") or symbol, asked.get("capital") or DEFAULT_CAPITAL
    holdings: list[HoldingNow] = []
    fault, cash = "", None
    try:
        replay = portfolio.replay if portfolio else None
        cash = capital_read(capital)
        terms = PreviewTerms(
            capital=cash,
            limits=limits,
            costs=costs,
            timeframe=replay.timeframe if replay else "1d",
        )
        holdings = holdings_now(
            strategy_key=strategy_key,
            parameters=parameters,
            symbols=symbols_read(symbols),
            terms=terms,
            portfolio=portfolio,
        )
    except DomainError as error:
        fault = error.message
    return {
        "holdings": holdings,
        "preview_error": fault,
        "preview_symbols": symbols,
        "preview_capital": capital,
        "preview_cash": cash,
    }


def preview_part(request: HttpRequest, form: Form, preview: dict[str, Any]) -> HttpResponse:
    """Answer a form that changed with its preview, or with what is wrong in it."""
    faults = [f"{form[name].label if name in form.fields else 'Parameters'}: {texts[0]}"
              for name, texts in form.errors.items()]  # fmt: skip
    context = preview or {"preview_error": "; ".join(faults)}
    status = 422 if context["preview_error"] else 200
    return render(request, "trading/_holdings_now.html", context, status=status)


def tracking_figure(tracking: Tracking | None, *, currency: str) -> dict[str, Any] | None:
    """Payload of the tracking chart and its sentence; None while there is nothing to draw."""
    if tracking is None:
        return None
    n = tracking.closed_at.shape[0]
    step = -(-n // MOST_POINTS)
    kept = sorted({*range(0, n, step), n - 1})
    dates = [
        str(tracking.closed_at[i].astype("datetime64[ns]").astype("datetime64[D]")) for i in kept
    ]
    payload: dict[str, Any] = {
        "currency": currency,
        "series": [
            _series("strategy", "Own book", tracking.live, kept, dates),
            _series("benchmark", "Same bars in the backtest", tracking.expected, kept, dates),
        ],
    }
    if tracking.band is not None:
        capital = float(tracking.live[0])
        payload["band"] = [
            [date, *_edges(tracking, capital, i)] for i, date in zip(kept, dates, strict=True)
        ]
        payload["band_name"] = "Band"
    return {"payload": payload, "summary": _tracking_sentence(tracking)}


def _series(role: str, name: str, values: Any, kept: list[int], dates: list[str]) -> dict[str, Any]:
    points = [[date, round(float(values[i]), 2)] for i, date in zip(kept, dates, strict=True)]
    return {"role": role, "name": name, "points": points}


def _edges(tracking: Tracking, capital: float, i: int) -> tuple[float, float]:
    band = tracking.band
    if band is None or i == 0:
        return capital, capital
    return round(capital * float(band.low[i - 1]), 2), round(capital * float(band.high[i - 1]), 2)


def _tracking_sentence(tracking: Tracking) -> str:
    live, expected = (
        formatting.signed_percent(value, 1)
        for value in (tracking.live_return, tracking.expected_return)
    )
    return f"{tracking.n_bars} bars since the start: own book {live}, the same rule {expected}."


def symbol_of(strategy: Any) -> str:
    """Return what a strategy trades, the usual instrument where it runs nowhere."""
    now = deployment_now(strategy)
    return now.symbol if now else "SPX"
