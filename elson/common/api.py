"""Conventions of the REST doors: strict JSON in, problem+json out, cursor pages."""

from __future__ import annotations

import json
from typing import IO, Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, pagination, parsers
from rest_framework.response import Response

from elson.common.errors import DomainError

MAX_DEPTH = 32


class StrictJSONParser(parsers.JSONParser):
    """JSON without duplicate keys, NaN, Infinity or endless nesting."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: dict[str, Any] | None = None,
    ) -> Any:
        """Parse the body or raise ParseError saying what is wrong with it."""
        try:
            text = stream.read().decode("utf-8")
            parsed = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        except (UnicodeDecodeError, ValueError, RecursionError) as error:
            raise exceptions.ParseError(f"The body is not valid JSON: {error}.") from error
        if _depth(parsed) > MAX_DEPTH:
            raise exceptions.ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")
        return parsed


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = next(key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1)
        raise ValueError(f"the key {repeated!r} appears twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _depth(value: Any, level: int = 1) -> int:
    if level > MAX_DEPTH or not isinstance(value, dict | list) or not value:
        return level
    items = value.values() if isinstance(value, dict) else value
    return max(_depth(item, level + 1) for item in items)


class CursorPagination(pagination.CursorPagination):
    """Newest first; `page_size` up to 500."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"
    ordering = "-id"


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer any expected error as RFC 9457 problem+json; leave bugs to Django."""
    request_id = getattr(getattr(context.get("request"), "_request", None), "request_id", "")
    if isinstance(error, DomainError):
        return _problem(error.status, error.code, error.title, error.message, request_id,
                        field=error.field, **error.data)  # fmt: skip
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    field, detail = _first_fault(error.detail)
    status = 422 if isinstance(error, exceptions.ValidationError) else error.status_code
    code = "INVALID" if status == 422 else str(error.default_code).upper()
    extra = {"errors": error.detail} if isinstance(error, exceptions.ValidationError) else {}
    response = _problem(status, code, error.default_detail, detail, request_id, field=field, **extra)
    if getattr(error, "wait", None):
        response["Retry-After"] = str(int(error.wait) + 1)  # type: ignore[attr-defined]
    if getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]
    return response


def _first_fault(detail: Any, field: str | None = None) -> tuple[str | None, str]:
    if isinstance(detail, dict) and detail:
        name = next(iter(detail))
        return _first_fault(detail[name], field=name if name != "non_field_errors" else field)
    if isinstance(detail, list) and detail:
        return _first_fault(detail[0], field=field)
    return field, str(detail)


def _problem(
    status: int, code: str, title: object, detail: str, request_id: str, **extra: Any
) -> Response:
    body = {"code": code, "title": str(title), "detail": detail, "status": status,
            "request_id": request_id}  # fmt: skip
    body.update({key: value for key, value in extra.items() if value is not None})
    return Response(body, status=status, content_type="application/problem+json")
