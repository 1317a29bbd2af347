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


def test_an_archived_strategy_is_taken_out_again_and_twice_is_once(client, owner):
    strategy = made(client).json()["id"]
    post(client, f"{BASE}{strategy}/archive/", {})
    gone = client.get(BASE).json()["results"]

    answers = [post(client, f"{BASE}{strategy}/unarchive/", {}).json() for _ in range(2)]

    assert gone == []
    assert [answer["is_archived"] for answer in answers] == [False, False]
    assert [row["id"] for row in client.get(BASE).json()["results"]] == [strategy]
    assert not Deployment.objects.exists()


def test_a_halted_one_is_stopped_for_good_and_its_position_stays(client, owner):
    portfolio = owner.portfolios.get()
    body = {"strategy_id": made(client).json()["id"], "symbol": "SPX", "capital": "1000"}
    door = f"/api/v1/deployments/{post(client, '/api/v1/deployments/', body).json()['id']}/"

    first, second = (post(client, f"{door}halt/", {}) for _ in range(2))
    resumed = post(client, f"{door}resume/", {})

    assert (first.json()["status"], first.json()["manages"]) == ("STOPPED", "nothing")
    assert second.json() == first.json()
    assert (resumed.status_code, resumed.json()["code"]) == (409, "DEPLOYMENT_STOPPED")
    assert not portfolio.orders.exists()


def test_a_deployment_is_told_a_size_within_the_caps(client, owner):
    body = {"strategy_id": made(client).json()["id"], "symbol": "SPX", "capital": "1000"}
    deployment = post(client, "/api/v1/deployments/", body).json()["id"]

    found = client.get(f"/api/v1/deployments/{deployment}/sizing/").json()

    assert 0.0 <= found["weight"] <= 0.25
    assert found["quantity"] == f"{float(found['quantity']):.8f}"
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
    assert "300% of equity" in response.content.decode()
    assert not Strategy.objects.exists()


def patch(client, strategy, body):
    return client.patch(f"{BASE}{strategy}/", body, content_type="application/json")


def test_a_strategy_is_renamed_without_a_version(client, owner):
    strategy = made(client).json()["id"]
    post(client, "/api/v1/deployments/", {"strategy_id": strategy, "symbol": "SPX"}, key="work")

    answer = patch(client, strategy, {"name": " Crossing "})

    assert (answer.status_code, answer.json()["name"]) == (200, "Crossing")
    assert len(answer.json()["versions"]) == 1
    assert Deployment.objects.get().version.strategy.name == "Crossing"
    assert patch(client, strategy, {"name": "Crossing"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "Taken"}, 409, "you already have a strategy named"),
        ({"name": "x" * 81}, 422, "the name has 81 characters; 1 to 80 are allowed"),
        ({"name": " "}, 422, "the name has 0 characters; 1 to 80 are allowed"),
        ({}, 422, "This field is required."),
        ({"name": "Fine", "key": "hybrid"}, 400, "key"),
    ],
)
def test_a_name_that_cannot_be_is_refused_in_one_sentence(client, owner, body, status, words):
    strategy = made(client).json()["id"]
    made(client, name="Taken")

    answer = patch(client, strategy, body)

    assert answer.status_code == status, answer.content
    assert words in answer.content.decode()
    assert Strategy.objects.get(pk=strategy).name == "Cross"


def test_nobody_renames_a_foreign_strategy(client, owner):
    strategy = made(client).json()["id"]
    client.force_login(user_make("other"))

    assert patch(client, strategy, {"name": "Mine"}).status_code == 404


def test_switches_and_schedule_are_listed_taken_refused_and_compared(client, owner):
    found = client.get(f"{BASE}templates/").json()
    template = {one["key"]: one for one in found}
    strategy = made(client, key="volatility_adaptive_trend", parameters={}).json()["id"]
    own = {"size_factor.ADAPTIVE": "off", "schedule.days": ["MON"], "schedule.from": "9:30"}

    version = post(client, f"{BASE}{strategy}/versions/", {"parameters": own}).json()
    diff = client.get(f"{BASE}{strategy}/versions/2/diff/?against=1").json()
    wrong = {"schedule.until": "noon"}
    refused = post(client, f"{BASE}{strategy}/versions/", {"parameters": wrong}, key="again")

    assert template["sma_cross"]["switches"] == []
    assert "size_factor.ADAPTIVE" in template["volatility_adaptive_trend"]["switches"]
    assert "schedule.every_bars" in [part["key"] for part in template["hybrid"]["schedule"]]
    assert {name: version["parameters"][name] for name in own} == {
        **own, "schedule.days": "MON", "schedule.from": "09:30",
    }  # fmt: skip
    changed = {c["key"]: (c["old"], c["new"]) for c in diff if c["is_changed"]}
    assert changed == {name: (None, version["parameters"][name]) for name in own}
    assert "written HH:MM" in refused.json()["detail"]


def test_a_deployment_says_what_its_book_holds_and_what_protects_it(client, owner):
    strategy = made(
        client, key="volatility_adaptive_trend", parameters={"protection": "resting"}
    ).json()["id"]
    number = post(
        client, "/api/v1/deployments/", {"strategy_id": strategy, "symbol": "SPX"}
    ).json()["id"]
    door = f"/api/v1/deployments/{number}/"

    flat = client.get(door).json()
    deployment = Deployment.objects.get(pk=number)
    deployment.state |= {"quantity": 2.5, "avg_entry_price": 101.25, "equity": 99_000.5}
    deployment.save()
    held = client.get(door).json()

    names = ("quantity", "avg_entry_price", "equity")
    assert [flat[name] for name in names] == ["0.00000000", None, flat["capital"]]
    assert [held[name] for name in names] == ["2.50000000", "101.25000000", "99000.50000000"]
    assert flat["protection"]["sentence"].startswith("Nothing is held.")
    assert (flat["protection"]["order_ids"], flat["model"]) == ([], "")
    assert client.get("/api/v1/deployments/").json()["results"][0]["quantity"] == "2.50000000"
