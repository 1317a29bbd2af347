"""The replay's buttons: pause, go on, faster or slower, start over."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from elson.common.errors import DomainError, NotFound
from elson.common.formatting import parse_whole
from marketdata.services import replay_pause, replay_resume, replay_set_speed
from trading.selectors.portfolios import portfolio_get
from trading.services.renewal import portfolio_renew

SPEEDS = (1, 10, 60, 120, 300, 600)


@login_required
def replay_page(request: HttpRequest) -> HttpResponse:
    """Show what is replayed, how fast, and starting over with what that means."""
    portfolio = portfolio_get(request.user)
    context = {"portfolio": portfolio, "replay": portfolio.replay, "speeds": SPEEDS}
    return render(request, "trading/replay.html", context)


@login_required
@require_POST
def replay_action(request: HttpRequest, action: str) -> HttpResponse:
    """Carry out one button and go back to the page it was on."""
    portfolio = portfolio_get(request.user)
    replay, now = portfolio.replay, timezone.now()
    if replay is None:
        raise NotFound("replay", portfolio.name)
    if action == "pause":
        replay_pause(session=replay, now=now)
    elif action == "resume":
        replay_resume(session=replay, now=now)
    elif action == "speed":
        replay_set_speed(session=replay, speed=_speed(request), now=now)
    elif action == "restart":
        portfolio_renew(portfolio=portfolio, now=now)
        return redirect("dashboard")
    else:
        raise NotFound("action", action)
    return redirect(_back(request))


def _speed(request: HttpRequest) -> int:
    text = request.POST.get("speed", "")
    speed = parse_whole(text)
    if speed is None:
        raise DomainError(
            "INVALID_SPEED", f"speed {text[:20]!r} must be a whole number from 1 to 600",
            field="speed",
        )  # fmt: skip
    return speed


def _back(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    hosts = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(target, hosts, require_https=request.is_secure())
    return target if safe and target else "/dashboard/"
