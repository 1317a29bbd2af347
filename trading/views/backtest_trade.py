"""One trade of a finished backtest: what it did, and why, told when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.requests import MemberRequest
from elson.common.errors import NotFound
from elson.common.listing import wants_fragment
from marketdata.selectors import instant
from trading.engine.explanation import Decision
from trading.selectors.backtests import backtest_get
from trading.selectors.decision_views import told_view
from trading.selectors.strategies import rule_name
from trading.services.backtests.explaining import ExplainingBusy, TradeUnexplained, trade_explain
from trading.views.backtest_trades import trade_rows
from trading.views.backtest_words import exit_words

WHY = "why"


@login_required
@require_GET
def backtest_trade(request: MemberRequest, backtest_id: int, number: int) -> HttpResponse:
    """Show one trade; `?part=why` tells its decisions, alone for htmx and in the page without it.

    The rule is gone through again up to the trade for that, so the page itself does not wait.
    """
    row = backtest_get(user_id=request.user.pk, backtest_id=backtest_id)
    trips = trade_rows(row.result.round_trips, sort="number") if hasattr(row, "result") else []
    trip = next((one for one in trips if one["number"] == number), None)
    if trip is None:
        raise NotFound("trade", f"{number} of backtest #{backtest_id}")
    context: dict[str, Any] = {"backtest": row, "trip": trip}
    tells = request.GET.get("part") == WHY
    if tells:
        context |= _told(row, trip)
    if tells and wants_fragment(request):
        return render(request, "trading/_backtest_trade_why.html", context)
    context |= {
        "tells": tells,
        "symbol": trip.get("symbol") or row.instrument.symbol,
        "strategy": rule_name(row.strategy_key),
        "earlier": _beside(row.pk, trips, number - 1),
        "later": _beside(row.pk, trips, number + 1),
        "crumbs": [
            {"label": "Backtests", "href": reverse("backtests")},
            {"label": f"#{row.pk}", "href": reverse("backtest", args=[row.pk])},
            {"label": "Trades", "href": f"{reverse('backtest', args=[row.pk])}?tab=trades"},
        ],
    }
    return render(request, "trading/backtest_trade.html", context)


def _told(row: Any, trip: dict[str, Any]) -> dict[str, Any]:
    """Return the decisions of a trade as the page shows them, or why there are none."""
    try:
        found = trade_explain(backtest=row, number=trip["number"])
    except (TradeUnexplained, ExplainingBusy) as error:
        return {"fault": error.message}
    ends = [("entry", "Why it was entered", found.entry)]
    if found.exit is not None:
        ends.append(("exit", _exit_title(trip, found.exit), found.exit))
    return {"ends": [_end(*end) for end in ends]}


def _exit_title(trip: dict[str, Any], made: Decision) -> str:
    """Name the last decision: the exit itself, or the last one before an order that rested."""
    if made.target_quantity == 0.0:
        return "Why it was left"
    return f"The last close before it was left by {exit_words(trip['exit_reason']).lower()}"


def _end(key: str, title: str, made: Decision) -> dict[str, Any]:
    day = instant(made.decided_at).date()
    return {
        "key": key,
        "title": title,
        "made": made,
        "day": day.isoformat(),
        "view": told_view(made),
    }


def _beside(backtest_id: int, trips: Sequence[dict[str, Any]], number: int) -> str:
    """Return the address of another trade, "" where there is none."""
    if not any(trip["number"] == number for trip in trips):
        return ""
    return reverse("backtest_trade", args=[backtest_id, number])
