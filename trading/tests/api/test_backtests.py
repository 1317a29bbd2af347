"""REST door of backtests: whose runs, which answers, and the same key once."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from trading.models import Backtest, Deployment, StrategyVersion
from trading.tests.backtest_rows import done_make, waiting_make, walk_make
from trading.tests.factories import user_make

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/backtests/"
BODY = {
    "strategy": "sma_cross",
    "symbol": "WALK",
    "parameters": {"fast": 5, "slow": 20},
    "commission_bps": 5,
}
JSON = "application/json"


def post(client, path=ROOT, body=BODY, **headers):
    return client.post(path, json.dumps(body), content_type=JSON, headers=headers)


def test_the_list_has_the_figures_it_is_sorted_by(client, owner):
    client.force_login(owner)
    kept, whole = done_make(owner), done_make(owner, out_of_sample_share=0)
    waiting = waiting_make(owner)

    rows = {row["id"]: row["judged"] for row in client.get(ROOT).json()["results"]}

    for made, part, key in ((kept, "out_of_sample", "out_of_sample"), (whole, "whole_span", "all")):
        figures = made.result.metrics[key]
        assert rows[made.pk]["part"] == part
        assert rows[made.pk]["total_return"] == figures["total_return"]
        assert rows[made.pk]["n_round_trips"] == figures["n_round_trips"]
        assert rows[made.pk]["verdict"] == made.result.honesty["status"]
    assert rows[waiting.pk] is None
    assert client.get(f"{ROOT}{kept.pk}/").json()["judged"] == rows[kept.pk]


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("get", "", 200),
        ("get", "{pk}/", 200),
        ("get", "{pk}/result/", 409),
        ("get", "{pk}/trades.csv", 409),
        ("post", "{pk}/cancel/", 202),
        ("post", "{pk}/rerun/", 429),
    ],
)
def test_a_door_opens_for_the_owner_alone(client, owner, method, path, answer):
    address = ROOT + path.format(pk=waiting_make(owner, now=timezone.now()).pk)

    assert getattr(client, method)(address).status_code == 401
    client.force_login(user_make())
    assert getattr(client, method)(address).status_code == (404 if path else 200)
    client.force_login(owner)
    assert getattr(client, method)(address).status_code == answer


def test_a_stranger_cannot_ask_for_a_run(client):
    walk_make()

    assert post(client).status_code == 401
    assert not Backtest.objects.exists()


def test_a_list_holds_only_ones_own_runs(desk, owner):
    mine = waiting_make(owner)
    waiting_make(user_make())

    assert [row["id"] for row in desk.get(ROOT).json()["results"]] == [mine.pk]


def test_a_longer_list_needs_no_more_queries(desk, owner, django_assert_num_queries):
    done_make(owner)
    with CaptureQueriesContext(connection) as one:
        assert "so_far" not in desk.get(ROOT).json()["results"][0]
    done_make(owner)

    with django_assert_num_queries(len(one)):
        assert len(desk.get(ROOT).json()["results"]) == 2


def test_a_request_is_answered_202_with_where_to_look(desk):
    walk_make()

    response = post(desk)

    made = Backtest.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"{ROOT}{made.pk}/"
    assert desk.get(response["Location"]).json() == response.json()
    assert response.json()["status"] == "QUEUED"
    assert response.json()["cash"] == "100000.00000000"


def test_the_same_key_again_returns_the_first_run(desk):
    walk_make()
    headers = {"Idempotency-Key": "once"}

    first, second = post(desk, **headers), post(desk, **headers)

    assert first.json()["id"] == second.json()["id"]
    assert Backtest.objects.count() == 1


def test_a_mistyped_field_is_refused_by_name_and_nothing_is_stored(desk):
    walk_make()

    response = post(desk, body=BODY | {"comission_bps": 5})

    assert (response.status_code, response.json()["field"]) == (400, "comission_bps")
    assert not Backtest.objects.exists()


def test_a_key_the_row_has_no_room_for_is_refused(desk):
    walk_make()

    response = post(desk, **{"Idempotency-Key": "x" * 81})

    assert (response.status_code, response.json()["code"]) == (400, "IDEMPOTENCY_KEY_TOO_LONG")
    assert not Backtest.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "nope"}, "nope"),
        ({"symbol": "NOPE"}, "NOPE"),
        ({"parameters": {"fast": 0}}, "at least 1"),
        ({"parameters": {"speed": 1}}, "speed"),
        ({"cash": "-5"}, "between 1 and"),
        ({"commission_bps": 0}, "no market trades for free"),
        ({"start_date": "2030-01-01"}, "lies after the data"),
        ({"strategy": None}, "strategy"),
        ({"seed": "x"}, "seed"),
        ({"parameters": [1]}, "parameters"),
    ],
)
def test_bad_input_is_a_problem_that_names_it_and_nothing_is_stored(desk, changes, words):
    walk_make()

    response = post(desk, body=BODY | changes)

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert words in response.content.decode()
    assert not Backtest.objects.exists()


def test_a_second_run_at_once_is_refused_429(desk, owner):
    waiting_make(owner, now=timezone.now())

    response = post(desk)

    assert response.status_code == 429
    assert "1 at once" in response.json()["detail"]


def test_a_result_is_plain_json_and_its_rows_add_up(desk, owner):
    made = done_make(owner)

    found = json.loads(desk.get(f"{ROOT}{made.pk}/result/").content, parse_constant=pytest.fail)

    whole = found["metrics"]["all"]
    assert sum(row["n"] for row in found["by_regime"].values()) == whole["n_round_trips"]
    assert len(found["round_trips"]) == whole["n_round_trips"]
    assert found["honesty"]["verdict"]
    assert found["manifest"]["params"] == {**found["manifest"]["params"], "fast": 5, "slow": 20}


def test_trades_come_as_csv_with_a_line_for_each_round_trip(desk, owner):
    made = done_make(owner)

    said = desk.get(f"{ROOT}{made.pk}/trades.csv")

    rows = list(csv.DictReader(io.StringIO(said.content.decode())))
    assert said["Content-Type"].startswith("text/csv")
    assert [row["pnl"] for row in rows] == [str(t["pnl"]) for t in made.result.round_trips]


def test_a_finished_run_cannot_be_canceled(desk, owner):
    made = done_make(owner)

    response = desk.post(f"{ROOT}{made.pk}/cancel/")

    assert response.status_code == 409
    assert "has already ended: done" in response.json()["detail"]


def test_a_portfolio_is_asked_for_by_its_symbols(desk, owner):
    walk_make()
    walk_make(200, "OTHER", 5)

    answer = post(desk, body=BODY | {"symbol": "", "symbols": ["WALK", "OTHER"], "impact": 1})

    assert answer.status_code == 202
    assert answer.json()["symbols"] == ["WALK", "OTHER"]
    assert answer.json()["allocation"]["allocation"] == "EQUAL_WEIGHT"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"symbols": ["WALK", "NOPE"]}, "symbols"),
        ({"max_participation": 2}, "max_participation"),
        ({"commission_bps": 0}, "is_free_confirmed"),
        ({"allocation": "MARTINGALE", "symbols": ["WALK"]}, "allocation"),
    ],
)
def test_an_impossible_request_is_refused_and_nothing_is_stored(desk, changes, field):
    walk_make()

    answer = post(desk, body=BODY | changes)

    assert answer.status_code == 422
    assert field in answer.json()["errors"]
    assert not Backtest.objects.exists()


def test_the_result_says_what_was_paid_and_how_it_was_examined(desk, owner):
    row = done_make(owner)

    result = desk.get(f"{ROOT}{row.pk}/result/").json()

    assert result["costs"]["parts"]["total"] > 0
    assert len(result["honesty"]["rows"]) >= 15
    assert {"mae", "mfe"} <= set(result["round_trips"][0])
    assert all(trip["mae"] <= 0.0 <= trip["mfe"] for trip in result["round_trips"])


def test_asking_again_with_the_same_key_returns_the_run_it_made(desk, owner):
    row = done_make(owner)
    headers = {"Idempotency-Key": "again"}

    first, second = (post(desk, f"{ROOT}{row.pk}/rerun/", {}, **headers) for _ in range(2))

    assert first.json()["id"] == second.json()["id"] != row.pk
    assert Backtest.objects.count() == 2


def test_a_run_is_put_to_use_as_a_draft(desk, owner):
    row = done_make(owner)
    row.result.honesty["status"] = "PASS"
    row.result.save(update_fields=["honesty"])

    answer = post(desk, f"{ROOT}{row.pk}/adopt/", {})

    made = StrategyVersion.objects.get(strategy__user=owner)
    assert (answer.status_code, answer["Location"]) == (
        201, f"/api/v1/strategies/{made.strategy_id}/"
    )  # fmt: skip
    assert answer.json()["is_draft"] is True
    assert answer.json()["parameters"]["fast"] == 5
    assert not Deployment.objects.exists()


def test_only_the_owner_puts_a_run_to_use_and_only_a_finished_one(client, owner):
    row = waiting_make(owner)

    assert post(client, f"{ROOT}{row.pk}/adopt/", {}).status_code == 401
    client.force_login(user_make())
    assert post(client, f"{ROOT}{row.pk}/adopt/", {}).status_code == 404
    client.force_login(owner)
    assert post(client, f"{ROOT}{row.pk}/adopt/", {}).status_code == 409


def test_a_run_against_its_verdict_needs_the_word(desk, owner):
    row = done_make(owner)
    row.result.honesty["status"] = "FAIL"
    row.result.save(update_fields=["honesty"])

    refused = post(desk, f"{ROOT}{row.pk}/adopt/", {"override": "please"})
    taken = post(desk, f"{ROOT}{row.pk}/adopt/", {"override": "unproven"})

    assert (refused.status_code, refused.json()["code"]) == (422, "VERDICT_FAILED")
    assert taken.status_code == 201
    assert "against its verdict" in taken.json()["note"]
