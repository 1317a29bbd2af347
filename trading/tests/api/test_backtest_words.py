"""REST: tags, fixed weights, and the split of a result at any day."""

from __future__ import annotations

import json

import pytest

from trading.models import Backtest
from trading.services.backtests.requests import backtest_describe
from trading.tests.backtest_rows import done_make, waiting_make, walk_make
from trading.tests.factories import user_make

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/backtests/"
BODY = {"strategy": "sma_cross", "symbol": "WALK", "parameters": {"fast": 5, "slow": 20},
        "commission_bps": 5}  # fmt: skip
JSON = "application/json"


def test_tags_and_split_are_given_and_told(desk):
    walk_make()
    body = BODY | {"tags": ["Idea"], "out_of_sample_from": "2009-05-01"}

    answer = desk.post(ROOT, json.dumps(body), content_type=JSON)

    assert answer.status_code == 202
    assert answer.json()["tags"] == ["idea"]
    assert answer.json()["out_of_sample_from"] == "2009-05-01"


def test_runs_are_filtered_by_tag(desk, owner):
    kept, _ = done_make(owner), waiting_make(owner)
    backtest_describe(backtest=kept, note="", tags="idea")

    found = desk.get(ROOT, {"tag": "idea"}).json()["results"]

    assert [row["id"] for row in found] == [kept.pk]
    assert desk.get(ROOT, {"tga": "idea"}).status_code == 400
    assert desk.get(ROOT, {"status": "LOST"}).status_code == 400


def test_a_patch_replaces_what_it_names_and_leaves_the_rest(desk, owner):
    made = waiting_make(owner)
    backtest_describe(backtest=made, note="old", tags="a")

    answer = desk.patch(f"{ROOT}{made.pk}/", json.dumps({"tags": ["b"]}), content_type=JSON)

    assert (answer.json()["note"], answer.json()["tags"]) == ("old", ["b"])


def test_a_patch_of_somebody_else_is_not_found(desk):
    made = waiting_make(user_make())

    answer = desk.patch(f"{ROOT}{made.pk}/", json.dumps({"tags": ["b"]}), content_type=JSON)

    assert answer.status_code == 404
    assert not made.tags.exists()


def test_weights_reach_the_run_and_wrong_ones_name_their_field(desk):
    walk_make()
    walk_make(200, "OTHER", 5)
    body = BODY | {"symbols": ["WALK", "OTHER"], "allocation": "FIXED_WEIGHT"}

    def post(weights):
        return desk.post(ROOT, json.dumps(body | {"weights": weights}), content_type=JSON)

    refused = post({"WALK": 0.9, "OTHER": 0.9})
    assert refused.status_code == 422
    assert "the limit is 1" in refused.json()["errors"]["weights"]
    assert post({"WALK": 0.5, "OTHER": 0.5}).json()["allocation"]["weights"]["WALK"] == 0.5
    assert Backtest.objects.count() == 1


def test_a_result_is_split_at_any_day(desk, owner):
    made = done_make(owner)

    answer = desk.get(f"{ROOT}{made.pk}/split/", {"from": "2009-02-02"})

    assert answer.json()["out_of_sample"]["first_on"] == "2009-02-02"
    assert 0.0 <= answer.json()["null_win_rate"] <= 1.0
    assert desk.get(f"{ROOT}{made.pk}/split/", {"from": "soon"}).status_code == 400
    assert desk.get(f"{ROOT}{made.pk}/split/", {"from": "1950-01-01"}).status_code == 422


def test_a_split_of_somebody_else_is_not_found(desk):
    made = done_make(user_make())

    assert desk.get(f"{ROOT}{made.pk}/split/", {"from": "2009-02-02"}).status_code == 404
