"""The REST doors keep to their own schema, whatever they are asked: requests made up from it."""

from __future__ import annotations

import pytest
import schemathesis
from django.conf import settings as conf
from django.test.client import ClientHandler
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import just
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from trading.tests.backtest_rows import done_make
from trading.tests.factories import portfolio_make

pytestmark = pytest.mark.django_db
SUCCESS = [status_code_conformance, content_type_conformance, response_schema_conformance]
# What no door takes, whichever it is: the document has one answer for these.
UNDOCUMENTED = (405, 406, 413, 415)
# The same few requests each time: no failure comes and goes.
FEW = settings(
    max_examples=4, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def app(environ, start_response):
    """The site as a WSGI application that stays within the test's transaction."""
    # Compressed or not hangs on random bytes and the size of an answer, and nobody unpacks it here.
    environ.pop("HTTP_ACCEPT_ENCODING", None)
    response = ClientHandler(enforce_csrf_checks=False)(environ)
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [b"".join(response)]


@pytest.fixture
def ids(client):
    """Cookies and rows of a person with a portfolio and a finished backtest."""
    user = portfolio_make().user
    client.force_login(user)
    name = conf.SESSION_COOKIE_NAME
    return {
        "backtest_id": done_make(user).pk,
        "symbol": "WALK",
        "cookies": {name: client.cookies[name].value},
    }


def is_problem(response):
    """Tell whether a refusal is problem+json that names itself and says why."""
    return (
        400 <= response.status_code < 500
        and response.headers["content-type"] == ["application/problem+json"]
        and {"status", "code", "detail"} <= response.json().keys()
    )


def requests_made_up(operation, ids):
    """Requests by the schema of one door, as a function that sends a few of them."""

    def ask(case, cookies):
        known = {name: ids[name] for name in case.path_parameters if name in ids}
        case.path_parameters.update(known)
        response = case.call(cookies=cookies)
        if response.status_code < 400:
            case.validate_response(response, checks=SUCCESS)
        else:
            assert is_problem(response), f"{operation.label} answers {response.content!r}"
            case.validate_response(response, checks=[response_schema_conformance])
            told = str(response.status_code) in operation.definition.raw["responses"]
            assert told or response.status_code in UNDOCUMENTED, response.status_code

    return FEW(seed(1)(given(case=operation.as_strategy(), cookies=just(ids["cookies"]))(ask)))


def test_no_made_up_request_breaks_a_door_or_its_schema(ids):
    schema = schemathesis.openapi.from_wsgi("/api/schema/", app)
    operations = [found.ok() for found in schema.get_all_operations()]

    for operation in operations:
        requests_made_up(operation, ids)()

    assert len(operations) > 60
