"""Answers probes before sessions, people and pages are touched: those may be what is broken."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from monitoring.checks import Verdict, readiness_check
from monitoring.views import probes

_EARLY: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/livez": probes.livez,
    "/startupz": probes.startupz,
    "/status/": probes.status,
    "/status.json": probes.status_json,
}


class ProbeMiddleware:
    """Stands above the session; whatever Host a load balancer sends, a probe is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a probe at once, pass on everything else."""
        if request.method in ("GET", "HEAD"):
            early = _EARLY.get(request.path_info)
            if early:
                return early(request)
            if request.path_info == "/readyz":
                return self._readyz(request)
        return self.get_response(request)

    def _readyz(self, request: HttpRequest) -> HttpResponse:
        """Only a healthy database and a cookie are worth asking who it is."""
        readiness = readiness_check(now=timezone.now())  # noqa: TID251 - a door
        request.readiness = readiness  # type: ignore[attr-defined]
        if readiness.verdict is not Verdict.DOWN and probes.is_details_possible(request):
            return self.get_response(request)
        return probes.readyz(request)
