"""What the OpenAPI document says of refusals: one problem schema, and which door gives which."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from elson.common.api import PROBLEM_TYPE

SAFE = ("GET", "HEAD", "OPTIONS")
ON_READS = (400, 401, 403, 404)
ON_WRITES = (*ON_READS, 409, 422, 429)
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why a request was refused, as RFC 9457 says. `code` is for programs and stays, "
    "`detail` is for people and may change. Some codes add members of their own, such as `limit`, "
    "`used` and `resets_at` of a quota.",
    "required": ["type", "status", "code", "title", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
        "title": {"type": "string"},
        "detail": {"type": "string", "description": "One sentence: what, which, and the limit."},
        "request_id": {"type": "string", "description": "Also in the X-Request-ID header."},
        "field": {"type": "string", "description": "The field or parameter at fault, if one is."},
        "errors": {
            "type": "object",
            "additionalProperties": {},
            "description": "Every fault at once: field to its sentence, or to a list of them.",
        },
    },
    "additionalProperties": {},
}
# Status: name of the component, when it is given, and what of an example differs.
ANSWERS: dict[int, tuple[str, str, dict[str, Any]]] = {
    400: (
        "MalformedRequest",
        "The request itself is malformed: no JSON, an unknown field or parameter, a bad cursor.",
        {
            "code": "UNKNOWN_PARAMETER",
            "title": "Malformed request",
            "detail": "There is no parameter 'colour' here; there are cursor, page_size, status.",
            "field": "colour",
        },
    ),
    401: (
        "NotSignedIn",
        "Nobody is signed in.",
        {
            "code": "NOT_AUTHENTICATED",
            "title": "Authentication credentials were not provided.",
            "detail": "Authentication credentials were not provided.",
        },
    ),
    403: (
        "NotAllowed",
        "The plan or the role does not include it, or the CSRF token of the session is missing.",
        {
            "code": "PLAN_WITHOUT_OPTIMIZATION",
            "title": "Not allowed",
            "detail": "Your plan has no optimization; Plus has 3 a day with 100 trials each.",
        },
    ),
    404: (
        "NotFound",
        "There is no such thing, or it is somebody else's: both are answered alike.",
        {
            "code": "NOT_FOUND",
            "title": "Not found",
            "detail": "There is no backtest #1842.",
            "value": "#1842",
        },
    ),
    409: (
        "Conflict",
        "The state does not allow it, or an Idempotency-Key was used for something else.",
        {
            "code": "BACKTEST_FINISHED",
            "title": "Conflict",
            "detail": "Backtest #1842 has already ended as SUCCEEDED.",
        },
    ),
    422: (
        "NotCarriedOut",
        "The request is understood and cannot be carried out; every fault is told at once.",
        {
            "code": "INVALID",
            "title": "The request cannot be carried out",
            "detail": "This field is required.",
            "field": "symbol",
            "errors": {"symbol": ["This field is required."]},
        },
    ),
    429: (
        "LimitReached",
        "A quota or a rate is used up; `Retry-After` and `resets_at` say until when.",
        {
            "code": "BACKTESTS_PER_DAY",
            "title": "Limit reached",
            "detail": "You ran 5 of 5 backtests today; more from 00:00 UTC.",
            "used": 5,
            "limit": 5,
            "resets_at": "2026-03-03T00:00:00+00:00",
        },
    ),
}
OTHERWISE = (
    "Refused",
    "Any other refusal has the same body: 405, 406, 413 and 415 of a request no door takes, 503 "
    "while a part does not answer.",
    {
        "code": "DATABASE_AWAY",
        "title": "Temporarily unavailable",
        "detail": "The database does not answer. Try again in a few seconds.",
    },
)
RETRY_AFTER = {
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait at least."}
}


class ProblemSchema(AutoSchema):
    """drf-spectacular's, which also knows what every door answers when it refuses.

    Reads may answer 400 to 404, and 422 where they take parameters; writes may answer all of
    `ANSWERS`. A door that answers more says so in its attribute `also_refuses`.
    """

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """Describe the door, then its refusals."""
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            self._problem()
            for status in self._refusals(operation):
                operation["responses"][str(status)] = self._answer(status, *ANSWERS[status])
            operation["responses"]["default"] = self._answer(503, *OTHERWISE)
        return operation

    def _refusals(self, operation: dict[str, Any]) -> list[int]:
        is_read = self.method.upper() in SAFE
        found = set(ON_READS if is_read else ON_WRITES)
        if is_read and any(p["in"] == "query" for p in operation.get("parameters", ())):
            found.add(422)
        return sorted(found | set(getattr(self.view, "also_refuses", ())))

    def _problem(self) -> None:
        """Put the one schema among the components, once."""
        self.registry.register_on_missing(
            ResolvedComponent(  # type: ignore[no-untyped-call]
                "Problem", ResolvedComponent.SCHEMA, PROBLEM, object="Problem"
            )
        )

    def _answer(self, status: int, name: str, words: str, example: dict[str, Any]) -> Any:
        """Refer to the answer of a status, which is among the components once."""
        value = {"type": "about:blank", "status": status, "request_id": "5f1c0d9a7b3e4c21"}
        described: dict[str, Any] = {
            "description": words,
            "content": {
                PROBLEM_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": value | example,
                }
            },
        }
        if status in (429, 503):
            described["headers"] = RETRY_AFTER
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name, ResolvedComponent.RESPONSE, described, object=name
        )
        self.registry.register_on_missing(component)
        return component.ref
