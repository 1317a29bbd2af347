"""Public pages, the phone menu, error pages."""

from __future__ import annotations

import json

import structlog
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

logger = structlog.get_logger(__name__)
MAX_REPORT_BYTES = 16_384


def landing(request: HttpRequest) -> HttpResponse:
    """Say what Elson is and start a paper portfolio."""
    return render(request, "landing.html")


@login_required
def more(request: HttpRequest) -> HttpResponse:
    """Show the rest of the menu on a phone."""
    return render(request, "more.html")


def guide_list(request: HttpRequest) -> HttpResponse:
    """List the guides."""
    return render(request, "docs/list.html")


def guide(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one guide."""
    return render(request, "docs/page.html", {"slug": slug})


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


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 without touching the database."""
    return render(request, "errors/500.html", status=500)
