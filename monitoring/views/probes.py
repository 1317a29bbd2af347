"""Probes for machines, a status page for people, numbers for Prometheus."""

from __future__ import annotations

import hmac
import ipaddress
import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import get_resolver
from django.utils import timezone
from django_prometheus.exports import ExportToDjangoView

from elson.common.api import isoformat_utc
from monitoring.checks import Readiness, Verdict, readiness_check
from monitoring.selectors import incident_open_list, incident_recent_list

_STATUS_SECONDS = 15.0
_WORDS = {
    Verdict.OK: "Everything works.",
    Verdict.DEGRADED: "Elson works, but not every part of it.",
    Verdict.DOWN: "Elson does not work at the moment.",
}
_started: dict[str, bool] = {}
_status: dict[str, tuple[float, dict[str, Any]]] = {}


def livez(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; depends on nothing."""
    return _machine(JsonResponse({"status": "alive"}))


def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether requests may come: 503 without the database, else 200 with what is degraded."""
    readiness = getattr(request, "readiness", None) or readiness_check(now=timezone.now())
    return _machine(_answer(readiness, with_details=_may_see_details(request, readiness)))


def startupz(request: HttpRequest) -> HttpResponse:
    """Say 200 once the tables are there and every view is loaded; stays so for this process."""
    if not _started.get("done"):
        readiness = readiness_check(now=timezone.now())
        if readiness.verdict is Verdict.DOWN:
            return _machine(_answer(readiness, with_details=_is_local(request)))
        _ = get_resolver().url_patterns
        _started["done"] = True
    return _machine(JsonResponse({"status": "started"}))


def metrics(request: HttpRequest) -> HttpResponse:
    """Give Prometheus its numbers: to this machine, or to who holds the token."""
    if not (_is_local(request) or _has_metrics_token(request)):
        answer = HttpResponse("This page needs a token.\n", status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return answer
    return ExportToDjangoView(request)


def status(request: HttpRequest) -> HttpResponse:
    """Show people what works; stands without session, Redis and database."""
    page = render_to_string("monitoring/status.html", _status_read())
    answer = HttpResponse(page)
    answer["Cache-Control"] = "public, max-age=15"
    return answer


def status_json(request: HttpRequest) -> HttpResponse:
    """Give the status page to machines."""
    found = _status_read()
    answer = JsonResponse(
        {
            "status": found["verdict"].value,
            "checked_at": isoformat_utc(found["checked_at"]),
            "components": [
                {"key": part["key"], "name": part["name"], "state": part["state"].upper()}
                for part in found["parts"]
            ],
            "incidents": [
                {
                    "title": incident.title,
                    "state": incident.state,
                    "opened_at": isoformat_utc(incident.opened_at),
                    "resolved_at": isoformat_utc(incident.resolved_at),
                }
                for incident in [*found["open"], *found["resolved"]]
            ],
        }
    )
    answer["Cache-Control"] = "public, max-age=15"
    return answer


def is_details_possible(request: HttpRequest) -> bool:
    """Tell whether somebody who may be staff asks: then the session is worth reading."""
    return settings.SESSION_COOKIE_NAME in request.COOKIES


def _status_read() -> dict[str, Any]:
    cached = _status.get("page")
    if cached and time.monotonic() - cached[0] < _STATUS_SECONDS:
        return cached[1]
    now = timezone.now()
    readiness = readiness_check(now=now)
    before = cached[1] if cached else {"open": [], "resolved": []}
    found = {
        "verdict": readiness.verdict,
        "sentence": _WORDS[readiness.verdict],
        "checked_at": now,
        "parts": _parts(readiness),
        **_incidents(readiness, before, now),
    }
    _status["page"] = (time.monotonic(), found)
    return found


def _incidents(readiness: Readiness, before: dict[str, Any], now: Any) -> dict[str, Any]:
    """Read the incidents, or keep those of before while the database is away."""
    kept = {"open": before["open"], "resolved": before["resolved"]}
    if not readiness.finding("database").is_ok:
        return kept
    try:
        return {"open": incident_open_list(), "resolved": incident_recent_list(now=now)}
    except DatabaseError:  # it went between the check and here; the next look says so
        return kept


def _parts(readiness: Readiness) -> list[dict[str, Any]]:
    parts = [{"key": "web", "name": "Pages and API", "state": "Operational", "is_ok": True}]
    for finding in readiness.findings:
        if finding.key == "migrations" and finding.is_ok:
            continue
        state = "Operational" if finding.is_ok else "Outage"
        parts.append(
            {"key": finding.key, "name": finding.title, "state": state, "is_ok": finding.is_ok}
        )
    return parts


def _answer(readiness: Readiness, *, with_details: bool) -> JsonResponse:
    verdict = readiness.verdict
    body: dict[str, Any] = {
        "status": {"OK": "ready", "DEGRADED": "degraded", "DOWN": "unready"}[verdict.value],
        "failing": [finding.key for finding in readiness.findings if not finding.is_ok],
    }
    if with_details:
        body["checks"] = [
            {
                "key": finding.key,
                "is_ok": finding.is_ok,
                "is_critical": finding.is_critical,
                "detail": finding.detail,
                "seconds": round(finding.seconds, 4),
            }
            for finding in readiness.findings
        ]
    return JsonResponse(body, status=503 if verdict is Verdict.DOWN else 200)


def _machine(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    if answer.status_code == 503:
        answer["Retry-After"] = "5"
    return answer


def _may_see_details(request: HttpRequest, readiness: Readiness) -> bool:
    if _is_local(request):
        return True
    if not is_details_possible(request) or not readiness.finding("database").is_ok:
        return False
    user = getattr(request, "user", None)
    return bool(user and user.is_staff)


def _is_local(request: HttpRequest) -> bool:
    """Tell whether the caller is on this machine, not merely a proxy in front of strangers."""
    if any(name in request.META for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_metrics_token(request: HttpRequest) -> bool:
    wanted = settings.METRICS_TOKEN
    offered = request.headers.get("Authorization", "")
    return bool(wanted) and hmac.compare_digest(offered.encode(), f"Bearer {wanted}".encode())
