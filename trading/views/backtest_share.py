"""Sharing a result by a link, and what a reader of the link sees."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import MemberRequest
from trading.selectors.backtests import backtest_get
from trading.selectors.shares import share_open, shared_backtest
from trading.selectors.strategies import rule_name
from trading.services.backtests.sharing import share_create, share_revoke
from trading.views.backtest_context import parameter_rows, result_context
from trading.views.backtest_overview import verdict_rows

# A link is not for search engines, not for caches, and not for the pages it leads on to.
PRIVATE_HEADERS = {
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


@login_required
@require_http_methods(["GET", "POST"])
def backtest_share(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Show the run's link and what it tells; make it or take it back."""
    row = backtest_get(user_id=request.user.pk, backtest_id=backtest_id)
    if request.method == "POST":
        if request.POST.get("action") == "revoke":
            share_revoke(backtest=row, now=timezone.now())
            messages.success(request, "The link is taken back; it leads nowhere now.")
        else:
            share_create(backtest=row, now=timezone.now())
        return redirect("backtest_share", row.pk)
    share = share_open(row)
    context = {
        "backtest": row,
        "share": share,
        "href": share_href(share.token) if share else "",
        "strategy": rule_name(row.strategy_key),
        "is_done": row.status == "SUCCEEDED",
        "crumbs": [
            {"label": "Backtests", "href": reverse("backtests")},
            {"label": f"#{row.pk}", "href": reverse("backtest", args=[row.pk])},
        ],
    }
    return render(request, "trading/backtest_share.html", context)


@require_GET
def backtest_shared(request: HttpRequest, token: str) -> HttpResponse:
    """Show a result to whoever has its link: the run and its verdict, nothing of its owner."""
    row = shared_backtest(token)
    context = {
        "backtest": row,
        "strategy": rule_name(row.strategy_key),
        "is_shared": True,
        "parameters": parameter_rows(row),
        **result_context(row, "overview"),
        "verdict_rows": verdict_rows(row, whose="of the author"),
    }
    response = render(request, "trading/backtest_shared.html", context)
    for name, value in PRIVATE_HEADERS.items():
        response.headers[name] = value
    return response


def share_href(token: str) -> str:
    """Return the whole address of a link."""
    return f"{settings.PUBLIC_URL}{reverse('backtest_shared', args=[token])}"
