from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from django.http import Http404, HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path
from rest_framework import exceptions, permissions, serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import (
    BadRequest,
    StrictSerializer,
    UnknownField,
    idempotency_key_given,
    idempotency_key_of,
    isoformat_utc,
)
from elson.common.errors import Conflict, DomainError, TooMany


class EchoSerializer(StrictSerializer):
    name = serializers.CharField(max_length=5)
    made_at = serializers.DateTimeField(read_only=True)
    symbols = serializers.ListField(child=serializers.CharField(max_length=3), required=False)


class EchoApi(APIView):
    permission_classes = (permissions.AllowAny,)

    def post(self, request: Any) -> Response:
        serializer = EchoSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data)


class ClosedApi(APIView):
    def get(self, request: Any) -> Response:
        return Response({})


ERRORS = {
    "domain": DomainError(
        "LIMIT", "notional 12,500 USD exceeds the limit of 10,000 USD", field="quantity",
        limit=Decimal("10000.00"), at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    ),
    "conflict": Conflict("FINAL", "the order is filled"),
    "many": TooMany("QUOTA", "5 of 5 backtests are used", retry_after_seconds=60),
    "missing": Http404(),
    "throttled": exceptions.Throttled(wait=2.5),
}  # fmt: skip


class FailingApi(APIView):
    permission_classes = (permissions.AllowAny,)

    def get(self, request: Any, kind: str) -> Response:
        raise ERRORS[kind]


urlpatterns = [
    path("api/echo/", EchoApi.as_view()),
    path("api/closed/", ClosedApi.as_view()),
    path("api/fail/<str:kind>/", FailingApi.as_view()),
]


def handler404(request: Any, exception: Exception) -> HttpResponse:
    return HttpResponse("<h1>Not found</h1>", status=404)


def handler400(request: Any, exception: Exception) -> HttpResponse:
    return HttpResponse("<h1>Bad request</h1>", status=400)


@pytest.fixture
def door(client):
    with override_settings(ROOT_URLCONF=__name__):
        yield client


