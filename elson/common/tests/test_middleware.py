from __future__ import annotations

import json
import re

import pytest
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from redis.exceptions import ConnectionError as RedisConnectionError

from elson.common.errors import Conflict

ERRORS = {
    "refused": Conflict("FINAL", "the order is filled and cannot be canceled"),
    "redis": RedisConnectionError("redis://user:canary@host refused"),
    "database": OperationalError("server closed the connection"),
}

QUESTIONS = {
    "table": "SELECT 1 FROM common_absent",
    "column": "SELECT absent FROM common_heartbeat",
    "inserted": "INSERT INTO common_heartbeat (absent) VALUES (1)",
}


def failing(request: HttpRequest, kind: str) -> HttpResponse:
    raise ERRORS[kind]


def asking(request: HttpRequest, question: str) -> HttpResponse:
    """Ask the database for what it does not have."""
    with connection.cursor() as cursor:
        cursor.execute(QUESTIONS[question])
    return HttpResponse("unreachable")


def fine(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.request_id)


urlpatterns = [
    path("fail/<str:kind>/", failing),
    path("api/fail/<str:kind>/", failing),
    path("ask/<str:question>/", asking),
    path("api/ask/<str:question>/", asking),
    path("fine/", fine),
]


@pytest.fixture
def door(client):
    with override_settings(ROOT_URLCONF=__name__):
        yield client


def test_offered_request_id_is_taken_and_answered(door):
    response = door.get("/fine/", headers={"X-Request-ID": "abcdef-0123456789"})

    assert (response.content, response["X-Request-ID"]) == (b"abcdef-0123456789",) * 2 or (
        response.content.decode() == response["X-Request-ID"] == "abcdef-0123456789"
    )


@pytest.mark.parametrize(
    "offered", ["short", "x" * 65, "with space 12345", "line\nbreak-123456", ""]
)
def test_unusable_request_id_is_replaced(door, offered):
    response = door.get("/fine/", headers={"X-Request-ID": offered})

    assert re.fullmatch(r"[0-9a-f]{32}", response["X-Request-ID"])


@pytest.mark.parametrize(("kind", "status"), [("redis", 503), ("database", 503), ("refused", 409)])
def test_absent_part_is_a_problem_and_not_a_bug_under_api(door, kind, status):
    response = door.get(f"/api/fail/{kind}/")

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert b"canary" not in response.content
    assert response.has_header("Retry-After") is (status == 503)


def test_finished_request_is_logged_once_with_its_id(door, caplog):
    caplog.set_level("INFO", logger="elson.common.middleware")

    response = door.get("/fine/")

    lines = [
        r.msg for r in caplog.records if isinstance(r.msg, dict) and r.msg["event"] == "request"
    ]
    assert len(lines) == 1
    assert lines[0]["request_id"] == response["X-Request-ID"]
    assert (lines[0]["status"], lines[0]["path"]) == (200, "/fine/")


@pytest.mark.parametrize("kind", ["redis", "database"])
def test_absent_part_is_a_page_that_needs_neither_session_nor_database(
    db, door, kind, django_assert_num_queries
):
    with django_assert_num_queries(0):
        response = door.get(f"/fail/{kind}/")

    assert response.status_code == 503
    assert "Back in a moment" in response.content.decode()
    assert b"canary" not in response.content


def test_refusal_answers_htmx_with_a_block_and_not_a_page(door):
    response = door.get("/fail/refused/", headers={"HX-Request": "true"})

    assert response.status_code == 409
    assert "the order is filled and cannot be canceled" in response.content.decode()
    assert "<html" not in response.content.decode()


@pytest.mark.parametrize("question", QUESTIONS)
def test_database_older_than_the_code_is_told_from_one_that_is_away(db, door, question):
    problem = json.loads(door.get(f"/api/ask/{question}/").content)

    assert (problem["status"], problem["code"]) == (503, "MIGRATIONS_MISSING")
    assert "manage.py migrate" in problem["detail"]
    assert "does not answer" not in problem["detail"]


def test_page_over_a_database_older_than_the_code_names_the_command(db, door):
    response = door.get("/ask/column/")

    assert response.status_code == 503
    assert "manage.py migrate" in response.content.decode()


@pytest.mark.parametrize("asked", ["/fine/?q=a%00b", "/fine/?a%00b=q"])
def test_nul_in_a_query_is_refused_before_a_database_sees_it(db, door, asked):
    response = door.get(asked, headers={"HX-Request": "true"})

    assert response.status_code == 400
    assert "NUL character" in response.content.decode()
