"""What every request gets: an id in logs and answers, and domain errors as pages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from elson.common.errors import DomainError

_REQUEST_ID = re.compile(r"^[A-Za-z0-9-]{8,64}$")
logger = structlog.get_logger(__name__)


class RequestIdMiddleware:
    """Take or make a request id, bind it to the logs, answer it as X-Request-ID."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Bind, pass on, unbind."""
        offered = request.headers.get("X-Request-ID", "")
        request_id = offered if _REQUEST_ID.match(offered) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response


class DomainErrorMiddleware:
    """Turn a DomainError raised by a page into a page with its sentence and request id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; Django calls process_exception when the view raised."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a DomainError; leave every other exception to Django."""
        if not isinstance(error, DomainError):
            return None
        logger.info("refused", code=error.code, detail=error.message, path=request.path)
        template = "components/_error_block.html" if _is_fragment(request) else "errors/refused.html"
        return render(request, template, {"error": error}, status=error.status)


def _is_fragment(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False)) and not getattr(request.htmx, "boosted", False)  # type: ignore[attr-defined]
