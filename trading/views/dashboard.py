"""The first page: what the money does, whether anything is wrong, what the strategies did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from marketdata.services import replay_touch
from trading.selectors.activity import activity_list
from trading.selectors.equity import equity_curve
from trading.selectors.portfolios import portfolio_get, portfolio_value, position_rows
from trading.selectors.prices import regimes_now
from trading.selectors.strategies import decision_latest, deployment_rows
from trading.views.figures import equity_figure

N_POSITIONS = 8
N_RECENT = 10
RANGES = (("1M", 31), ("3M", 92), ("1Y", 365), ("All", 0))

# Blocks that refresh on their own: what each shows, and the template that shows it.
Part = tuple[str, Callable[[Any], dict[str, Any]]]
PARTS: dict[str, Part] = {
    "attention": ("trading/_attention.html", lambda p: {"attention": attention_list(p)}),
    "running": ("trading/_running.html", lambda p: {"deployments": deployment_rows(p)}),
    "positions": (
        "trading/_top_positions.html",
        lambda p: {"positions": position_rows(p)[:N_POSITIONS]},
    ),
    "recent": ("trading/_recent.html", lambda p: {"recent": activity_list(p)[:N_RECENT]}),
    "regimes": ("trading/_regimes_now.html", lambda p: {"regimes": regimes_now(p)}),
    "why": ("trading/_why.html", lambda p: {"why": decision_latest(p)}),
}


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show the whole page, or one of its blocks with `?part=`."""
    portfolio = portfolio_get(request.user)
    part = PARTS.get(request.GET.get("part", ""))
    if part:
        template, context_of = part
        return render(request, template, context_of(portfolio))
    if portfolio.replay:
        # Coming back resumes a replay that was paused because nobody watched.
        replay_touch(session=portfolio.replay, now=timezone.now())
    context: dict[str, Any] = {
        "portfolio": portfolio,
        "summary": portfolio_value(portfolio),
        "figure": equity_figure(equity_curve(portfolio, since=_since(request, portfolio))),
        "ranges": _range_links(request),
    }
    for _, context_of in PARTS.values():
        context |= context_of(portfolio)
    return render(request, "trading/dashboard.html", context)


def attention_list(portfolio: Any) -> list[dict[str, str]]:
    """Return what needs a look: strategies in error, a replay that stands still."""
    found = [
        {
            "tone": "crit",
            "title": f"{row.name} stopped with an error.",
            "text": row.error,
            "href": reverse("strategy_detail", args=[row.strategy_id]),
            "link": "Open it",
        }
        for row in deployment_rows(portfolio)
        if row.status == "ERROR"
    ]
    replay = portfolio.replay
    if replay and replay.state == "PAUSED":
        found.append(
            {
                "tone": "info",
                "title": "The replay is paused.",
                "text": "Nothing moves and nothing is decided until it goes on.",
                "action": reverse("replay_action", args=["resume"]),
                "link": "Go on",
            }
        )
    if replay and replay.state == "ENDED":
        found.append(
            {
                "tone": "info",
                "title": "The replay has reached the end of its data.",
                "text": "Your portfolio keeps its last prices. Start again from the first bar?",
                "action": reverse("replay_action", args=["restart"]),
                "link": "Start again",
            }
        )
    return found


def _since(request: HttpRequest, portfolio: Any) -> dt.datetime | None:
    days = dict(RANGES).get(request.GET.get("range", "All"), 0)
    if not days or not portfolio.processed_at:
        return None
    since: dt.datetime = portfolio.processed_at - dt.timedelta(days=days)
    return since


def _range_links(request: HttpRequest) -> list[dict[str, Any]]:
    here = request.GET.get("range", "All")
    return [
        {"label": name, "href": f"?range={name}", "current": name == here} for name, _ in RANGES
    ]
