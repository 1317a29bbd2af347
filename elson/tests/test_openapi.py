"""The OpenAPI document knows every refusal: one problem schema, its examples, and real answers."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from accounts.services import entitlement_grant
from elson.common import errors
from elson.common.api import PROBLEM_TYPE
from elson.common.openapi import ANSWERS, OTHERWISE, PROBLEM
from marketdata.services import watchlist_create
from trading.models import Portfolio, StudyProposal
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import waiting_make
from trading.tests.factories import NOW, portfolio_make
from trading.tests.model_rows import version_make
from trading.tests.study_rows import member_make, study_make

DOCUMENT: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
METHODS = {"get", "post", "put", "patch", "delete"}
OPERATIONS = [
    (method, path, operation)
    for path, item in sorted(DOCUMENT["paths"].items())
    for method, operation in sorted(item.items())
    if method in METHODS
]
NAMES = [f"{method} {path}" for method, path, _ in OPERATIONS]
WITH_BODY = [(method, path) for method, path, operation in OPERATIONS if "requestBody" in operation]
WITH_CURSOR = [
    path
    for method, path, operation in OPERATIONS
    if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ()))
]
WITH_TEXT = [
    (path, [one["name"] for one in operation["parameters"] if one["in"] == "query"])
    for method, path, operation in OPERATIONS
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ()))
]
WITHOUT_BODY = [
    (method, path, operation)
    for method, path, operation in OPERATIONS
    if method == "post" and "requestBody" not in operation
]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the document."""
    while "$ref" in node:
        found: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def assert_problem(response, operation: dict[str, Any]) -> None:
    """The answer is a problem of the schema, of a status the door is said to give."""
    assert response["Content-Type"] == PROBLEM_TYPE
    body = json.loads(response.content)
    jsonschema.validate(body, PROBLEM)
    assert body["status"] == response.status_code
    assert str(response.status_code) in operation["responses"]


def asked(client, method: str, path: str, body: bytes, ids: dict[str, Any] | None = None):
    """Ask one door, about these rows or about ones that do not exist."""
    address = re.sub(r"\{([^}]*)\}", lambda name: str((ids or {}).get(name[1], 999999999)), path)
    return client.generic(
        method.upper(),
        address,
        body,
        content_type="application/json",
        headers={"Idempotency-Key": "once"},
    )


def test_the_document_is_valid_openapi():
    validate_schema(DOCUMENT)

    assert len(OPERATIONS) > 90


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_every_door_says_how_it_refuses(method, path, operation):
    wanted = {400, 401, 403, 404} if method == "get" else {400, 401, 403, 404, 409, 422, 429}
    if any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        wanted.add(422)

    given = operation["responses"]

    assert {str(status) for status in wanted} | {"default"} <= given.keys()
    for status in [*wanted, "default"]:
        content = resolved(given[str(status)])["content"]
        assert content[PROBLEM_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_there_is_one_problem_schema_and_its_examples_keep_to_it():
    shown = [
        answer["content"][PROBLEM_TYPE]["example"]
        for answer in DOCUMENT["components"]["responses"].values()
    ]

    for example in shown:
        jsonschema.validate(example, DOCUMENT["components"]["schemas"]["Problem"])
    assert sorted(example["status"] for example in shown) == [*sorted(ANSWERS), 503]


def test_examples_have_the_titles_real_refusals_have():
    kinds = (errors.NotFound, errors.Conflict, errors.Forbidden, errors.TooMany)
    titles = {kind.status: kind.title for kind in (*kinds, errors.DomainError)}

    assert titles == {status: ANSWERS[status][2]["title"] for status in titles}
    assert errors.Unavailable.title == OTHERWISE[2]["title"]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)
def test_a_door_refuses_strangers_as_the_document_says(client, method, path, operation):
    response = asked(client, method, path, b"{}")

    assert response.status_code == 401
    assert_problem(response, operation)


@pytest.fixture
def owner():
    """Somebody who may do everything, so that a body is judged and not the person."""
    person = member_make(is_staff=True, is_superuser=True)
    entitlement_grant(user=person, key="models.detail", value=1, source="test")
    portfolio_make(person)
    return person


@pytest.fixture
def desk(client, owner):
    client.force_login(owner)
    return client


