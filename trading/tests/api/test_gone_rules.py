"""Rules that are not installed any more, or have other parameters: named, not a fault of ours."""

from __future__ import annotations

import json

import pytest

from trading.models import Backtest, Study
from trading.tests.backtest_rows import done_make
from trading.tests.study_rows import member_make, study_finish, study_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return member_make()


@pytest.fixture
def search(owner):
    return study_finish(study_make(owner))


def post(client, path, body):
    headers = {"Idempotency-Key": "once"}
    body = json.dumps(body)
    return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


@pytest.mark.parametrize("act", ["apply", "holdout"])
def test_a_search_by_rules_that_are_gone_says_so(desk, search, act):
    Study.objects.update(strategy_key="gone")

    answer = post(desk, f"optimizations/{search.pk}/{act}/", {"trial": 1})

    assert (answer.status_code, answer.json()["code"]) == (409, "STRATEGY_NOT_INSTALLED")


def test_a_search_by_rules_of_another_schema_opens_no_holdout(desk, search):
    Study.objects.update(space={"gone": {"low": 1, "high": 3, "step": 1}})

    answer = post(desk, f"optimizations/{search.pk}/holdout/", {"trial": 1})

    assert answer.status_code == 409
    assert "gone" in answer.json()["detail"]


def test_a_run_by_rules_that_are_gone_is_not_made_again(desk, owner):
    run = done_make(owner)
    Backtest.objects.update(strategy_key="gone")

    answer = post(desk, f"backtests/{run.pk}/rerun/", {})

    assert (answer.status_code, answer.json()["code"]) == (409, "STRATEGY_NOT_INSTALLED")
