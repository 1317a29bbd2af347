"""REST of strategies: made, versioned, compared, put to work once a key, put away."""

from __future__ import annotations

import pytest

from trading.models import Deployment, Strategy, StrategyVersion
from trading.tests.factories import instrument_make, portfolio_make, user_make

pytestmark = pytest.mark.django_db
BASE = "/api/v1/strategies/"


@pytest.fixture
def owner(client):
    user = user_make()
    portfolio_make(user, lead=instrument_make("SPX", [100.0 + i for i in range(6)]))
    client.force_login(user)
    return user


def post(client, path, body, key="once"):
    return client.post(
        path, body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def made(client, **changes):
    body = {"key": "sma_cross", "name": "Cross", "parameters": {"fast": 3, "slow": 9}} | changes
    return post(client, BASE, body)


def test_a_strategy_is_made_with_its_first_version(client, owner):
    response = made(client)

    answer = response.json()
    assert response.status_code == 201
    assert response["Location"] == f"{BASE}{answer['id']}/"
    assert [v["parameters"]["fast"] for v in answer["versions"]] == [3]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"key": "nothing"}, 422, ["nothing", "sma_cross"]),
        ({"parameters": {"fast": 0}}, 422, ["fast", "0", "1"]),
        ({"name": " "}, 400, ["name"]),
        ({"colour": "red"}, 400, ["colour"]),
    ],
)
def test_a_wrong_strategy_is_refused_in_one_sentence(client, owner, changes, status, words):
    response = made(client, **changes)

    assert response.status_code in (status, 400, 422), response.content
    assert all(word in response.content.decode() for word in words)
    assert not Strategy.objects.exists()


def test_a_taken_name_is_a_conflict(client, owner):
    made(client)

    assert made(client).status_code == 409
    assert Strategy.objects.count() == 1


def test_a_version_is_a_draft_and_differs_from_the_first(client, owner):
    strategy = made(client).json()["id"]

    version = post(client, f"{BASE}{strategy}/versions/", {"parameters": {"fast": 5, "slow": 9}})
    diff = client.get(f"{BASE}{strategy}/versions/2/diff/?against=1").json()

    assert (version.status_code, version.json()["is_draft"]) == (201, True)
    assert [(c["key"], c["old"], c["new"]) for c in diff if c["is_changed"]] == [("fast", 3, 5)]


def test_comparing_with_a_version_that_is_not_there_is_a_404(client, owner):
    strategy = made(client).json()["id"]

    assert client.get(f"{BASE}{strategy}/versions/1/diff/?against=7").status_code == 404


def test_the_same_key_deploys_once(client, owner):
    body = {"strategy_id": made(client).json()["id"], "symbol": "SPX", "capital": "1000"}

    first = post(client, "/api/v1/deployments/", body)
    second = post(client, "/api/v1/deployments/", body)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    assert Deployment.objects.count() == 1


def test_a_key_used_for_another_version_is_a_conflict(client, owner):
    body = {"strategy_id": made(client).json()["id"], "symbol": "SPX", "capital": "1000"}
    post(client, "/api/v1/deployments/", body)
    post(client, f"{BASE}{body['strategy_id']}/versions/", {"parameters": {"fast": 5}})

    response = post(client, "/api/v1/deployments/", body | {"version": 2})

    assert (response.status_code, response.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_deploying_needs_a_key(client, owner):
    body = {"strategy_id": made(client).json()["id"], "symbol": "SPX"}

    response = client.post("/api/v1/deployments/", body, content_type="application/json")

    assert response.status_code == 400
    assert not Deployment.objects.exists()


def test_deploying_refuses_a_key_the_row_has_no_room_for(client, owner):
    body = {"strategy_id": made(client).json()["id"], "symbol": "SPX"}

    response = post(client, "/api/v1/deployments/", body, key="x" * 81)

    assert (response.status_code, response.json()["code"]) == (400, "IDEMPOTENCY_KEY_TOO_LONG")
    assert not Deployment.objects.exists()


def test_a_deployed_strategy_is_not_put_away_until_it_is_stopped(client, owner):
    strategy = made(client).json()["id"]
    body = {"strategy_id": strategy, "symbol": "SPX", "capital": "1000"}
    deployment = post(client, "/api/v1/deployments/", body).json()["id"]

    refused = post(client, f"{BASE}{strategy}/archive/", {})
    post(client, f"/api/v1/deployments/{deployment}/stop/", {})
    archived = post(client, f"{BASE}{strategy}/archive/", {})

    assert (refused.status_code, refused.json()["code"]) == (409, "STRATEGY_IN_USE")
    assert archived.json()["is_archived"] is True
    assert StrategyVersion.objects.count() == 1


def test_a_deployment_is_told_a_size_within_the_caps(client, owner):
    body = {"strategy_id": made(client).json()["id"], "symbol": "SPX", "capital": "1000"}
    deployment = post(client, "/api/v1/deployments/", body).json()["id"]

    found = client.get(f"/api/v1/deployments/{deployment}/sizing/").json()

    assert 0.0 <= found["weight"] <= 0.25
    assert [line["label"] for line in found["lines"]][:2] == ["volatility target", "risk per trade"]
    assert found["lines"][2]["text"] == "left out: 0 trades, 30 are needed"


def test_templates_tell_their_schema(client, owner):
    rows = {row["key"]: row for row in client.get(f"{BASE}templates/").json()}

    fast = rows["sma_cross"]["parameters"][0]
    assert (fast["key"], fast["kind"], fast["low"]) == ("fast", "INT", 1.0)
    assert all(row["when_it_fails"] for row in rows.values())


def test_limits_and_costs_come_with_a_version_and_in_the_difference(client, owner):
    made_id = made(client, limits={"max_open_orders": 5}).json()["id"]
    path = f"{BASE}{made_id}/versions/"
    second = post(client, path, {"parameters": {"fast": 3, "slow": 9}, "costs": {"impact": 1}})

    answer = second.json()
    difference = client.get(f"{path}2/diff/?against=1").json()
    assert (answer["limits"], answer["costs"]) == ({"max_open_orders": 5.0}, {"impact": 1.0})
    assert [row["key"] for row in difference if row["is_changed"]] == ["impact"]


def test_a_limit_beyond_the_portfolios_is_refused_with_both_values(client, owner):
    response = made(client, limits={"max_position_weight": 3})

    assert response.status_code == 422
    assert "3 of equity" in response.content.decode()
    assert not Strategy.objects.exists()
