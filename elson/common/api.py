"""Conventions of the REST doors: strict JSON in, problem+json out."""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import authentication, exceptions, parsers, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from elson.common.errors import DomainError

MAX_DEPTH = 32
FLOAT_MAX = sys.float_info.max
PROBLEM_TYPE = "application/problem+json"
# What every table that stores the key has room for.
IDEMPOTENCY_KEY_MAX = 80
_PRINTABLE = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_CODES = {"parse_error": "BAD_JSON", "invalid": "INVALID", "error": "ERROR"}


class BadRequest(DomainError):
    """The request itself is malformed, whatever it asks for."""

    status = 400
    title = "Malformed request"


class UnknownField(BadRequest):
    """A field nobody reads: a mistyped one, or one that may not be set from outside."""

    def __init__(self, field: str, known: list[str]) -> None:
        shown = field[:80]
        super().__init__(
            "UNKNOWN_FIELD",
            f"There is no field {shown!r} here; the fields are {', '.join(sorted(known))}.",
            field=shown,
        )


class BodyTooLarge(DomainError):
    """More bytes than any honest request needs."""

    status = 413
    title = "Too large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            "TOO_LARGE", f"The body is larger than {limit // 1024} KB.", limit_bytes=limit
        )


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know instead of ignoring them."""

    def to_internal_value(self, data: Any) -> Any:
        """Validate; raise UnknownField for the first field that is not ours to set."""
        if isinstance(data, dict):
            known = [name for name, field in self.fields.items() if not field.read_only]
            for name in data:
                if name not in known:
                    raise UnknownField(str(name), known)
        return super().to_internal_value(data)


class SessionAuthentication(authentication.SessionAuthentication):
    """DRF's, but who is not signed in gets 401 instead of 403."""

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, which makes DRF answer 401."""
        return 'Session realm="elson"'


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes it."""

    target_class = SessionAuthentication
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Describe the session cookie."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class StrictJSONParser(parsers.JSONParser):
    """JSON without duplicate keys, NaN, Infinity or endless nesting."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Parse the body or raise ParseError saying what is wrong with it."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLarge(limit)
        try:
            text = raw.decode("utf-8")
            parsed = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
        except (UnicodeError, ValueError, RecursionError) as error:
            raise exceptions.ParseError(f"The body is not valid JSON: {error}.") from error
        _refuse_odd_values(parsed)
        return parsed


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        repeated = next(key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1)
        raise ValueError(f"the key {repeated[:80]!r} appears twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_odd_values(value: Any, level: int = 1) -> None:
    """Refuse deep nesting, numbers beyond a float, halves of surrogate pairs and NULs."""
    if level > MAX_DEPTH + 1:
        raise exceptions.ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for name, item in value.items():
            _refuse_odd_values(name, level + 1)
            _refuse_odd_values(item, level + 1)
    elif isinstance(value, list):
        for item in value:
            _refuse_odd_values(item, level + 1)
    elif isinstance(value, int | float) and not -FLOAT_MAX <= value <= FLOAT_MAX:
        raise exceptions.ParseError("The body is not valid JSON: a number is too large.")
    elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise exceptions.ParseError("The body is not valid JSON: half of a surrogate pair.")
    elif isinstance(value, str) and "\0" in value:
        raise exceptions.ParseError("The body holds a NUL character, which no text has.")


def idempotency_key_of(request: HttpRequest | Request) -> str:
    """Return the caller's Idempotency-Key; raise BadRequest when it is missing or unusable."""
    key = idempotency_key_given(request)
    if not key:
        raise BadRequest(
            "IDEMPOTENCY_KEY_MISSING",
            "This request needs an Idempotency-Key header, a new one for each thing you want done.",
            field="Idempotency-Key",
        )
    return key


def idempotency_key_given(request: HttpRequest | Request) -> str:
    """Return the caller's Idempotency-Key, "" without one; raise BadRequest when it is unusable."""
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > IDEMPOTENCY_KEY_MAX:
        raise BadRequest(
            "IDEMPOTENCY_KEY_TOO_LONG",
            f"The Idempotency-Key has {len(key)} characters; at most {IDEMPOTENCY_KEY_MAX} fit.",
            field="Idempotency-Key",
        )
    if key and not _PRINTABLE.fullmatch(key):
        raise BadRequest(
            "IDEMPOTENCY_KEY_INVALID",
            "The Idempotency-Key may hold printable ASCII characters only.",
            field="Idempotency-Key",
        )
    return key