def problem_of(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    found = json.loads(response.content)
    assert {"code", "title", "detail", "status", "request_id"} <= set(found)
    assert found["request_id"] == response["X-Request-ID"]
    assert found["status"] == response.status_code
    return dict(found)


def post(door: Any, body: str | bytes, **more: Any) -> Any:
    return door.post(
        "/api/echo/", body, content_type=more.pop("content_type", "application/json"), **more
    )


@pytest.mark.parametrize(
    "body",
    [
        "not json", '{"name": "a",}', '{"name": "a", "name": "b"}', '{"name": NaN}',
        '{"name": Infinity}', '{"name": 1e400}', f'{{"name": {10**400}}}',
        '{"name": "\\ud800"}', '{"name": "a\\u0000b"}', "[" * 40 + "]" * 40,
        "{" * 5000, b"\xff\xfe", b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_body_that_is_not_strict_json_is_refused(door, body):
    response = post(door, body)

    assert (response.status_code, problem_of(response)["code"]) == (400, "BAD_JSON")


def test_unknown_field_is_refused_by_name(door):
    problem = problem_of(post(door, '{"name": "a", "is_staff": true}'))

    assert (problem["status"], problem["code"], problem["field"]) == (
        400,
        "UNKNOWN_FIELD",
        "is_staff",
    )
    assert problem["detail"] == "There is no field 'is_staff' here; the fields are name, symbols."


def test_read_only_field_cannot_be_set_from_outside(door):
    assert problem_of(post(door, '{"name": "a", "made_at": "2026-01-01"}'))["field"] == "made_at"


def test_known_fields_pass(door):
    assert json.loads(post(door, '{"name": "a"}').content) == {"name": "a"}


def test_a_fault_within_a_list_is_named_by_its_place(door):
    problem = problem_of(post(door, '{"name": "a", "symbols": ["SPX", "TOO LONG"]}'))

    assert (problem["status"], problem["field"]) == (422, "symbols.1")


def test_value_that_does_not_fit_is_422_with_the_field(door):
    problem = problem_of(post(door, '{"name": "too long"}'))

    assert (problem["status"], problem["code"], problem["field"]) == (422, "INVALID", "name")
    assert "5 characters" in problem["detail"]


def test_other_content_type_is_415(door):
    problem = problem_of(post(door, "name=a", content_type="application/x-www-form-urlencoded"))

    assert (problem["status"], problem["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert problem["title"] == "Unsupported Media Type"


def test_other_accept_is_406(door):
    problem = problem_of(post(door, "{}", headers={"Accept": "text/csv"}))

    assert (problem["status"], problem["code"]) == (406, "NOT_ACCEPTABLE")


def test_other_method_is_405_and_says_which_are_allowed(door):
    response = door.put("/api/echo/", "{}", content_type="application/json")

    problem = problem_of(response)
    assert (problem["code"], problem["title"]) == ("METHOD_NOT_ALLOWED", "Method Not Allowed")
    assert problem["detail"] == 'Method "PUT" not allowed.'
    assert "POST" in response["Allow"]


def test_large_body_is_413(door):
    problem = problem_of(post(door, '{"name": "' + "a" * 300_000 + '"}'))

    assert (problem["status"], problem["code"]) == (413, "TOO_LARGE")
    assert problem["detail"] == "The body is larger than 256 KB."


def test_stranger_gets_401_with_the_scheme(door):
    response = door.get("/api/closed/")

    assert (response.status_code, problem_of(response)["code"]) == (401, "NOT_AUTHENTICATED")
    assert response["WWW-Authenticate"].startswith("Session")


def test_domain_error_tells_its_sentence_and_numbers(door):
    problem = problem_of(door.get("/api/fail/domain/"))

    assert problem["detail"] == "notional 12,500 USD exceeds the limit of 10,000 USD"
    assert (problem["limit"], problem["at"]) == ("10000.00", "2026-01-01T00:00:00Z")
    assert (problem["status"], problem["code"], problem["field"]) == (422, "LIMIT", "quantity")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("conflict", 409, "FINAL"), ("many", 429, "QUOTA"), ("missing", 404, "NOT_FOUND"),
     ("throttled", 429, "THROTTLED")],
)  # fmt: skip
def test_expected_error_is_a_problem(door, kind, status, code):
    problem = problem_of(door.get(f"/api/fail/{kind}/"))

    assert (problem["status"], problem["code"]) == (status, code)


@pytest.mark.parametrize(("kind", "seconds"), [("many", "60"), ("throttled", "4")])
def test_too_many_says_when_to_come_again(door, kind, seconds):
    assert door.get(f"/api/fail/{kind}/")["Retry-After"] == seconds


def test_address_nobody_knows_is_a_problem_under_api(door):
    assert problem_of(door.get("/api/nothing/"))["code"] == "NOT_FOUND"


def test_wrong_host_is_400(door):
    problem = problem_of(door.get("/api/echo/", headers={"Host": "evil.example"}))

    assert (problem["status"], problem["code"]) == (400, "BAD_REQUEST")


def test_forwarded_host_is_ignored(door):
    response = door.get("/api/nothing/", headers={"X-Forwarded-Host": "evil.example"})

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "IDEMPOTENCY_KEY_MISSING"), ("", "IDEMPOTENCY_KEY_MISSING"),
        ("x" * 81, "IDEMPOTENCY_KEY_TOO_LONG"), ("a\tb", "IDEMPOTENCY_KEY_INVALID"),
        ("ключ", "IDEMPOTENCY_KEY_INVALID"), ("a\x00b", "IDEMPOTENCY_KEY_INVALID"),
    ],
)  # fmt: skip
def test_unusable_idempotency_key_is_refused(key, code):
    headers = {} if key is None else {"Idempotency-Key": key}

    with pytest.raises(BadRequest) as refusal:
        idempotency_key_of(RequestFactory().post("/", headers=headers))

    assert (refusal.value.code, refusal.value.status) == (code, 400)


@pytest.mark.parametrize("key", ["a", "x" * 80, "6f9619ff-8b86-d011-b42d-00cf4fc964ff"])
def test_usable_idempotency_key_is_returned(key):
    assert idempotency_key_of(RequestFactory().post("/", headers={"Idempotency-Key": key})) == key


def test_an_optional_idempotency_key_may_be_left_out_but_not_be_wrong():
    assert idempotency_key_given(RequestFactory().post("/")) == ""

    with pytest.raises(BadRequest, match="81 characters; at most 80"):
        idempotency_key_given(RequestFactory().post("/", headers={"Idempotency-Key": "x" * 81}))


def test_long_field_name_is_cut_in_the_answer():
    assert len(str(UnknownField("x" * 1000, ["name"]).field)) == 80


def test_moment_is_written_in_utc_with_a_z():
    berlin = dt.timezone(dt.timedelta(hours=1))

    assert isoformat_utc(dt.datetime(2026, 1, 1, 1, tzinfo=berlin)) == "2026-01-01T00:00:00Z"
    assert isoformat_utc(None) is None
