"""Strategies: what runs, what could."""

from __future__ import annotations

import datetime as dt
from operator import itemgetter
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from elson.common.listing import csv_response, wants_fragment
from trading.selectors.gallery import gallery_rows
from trading.selectors.own_books import Book, books_of
from trading.selectors.portfolios import market_time, portfolio_get
from trading.selectors.strategies import (
    DeploymentRow,
    DraftRow,
    deployment_rows,
    draft_rows,
    stopped_rows,
)
from trading.services.quotas import running_quota

ARCHIVED = "ARCHIVED"
STATES = (
    ("", "All"),
    ("RUNNING", "Running"),
    ("PAUSED", "Paused"),
    ("HALTED", "Halted"),
    ("STOPPED", "Stopped"),
    ("ERROR", "Error"),
    ("DRAFT", "Draft"),
    (ARCHIVED, "Archived"),
)
COLUMNS = (
    "name",
    "rule",
    "version",
    "state",
    "symbol",
    "regime",
    "exposure",
    "result",
    "return_30_days",
    "max_drawdown",
    "last_decision_at",
    "last_decision",
    "mode",
    "timeframe",
    "last_decision_age_days",
)


@login_required
def strategies(request: HttpRequest) -> HttpResponse:
    """My strategies at work, put away or never run, and the rules there are; `?format=csv`."""
    portfolio = portfolio_get(request.user)
    state = request.GET.get("state", "")
    is_archived = state == ARCHIVED
    stopped = stopped_rows(portfolio, is_archived=is_archived)
    found = stopped if is_archived else [*deployment_rows(portfolio), *stopped]
    rows = [row for row in found if state in ("", ARCHIVED, row.shown_status)]
    drafts = draft_rows(request.user, is_archived=is_archived)
    if state not in ("", ARCHIVED, "DRAFT"):
        drafts = []
    pairs = books_of(portfolio, rows, order=request.GET.get("sort", ""))
    market_at = market_time(portfolio)
    if request.GET.get("format") == "csv":
        lines = [
            *(_line(*pair, market_at) for pair in pairs),
            *(_draft_line(row) for row in drafts),
        ]
        columns = [(name, itemgetter(name)) for name in COLUMNS]
        return csv_response("strategies.csv", columns, lines)
    context: dict[str, Any] = {
        "deployments": [(row, book, _age(row, market_at)) for row, book in pairs],
        "state": state,
        "states": STATES,
        "is_archived": is_archived,
        "drafts": drafts,
    }
    if wants_fragment(request):
        return render(request, "trading/_strategies_table.html", context)
    context["gallery"] = gallery_rows(request.user)
    context["quota"] = running_quota(user=request.user, now=timezone.now())
    return render(request, "trading/strategies.html", context)


def _age(row: DeploymentRow, market_at: dt.datetime | None) -> dt.timedelta | None:
    """How long ago on the market's clock it decided last."""
    return market_at - row.decision_at if market_at and row.decision_at else None


def _line(row: DeploymentRow, book: Book, market_at: dt.datetime | None) -> dict[str, Any]:
    age = _age(row, market_at)
    return {
        "name": row.name,
        "rule": row.rule,
        "version": row.version,
        "mode": "PAPER",
        "state": row.shown_status,
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "regime": row.regime,
        "exposure": book.exposure,
        "result": row.pnl,
        "return_30_days": book.return_month,
        "max_drawdown": book.max_drawdown,
        "last_decision_at": row.decision_at.isoformat() if row.decision_at else None,
        "last_decision_age_days": None if age is None else round(age.total_seconds() / 86_400, 3),
        "last_decision": row.decision_reason,
    }


def _draft_line(row: DraftRow) -> dict[str, Any]:
    told = {"name": row.name, "rule": row.rule, "version": row.version, "state": "DRAFT"}
    return dict.fromkeys(COLUMNS) | told