def idempotency_header(description: str, *, required: bool) -> OpenApiParameter:
    """Describe the Idempotency-Key of one door in the OpenAPI document."""
    return OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        required=required,
        description=description,
    )


def isoformat_utc(moment: dt.datetime | None) -> str | None:
    """Write a moment as ISO 8601 in UTC with a Z; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def moment_of(text: str, name: str) -> dt.datetime:
    """Read an ISO 8601 time, UTC when it names no zone."""
    try:
        # A "+" of a zone arrives as a blank when the client did not escape it.
        moment = dt.datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        # The first and the last day of the calendar have hours that UTC cannot name.
        return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(
            "INVALID_TIME", f"{name} {text[:40]!r} is not an ISO 8601 time.", field=name
        ) from error


def problem_body(
    *, status: int, code: str, title: str, detail: str, request_id: str, **extra: Any
) -> dict[str, Any]:
    """Describe a refusal as RFC 9457 says, leaving out what is None."""
    body = {"type": "about:blank", "status": status, "code": code, "title": title,
            "detail": detail, "request_id": request_id}  # fmt: skip
    body.update({key: value for key, value in extra.items() if value is not None})
    return body


def problem_response(
    request: HttpRequest, *, status: int, code: str, title: str, detail: str, **extra: Any
) -> HttpResponse:
    """Answer outside of DRF as problem+json."""
    body = problem_body(
        status=status, code=code, title=title, detail=detail,
        request_id=getattr(request, "request_id", ""), **extra,
    )  # fmt: skip
    return HttpResponse(json.dumps(body, default=str), status=status, content_type=PROBLEM_TYPE)


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer any expected error as RFC 9457 problem+json; leave bugs to Django."""
    request_id = _request_id(context.get("request"))
    if isinstance(error, RequestDataTooBig):
        error = BodyTooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if isinstance(error, DomainError):
        return _domain_problem(error, request_id)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    return _api_problem(error, request_id)


def _domain_problem(error: DomainError, request_id: str) -> Response:
    extra = {key: _plain(value) for key, value in error.data.items()}
    body = problem_body(
        **{**extra, "status": error.status, "code": error.code, "title": error.title,
           "detail": error.message, "request_id": request_id, "field": error.field},
    )  # fmt: skip
    response = Response(body, status=error.status, content_type=PROBLEM_TYPE)
    if error.status in (429, 503):
        response["Retry-After"] = str(error.data.get("retry_after_seconds", 5))
    return response


def _api_problem(error: exceptions.APIException, request_id: str) -> Response:
    is_validation = isinstance(error, exceptions.ValidationError)
    field, detail = _first_fault(error.detail)
    status = 422 if is_validation else error.status_code
    name = str(error.default_code)
    body = problem_body(
        status=status,
        code=_CODES.get(name, name.upper()),
        title="The request cannot be carried out" if is_validation else _title(error),
        detail=detail,
        request_id=request_id,
        field=field,
        errors=error.detail if is_validation else None,
    )
    response = Response(body, status=status, content_type=PROBLEM_TYPE)
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(int(wait) + 1)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response


def _title(error: exceptions.APIException) -> str:
    """Name the kind of refusal: the words of the framework, unless they have blanks to fill in."""
    text = str(error.default_detail)
    return HTTPStatus(error.status_code).phrase if "{" in text else text


def _first_fault(detail: Any, field: str | None = None) -> tuple[str | None, str]:
    """Return where the first fault is, like `symbols.7` for an item of a list, and its sentence."""
    if isinstance(detail, dict) and detail:
        name = next(iter(detail))
        place = f"{field}.{name}" if field else str(name)
        return _first_fault(detail[name], field=field if name == "non_field_errors" else place)
    if isinstance(detail, list) and detail:
        return _first_fault(detail[0], field=field)
    return field, str(detail)


def _plain(value: Any) -> Any:
    """Make what an error carries fit into JSON: decimals and times become strings."""
    if isinstance(value, dt.datetime):
        return isoformat_utc(value)
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def _request_id(request: Any) -> str:
    inner = getattr(request, "_request", request)
    return str(getattr(inner, "request_id", ""))