@pytest.fixture
def ids(owner):
    """A row of everything a body is sent to."""
    portfolio = Portfolio.objects.get()
    version = strategy_create(user=owner, key="sma_cross", name="Mine")
    study = study_make(owner)
    proposal = StudyProposal.objects.create(
        study=study,
        strategy=version.strategy,
        champion=version,
        parameters=dict(version.parameters),
        gates=[],
        status="OFFERED",
    )
    return {
        "proposal_id": proposal.pk,
        "backtest_id": waiting_make(owner).pk,
        "study_id": study.pk,
        "strategy_id": version.strategy_id,
        "number": version.number,
        "deployment_id": deployment_start(
            version=version, portfolio=portfolio, instrument=study.instrument, now=NOW
        ).pk,
        "version_id": version_make().pk,
        "watchlist_id": watchlist_create(user=owner, name="Mine").pk,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "path"), WITH_BODY, ids=[f"{m} {p}" for m, p in WITH_BODY])
def test_a_bad_body_is_refused_as_the_document_says(desk, ids, method, path):
    operation = DOCUMENT["paths"][path][method]

    for body in (b"{", b"[1]", b"7"):
        response = asked(desk, method, path, body, ids)
        assert response.status_code in (400, 422), (body, response.content)
        assert_problem(response, operation)
    unknown = asked(desk, method, path, b'{"no_such_field": 1}', ids)
    assert (unknown.status_code, unknown.json()["field"]) == (400, "no_such_field")
    assert_problem(unknown, operation)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "operation"), WITHOUT_BODY, ids=[path for _, path, _ in WITHOUT_BODY]
)
def test_a_door_without_a_body_refuses_unknown_rows(desk, method, path, operation):
    response = asked(desk, method, path, b"")

    if "{" in path:
        assert response.status_code == 404
    if response.status_code >= 400:
        assert_problem(response, operation)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [found for found in OPERATIONS if found[0] == "get"],
    ids=[name for name in NAMES if name.startswith("get ")],
)
def test_what_a_read_refuses_is_a_problem(desk, method, path, operation):
    response = desk.get(re.sub(r"\{[^}]*\}", "999999999", path), {"no_such_parameter": "1"})

    if response.status_code >= 400:
        assert_problem(response, operation)


def cursor_of(position: str) -> str:
    """Write a cursor as a door would for a row at this place."""
    return base64.b64encode(urlencode({"p": position}).encode()).decode()


# A number, a word, a moment without and with a blank, one before UTC begins, a NUL, no cursor.
FORGED = [
    cursor_of(position)
    for position in (
        "7", "9" * 18, "9" * 40, "-1", "1.5", "٣", "abc", "2026-13-01", "2026-01-01T00:00:00 00:00",
        "0001-01-01T00:00:00+14:00", "a\0b", "",
    )
] + ["odd", "YWJj", "%", "cD0", base64.b64encode(b"o=x&r=1").decode()]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("path", WITH_CURSOR)
def test_a_forged_cursor_is_a_page_or_a_refusal_of_its_own(desk, ids, path):
    operation = DOCUMENT["paths"][path]["get"]
    address = re.sub(r"\{([^}]*)\}", lambda name: str(ids[name[1]]), path)

    for forged in FORGED:
        response = desk.get(address, {"cursor": forged})
        if response.status_code != 200:
            assert_problem(response, operation)
            assert (response.status_code, response.json()["code"]) == (400, "INVALID_CURSOR")
    assert desk.get(address, {"cursor": "odd"}).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "names"), WITH_TEXT)
def test_a_text_no_database_can_store_is_refused(desk, ids, path, names):
    operation = DOCUMENT["paths"][path]["get"]
    address = re.sub(r"\{([^}]*)\}", lambda name: str(ids.get(name[1], 1)), path)

    for name in names:
        response = desk.get(address, {name: "a\0b"})
        assert (name, response.status_code) == (name, 400)
        assert_problem(response, operation)


MONEY = re.compile(
    r"(^|_)(quantity|price|close|equity|cash|capital|pnl|commission|notional|amount|balance|result)$"
)


def test_money_prices_and_quantities_are_strings():
    """Binary fractions lose cents on the way; the documents say decimal strings."""
    numbers = [
        f"{name}.{key}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for key, value in schema.get("properties", {}).items()
        if MONEY.search(key) and value.get("type") in ("number", "integer")
    ]

    assert numbers == []
