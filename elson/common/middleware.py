"""What every request gets: an id in logs and answers, and errors as pages or problem+json."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from redis.exceptions import RedisError

from elson.common.api import PROBLEM_TYPE, BadRequest, problem_response
from elson.common.errors import DomainError, Unavailable
from elson.common.schema import is_schema_old

_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_QUIET = ("/static/", "/livez", "/readyz", "/startupz", "/metrics")
_API = "/api/"
_WORDS = {
    400: ("BAD_REQUEST", "Malformed request", "The request is malformed."),
    403: ("FORBIDDEN", "Not allowed", "This is not allowed to you."),
    404: ("NOT_FOUND", "Not found", "There is nothing at this address."),
    405: ("METHOD_NOT_ALLOWED", "Method not allowed", "This address does not take that method."),
    500: ("INTERNAL", "Something broke on our side", "The error was recorded."),
}
logger = structlog.get_logger(__name__)


class RequestIdMiddleware:
    """Take or make a request id, bind it to the logs, answer it as X-Request-ID, log the end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Bind, pass on, unbind."""
        offered = request.headers.get("X-Request-ID", "")
        request_id = offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            if not request.path_info.startswith(_QUIET):
                logger.info(
                    "request",
                    method=request.method,
                    path=request.path_info,
                    status=response.status_code,
                    milliseconds=round(1000 * (time.monotonic() - started), 1),
                )
        response["X-Request-ID"] = request_id
        return response


class ApiErrorMiddleware:
    """Under /api/ every error is problem+json, also those no view has seen."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Replace Django's error page by a problem; keep its headers."""
        response = self.get_response(request)
        is_api = request.path_info.startswith(_API)
        if not is_api or response.status_code < 400 or _is_problem(response):
            return response
        fallback = ("ERROR", "The request failed", "The request failed.")
        code, title, detail = _WORDS.get(response.status_code, fallback)
        problem = problem_response(
            request, status=response.status_code, code=code, title=title, detail=detail
        )
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if response.has_header(name):
                problem[name] = response[name]
        return problem


class NulMiddleware:
    """Refuse a NUL in a query: nobody types one, and PostgreSQL compares no such text.

    One in a path names nothing, one in a form stands at its field: their views say so.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 400, or pass on."""
        pairs = request.GET.lists()
        if any("\0" in text for name, values in pairs for text in (name, *values)):
            words = "The query holds a NUL character, which no text has."
            return refusal_response(request, BadRequest("NUL_CHARACTER", words))
        return self.get_response(request)


class DomainErrorMiddleware:
    """Turn a DomainError raised by a page into a page with its sentence and request id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; Django calls process_exception when the view raised."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a DomainError or an absent part; leave every other exception to Django."""
        refusal = refusal_of(error)
        if refusal is None:
            return None
        logger.info("refused", code=refusal.code, detail=refusal.message, path=request.path)
        return refusal_response(request, refusal)


def refusal_response(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    """Answer a refusal as a problem under /api/, else as a page or a part of one."""
    if request.path_info.startswith(_API):
        response = problem_response(
            request, status=refusal.status, code=refusal.code, title=refusal.title,
            detail=refusal.message, field=refusal.field,
        )  # fmt: skip
    else:
        response = _page(request, refusal)
    if refusal.status in (429, 503):
        response["Retry-After"] = str(refusal.data.get("retry_after_seconds", 5))
    return response


def _page(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    if _is_fragment(request):
        page = "components/_error_block.html"
        return HttpResponse(render_to_string(page, {"error": refusal}), status=refusal.status)
    if refusal.status == 503:  # who is signed in cannot be asked now
        request_id = getattr(request, "request_id", "")
        told = {"error": refusal, "path": request.path, "request_id": request_id}
        return HttpResponse(render_to_string("errors/503.html", told), status=503)
    return render(request, "errors/refused.html", {"error": refusal}, status=refusal.status)


def refusal_of(error: BaseException | None) -> DomainError | None:
    """Say what a page can do nothing about: a part that is away is not a bug of the page."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, RedisError):
        logger.warning("redis_away", error=str(error))
        return Unavailable(
            "REDIS_AWAY", "A part this page needs does not answer. Try again in a few seconds."
        )
    if is_schema_old(error):
        logger.error("migrations_missing", error=str(error).strip())
        return Unavailable(
            "MIGRATIONS_MISSING",
            "The database lacks a table or column that this version of Elson needs. "
            "Who runs Elson brings it up to date with: manage.py migrate.",
            retry_after_seconds=60,
        )
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database_away", error=str(error).strip())
        return Unavailable(
            "DATABASE_AWAY", "The database does not answer. Try again in a few seconds."
        )
    return None


def _is_problem(response: HttpResponse) -> bool:
    return response.get("Content-Type", "").startswith(PROBLEM_TYPE)


def _is_fragment(request: HttpRequest) -> bool:
    htmx = getattr(request, "htmx", None)
    return bool(htmx) and not getattr(htmx, "boosted", False)
