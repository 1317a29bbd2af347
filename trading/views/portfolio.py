"""Holdings, activity and the books of a portfolio."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from elson.common.listing import columns_of, csv_response, page_of, wants_fragment
from trading.selectors.activity import ACTIVITY_KINDS, activity_list
from trading.selectors.books import ledger_listing
from trading.selectors.equity import drawdown_list, equity_curve, period_returns
from trading.selectors.ledger import ledger_balances, ledger_control
from trading.selectors.portfolios import portfolio_get, portfolio_value, position_rows
from trading.views.columns import market_time
from trading.views.figures import equity_figure

POSITION_COLUMNS = columns_of(
    "symbol", "side", "quantity", "avg_entry_price", "last_price", "market_value", "weight",
    "unrealized_pnl", "realized_pnl", "commission=commission_total",
)  # fmt: skip
LEDGER_COLUMNS = (
    market_time("time"),
    *columns_of(
        "entry=sequence", "kind", "description", "account=account_kind", "symbol", "debit",
        "credit", "balance=running_balance",
    ),
)  # fmt: skip
ACTIVITY_COLUMNS = (("time", lambda a: a.at.isoformat()), *columns_of("kind", "symbol", "text"))


@login_required
def portfolio_page(request: HttpRequest) -> HttpResponse:
    """Show what is held, what it is worth, how it got there."""
    portfolio = portfolio_get(request.user)
    rows = position_rows(portfolio)
    if request.GET.get("format") == "csv":
        return csv_response("positions.csv", POSITION_COLUMNS, rows)
    context = {"portfolio": portfolio, "summary": portfolio_value(portfolio), "positions": rows}
    if request.GET.get("part") == "holdings":
        return render(request, "trading/_holdings.html", context)
    curve = equity_curve(portfolio)
    context |= {
        "figure": equity_figure(curve),
        "periods": period_returns(curve),
        "drawdowns": drawdown_list(curve)[:5],
    }
    return render(request, "trading/portfolio.html", context)


@login_required
def ledger_page(request: HttpRequest) -> HttpResponse:
    """Show the books of one account of the portfolio, newest first; read-only."""
    portfolio = portfolio_get(request.user)
    kind = request.GET.get("account", "CASH")
    rows = ledger_listing(portfolio, kind=kind)
    if request.GET.get("format") == "csv":
        return csv_response("ledger.csv", LEDGER_COLUMNS, rows)
    context = {
        "portfolio": portfolio,
        "page": page_of(request, rows),
        "balances": ledger_balances(portfolio),
        "account": kind,
        "control": ledger_control(portfolio),
    }
    return render(request, "trading/ledger.html", context)


@login_required
def activity_page(request: HttpRequest) -> HttpResponse:
    """Orders, fills and decisions on one time line, newest first."""
    portfolio = portfolio_get(request.user)
    kind = request.GET.get("kind", "")
    rows = activity_list(portfolio, kind=kind)
    if request.GET.get("format") == "csv":
        return csv_response("activity.csv", ACTIVITY_COLUMNS, rows)
    context = {"page": page_of(request, rows), "kind": kind, "kinds": ACTIVITY_KINDS}
    part = "trading/_activity.html" if wants_fragment(request) else "trading/activity.html"
    return render(request, part, context)
