"""Who may do what at every door of orders, strategies and regimes: 401, 404 or 2xx."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import get_resolver

from accounts.services import entitlement_grant
from trading.models import Decision, Order
from trading.services.deployments import deployment_start
from trading.services.orders import order_submit
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    instrument_make,
    portfolio_make,
    user_make,
)
from trading.urls import models, orders, strategies

pytestmark = pytest.mark.django_db
ORDER = {"symbol": "SPX", "side": "BUY", "quantity": "1"}
# name, method, body; {…} are ids of the owner's rows.
DOORS = [
    ("api_portfolio", "get", None),
    ("api_positions", "get", None),
    ("api_ledger", "get", None),
    ("api_ledger_balances", "get", None),
    ("api_activity", "get", None),
    ("api_equity", "get", None),
    ("api_orders", "get", None),
    ("api_orders", "post", ORDER),
    ("api_order_preview", "post", ORDER),
    ("api_order", "get", None),
    ("api_order_cancel", "post", None),
    ("api_strategies", "get", None),
    ("api_strategy_board", "get", None),
    ("api_strategy", "get", None),
    ("api_strategies", "post", {"key": "sma_cross", "name": "Second"}),
    ("api_strategy_templates", "get", None),
    ("api_strategy_orders", "get", None),
    ("api_strategy_events", "get", None),
    ("api_strategy_parameters", "get", None),
    ("api_strategy_versions", "get", None),
    ("api_strategy_versions", "post", {"parameters": {"fast": 4}}),
    ("api_strategy_version_diff", "get", None),
    ("api_strategy_archive", "post", None),
    ("api_strategy_unarchive", "post", None),
    ("api_strategy_version_preview", "get", None),
    ("api_decisions", "get", None),
    ("api_decision_counts", "get", None),
    ("api_decision", "get", None),
    ("api_deployments", "get", None),
    ("api_deployments", "post", {"strategy_id": 1, "symbol": "SPX", "capital": "10"}),
    ("api_deployments_quota", "get", None),
    ("api_deployment", "get", None),
    ("api_deployment_events", "get", None),
    ("api_deployment_sizing", "get", None),
    ("api_deployment_tracking", "get", None),
    ("api_deployment_pause", "post", None),
    ("api_deployment_resume", "post", None),
    ("api_deployment_enter_again", "post", None),
    ("api_deployment_halt", "post", None),
    ("api_deployment_stop", "post", {}),
    ("api_regimes", "get", None),
    ("api_regimes_changes", "get", None),
    ("api_regimes_definition", "get", None),
    ("api_regimes_now", "get", None),
    ("api_regimes_transitions", "get", None),
    ("api_regimes_volatility", "get", None),
]
PATHS = {
    "api_portfolio": "portfolio/",
    "api_positions": "positions/",
    "api_ledger": "ledger/",
    "api_ledger_balances": "ledger/balances/",
    "api_activity": "activity/",
    "api_equity": "equity/",
    "api_orders": "orders/",
    "api_order_preview": "orders/preview/",
    "api_order": "orders/{order}/",
    "api_order_cancel": "orders/{order}/cancel/",
    "api_strategies": "strategies/",
    "api_strategy_board": "strategies/board/",
    "api_strategy": "strategies/{strategy}/",
    "api_strategy_templates": "strategies/templates/",
    "api_strategy_archive": "strategies/{spare}/archive/",
    "api_strategy_unarchive": "strategies/{spare}/unarchive/",
    "api_strategy_orders": "strategies/{strategy}/orders/",
    "api_strategy_events": "strategies/{strategy}/events/",
    "api_strategy_parameters": "strategies/{strategy}/parameters/",
    "api_strategy_versions": "strategies/{strategy}/versions/",
    "api_strategy_version_diff": "strategies/{strategy}/versions/1/diff/?against=1",
    "api_strategy_version_preview": "strategies/{strategy}/versions/1/preview/?symbols=SPX",
    "api_decisions": "strategies/{strategy}/decisions/",
    "api_decision_counts": "strategies/{strategy}/decisions/counts/",
    "api_decision": "decisions/{decision}/",
    "api_deployments": "deployments/",
    "api_deployments_quota": "deployments/quota/",
    "api_deployment": "deployments/{deployment}/",
    "api_deployment_events": "deployments/{deployment}/events/",
    "api_deployment_sizing": "deployments/{deployment}/sizing/",
    "api_deployment_tracking": "deployments/{deployment}/tracking/",
    "api_deployment_pause": "deployments/{deployment}/pause/",
    "api_deployment_resume": "deployments/{deployment}/resume/",
    "api_deployment_enter_again": "deployments/{deployment}/enter-again/",
    "api_deployment_halt": "deployments/{deployment}/halt/",
    "api_deployment_stop": "deployments/{deployment}/stop/",
    "api_regimes": "regimes/?symbol=SPX",
    "api_regimes_changes": "regimes/changes/",
    "api_regimes_definition": "regimes/definition/",
    "api_regimes_now": "regimes/now/",
    "api_regimes_transitions": "regimes/transitions/?symbol=SPX",
    "api_regimes_volatility": "regimes/volatility/?symbol=SPX",
}
UNKNOWN = {
    "order": "00000000-0000-4000-8000-000000000000",
    "decision": "00000000-0000-4000-8000-000000000000",
    "strategy": 999_999_999,
    "spare": 999_999_999,
    "deployment": 999_999_999,
}


@pytest.fixture
def cast():
    """An owner with one row of everything, and a stranger with a portfolio of their own."""
    spx = instrument_make("SPX", [100.0 + i for i in range(6)])
    owner, stranger = user_make(), user_make()
    entitlement_grant(user=owner, key="strategies.running", value=5, source="test")
    portfolio = portfolio_make(owner, lead=spx, cursor_at=FIRST_CLOSE + DAY)
    portfolio_make(stranger)
    version = strategy_create(
        user=owner, key="sma_cross", name="Canary", parameters={"fast": 2, "slow": 3}
    )
    deployment = deployment_start(
        version=version, portfolio=portfolio, instrument=spx, capital=Decimal(50_000), now=NOW
    )
    replay = portfolio.replay
    replay.cursor_at = FIRST_CLOSE + 3 * DAY
    replay.save(update_fields=["cursor_at"])
    portfolio_advance(portfolio_id=portfolio.pk, until=replay.cursor_at, now=NOW)
    order = order_submit(
        portfolio=portfolio, instrument=spx, side="BUY", order_type="LIMIT", quantity="1",
        limit_price="50", client_order_id="canary", now=NOW,
    )  # fmt: skip
    ids = {
        "order": order.uuid,
        "decision": Decision.objects.filter(deployment=deployment).first().uuid,
        "strategy": version.strategy_id,
        "spare": strategy_create(user=owner, key="sma_cross", name="Canary spare").strategy_id,
        "deployment": deployment.pk,
    }
    return {"owner": owner, "stranger": stranger, "ids": ids}


def ask(client, name, method, body, ids):
    path = "/api/v1/" + PATHS[name].format(**ids)
    headers = {"Idempotency-Key": "asked-once"}
    if body and body.get("strategy_id"):
        body = {**body, "strategy_id": ids["strategy"]}
    if method == "get":
        return client.get(path)
    return client.post(path, body, content_type="application/json", headers=headers)


def test_every_door_has_its_line_in_the_table():
    regimes = [door for door in models.DOORS if door.name.startswith("api_regimes")]
    told = {door.name for door in (*orders.DOORS, *strategies.DOORS, *regimes)}
    assert told == {name for name, _, _ in DOORS}
    assert {name for name, _, _ in DOORS} == set(PATHS)
    assert get_resolver().resolve("/api/v1/orders/").url_name == "api_orders"


@pytest.mark.parametrize(("name", "method", "body"), DOORS)
def test_nobody_gets_in_without_signing_in(client, name, method, body):
    response = ask(client, name, method, body, UNKNOWN)

    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(("name", "method", "body"), DOORS)
def test_the_owner_gets_in(client, cast, name, method, body):
    client.force_login(cast["owner"])

    response = ask(client, name, method, body, cast["ids"])

    assert response.status_code in (200, 201), response.content


@pytest.mark.parametrize(("name", "method", "body"), [d for d in DOORS if "{" in PATHS[d[0]]])
def test_a_strangers_row_is_answered_like_one_that_does_not_exist(client, cast, name, method, body):
    client.force_login(cast["stranger"])
    before = list(Order.objects.values_list("pk", "status"))

    foreign = ask(client, name, method, body, cast["ids"])
    unknown = ask(client, name, method, body, UNKNOWN)

    def told(response, ids):
        # In the words alone: a row's number may well stand in the status too.
        words = {key: v for key, v in response.json().items() if isinstance(v, str)}
        del words["request_id"]
        for value in ids.values():
            words = {key: v.replace(str(value), "ID") for key, v in words.items()}
        return words

    assert foreign.status_code == unknown.status_code == 404
    assert told(foreign, cast["ids"]) == told(unknown, UNKNOWN)
    assert list(Order.objects.values_list("pk", "status")) == before


@pytest.mark.parametrize(("name", "method", "body"), [d for d in DOORS if d[1] == "get"])
def test_no_list_shows_what_belongs_to_somebody_else(client, cast, name, method, body):
    client.force_login(cast["stranger"])

    text = ask(client, name, method, body, UNKNOWN).content.decode()

    assert "canary" not in text.lower()


@pytest.mark.parametrize("name", ["api_order", "api_decision"])
def test_a_malformed_id_is_the_same_404(client, cast, name):
    client.force_login(cast["owner"])

    response = ask(client, name, "get", None, {"order": "not-an-id", "decision": "%00"})

    assert response.status_code == 404
    assert response.json()["code"] == "NOT_FOUND"
