"""Public pages, the phone menu, guides, error pages."""

from __future__ import annotations

import json
import sys

import structlog
from allauth.core.internal.ratelimit import get_rates
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import MemberRequest
from accounts.services import checklist_step_finish
from elson import guides, kernels, showcase
from elson.checklist import step_url
from elson.common import formatting
from elson.common.middleware import refusal_of, refusal_response
from elson.middleware import preparing_context
from elson.search import LONGEST, found_by

logger = structlog.get_logger(__name__)
MAX_REPORT_BYTES = 16_384
# Which of allauth's limits guards which address.
RATE_ACTIONS = {
    "account_login": "login",
    "account_signup": "signup",
    "account_reset_password": "reset_password",
    "account_reset_password_from_key": "reset_password_from_key",
    "account_change_password": "change_password",
    "account_set_password": "change_password",
    "account_email": "manage_email",
    "account_reauthenticate": "reauthenticate",
}


@require_GET
def preparing(request: HttpRequest) -> HttpResponse:
    """Say how far the compiling is; once nothing is waited for, let the page load again."""
    kernels.compiling_ensure()
    response = render(request, "errors/_preparing_progress.html", preparing_context())
    if not kernels.is_waited_for():
        response["HX-Refresh"] = "true"
    return response


@require_GET
def landing(request: HttpRequest) -> HttpResponse:
    """Say what Elson is and start a paper portfolio."""
    return render(request, "landing.html", showcase.landing_context())


@login_required
def more(request: HttpRequest) -> HttpResponse:
    """Show the rest of the menu on a phone."""
    return render(request, "more.html")


@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Find symbols, strategies, runs and guides by a few words."""
    text = request.GET.get("q", "")[:LONGEST]
    return render(request, "search.html", {"text": text, "groups": found_by(request.user, text)})


@require_GET
def guide_list(request: HttpRequest) -> HttpResponse:
    """List the guides."""
    return render(request, "docs/list.html", {"guides": guides.document_list("guides")})


@require_GET
def guide(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one guide."""
    found = guides.document_get("guides", slug)
    if found is None:
        raise Http404(f"no guide {slug}")
    return render(
        request, "docs/page.html", {"guide": found, "guides": guides.document_list("guides")}
    )


@require_GET
def legal(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one legal text."""
    found = guides.document_get("legal", slug)
    if found is None:
        raise Http404(f"no legal text {slug}")
    return render(
        request, "legal/page.html", {"text": found, "texts": guides.document_list("legal")}
    )


@login_required
@require_POST
def checklist_step(request: MemberRequest, step: str) -> HttpResponse:
    """Tick a step of the checklist and go where it leads."""
    url = step_url(step)
    if url is None:
        raise Http404(f"no step {step}")
    if step in {"watch", "why", "honesty"}:  # the others are ticked by what was done
        checklist_step_finish(user=request.user, step=step)
    return redirect(url)


@csrf_exempt
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Log what the Content-Security-Policy blocked in somebody's browser."""
    try:
        report = json.loads(request.body[:MAX_REPORT_BYTES])
    except ValueError:
        return HttpResponse(status=400)
    logger.warning("csp_report", report=report)
    return HttpResponse(status=204)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Explain a form that was open too long."""
    return render(request, "errors/csrf.html", {"reason": reason}, status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    return render(request, "errors/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    return render(request, "errors/403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return render(request, "errors/404.html", status=404)


def too_many(request: HttpRequest) -> HttpResponse:
    """Answer 429 with how long to wait at most, from the limits themselves."""
    seconds = int(_longest_wait(request))
    response = render(request, "429.html", {"wait": _in_words(seconds)}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 where a part is away, else 500; touch the database for neither."""
    # Who is signed in is read above the middleware that answers for the views.
    refusal = refusal_of(sys.exc_info()[1])
    if refusal and refusal.status == 503:
        return refusal_response(request, refusal)
    return render(request, "errors/500.html", status=500)


def _longest_wait(request: HttpRequest) -> float:
    try:
        name = resolve(request.path).url_name
    except Resolver404:
        name = None
    action = RATE_ACTIONS.get(name or "")
    rates = get_rates(app="allauth.account", action=action) if action else []
    return max((rate.duration for rate in rates), default=60)


def _in_words(seconds: int) -> str:
    """Return 'a minute', '5 minutes' or 'an hour'."""
    if seconds <= 60:
        return "a minute"
    if seconds < 3_600:
        return f"{formatting.number(seconds / 60, 0)} minutes"
    return "an hour" if seconds == 3_600 else f"{formatting.number(seconds / 3_600, 0)} hours"
