"""REST door of optimizations: whose, which answers, the same key once, and all their CSV."""

from __future__ import annotations

import csv
import io
import json

import pytest

from elson.common.models import OutboxEvent
from trading.models import Deployment, StrategyVersion, Study
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import walk_make
from trading.tests.factories import user_make
from trading.tests.study_rows import ASKED, member_make, study_finish, study_make

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/optimizations/"
BODY = {key: value for key, value in ASKED.items() if key != "strategy_key"} | {
    "strategy": "sma_cross"
}


@pytest.fixture
def owner():
    return member_make()


def post(client, path="", body=None, **headers):
    return client.post(
        ROOT + path, json.dumps(body), content_type="application/json", headers=headers
    )


def test_the_list_has_the_verdicts_its_page_shows(client, owner):
    client.force_login(owner)
    done, waiting = study_finish(study_make(owner)), study_make(owner)

    rows = {row["id"]: row["verdict"] for row in client.get(ROOT).json()["results"]}

    judgement = Study.objects.get(pk=done.pk).judgement
    assert rows[waiting.pk] is None
    assert rows[done.pk] == {
        "suggested_trial": judgement["pick"],
        "best_trial": judgement["best"],
        **{name: judgement[name]
           for name in ("is_overfit", "deflated_sharpe", "probability_of_overfitting")},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("get", "", None, 200),
        ("get", "{pk}/", None, 200),
        ("get", "{pk}/trials/", None, 200),
        ("get", "{pk}/trials.csv", None, 200),
        ("post", "{pk}/pause/", None, 200),
        ("post", "{pk}/resume/", None, 409),
        ("post", "{pk}/stop/", None, 200),
        ("post", "{pk}/extend/", {"n_trials": 13}, 409),
        ("post", "{pk}/holdout/", {"trial": 1}, 409),
        ("post", "{pk}/apply/", {"trial": 1}, 404),
    ],
)
def test_a_door_opens_for_the_owner_alone(client, owner, method, path, body, answer):
    address = path.format(pk=study_make(owner).pk)
    if path == "{pk}/resume/":
        Study.objects.update(status="STOPPED")

    def ask():
        return client.get(ROOT + address) if method == "get" else post(client, address, body)

    assert ask().status_code == 401
    client.force_login(user_make())
    assert ask().status_code == (404 if path else 200)
    client.force_login(owner)
    assert ask().status_code == answer


def test_a_search_is_accepted_once_per_key(desk):
    walk_make(500)

    first = post(desk, body=BODY, **{"Idempotency-Key": "a"})
    again = post(desk, body=BODY, **{"Idempotency-Key": "a"})

    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert desk.get(first.headers["Location"]).json()["n_trials"] == 12
    assert OutboxEvent.objects.count() == 2


def test_usual_slippage_and_impact_are_asked_for_and_told(desk):
    walk_make(500)

    usual = post(desk, body=BODY | {"has_regime_costs": True})
    more = post(desk, body=BODY | {"has_regime_costs": True, "has_usual_slippage": True})

    told = [desk.get(made.headers["Location"]).json() for made in (usual, more)]
    assert [found["has_usual_slippage"] for found in told] == [False, True]


def test_a_free_plan_is_refused_with_its_reason(client):
    walk_make(500)
    client.force_login(user_make())

    answer = post(client, body=BODY)

    assert (answer.status_code, answer.json()["code"]) == (403, "PLAN_WITHOUT_OPTIMIZATION")


def test_every_fault_of_a_request_is_told_at_once(desk):
    walk_make(500)

    answer = post(desk, body=BODY | {"space": {"fast": {"low": -1}}, "n_trials": "many"})

    assert answer.status_code == 422
    assert {"space.fast", "n_trials"} <= answer.json()["errors"].keys()


def test_the_csv_has_one_line_per_trial_best_first_and_a_column_per_parameter(desk, owner):
    study = study_finish(study_make(owner))

    answer = desk.get(f"{ROOT}{study.pk}/trials.csv")

    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    objectives = [float(row["objective"]) for row in rows if row["objective"]]
    assert len(rows) == 12
    assert objectives == sorted(objectives, reverse=True)
    assert {"fast", "slow", "gap"} <= rows[0].keys()


def test_applying_answers_the_draft_and_what_differs(desk, owner):
    study = study_finish(study_make(owner))
    used = strategy_create(user=owner, key="sma_cross", name="Mine")

    answer = post(desk, f"{study.pk}/apply/", {"trial": 1, "strategy_id": used.strategy_id})

    changed = [change["key"] for change in answer.json()["changes"] if change["is_changed"]]
    assert (answer.status_code, answer.json()["number"], changed) == (201, 2, ["fast", "slow"])
    assert StrategyVersion.objects.count() == 2
    assert not Deployment.objects.exists()


def test_the_holdout_opens_once(desk, owner):
    study = study_finish(study_make(owner))

    first = post(desk, f"{study.pk}/holdout/", {"trial": 2})

    assert (first.status_code, first.json()["holdout_trial"]) == (200, 2)
    assert post(desk, f"{study.pk}/holdout/", {"trial": 3}).json()["code"] == "HOLDOUT_OPENED"


def test_an_unknown_parameter_is_refused_by_name(desk):
    assert desk.get(f"{ROOT}?colour=red").status_code == 400
