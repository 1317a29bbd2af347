"""A finished run becomes a draft strategy; against its verdict only with the word."""

from __future__ import annotations

import pytest

from trading.models import Deployment, StrategyVersion
from trading.tests.backtest_rows import done_make, waiting_make
from trading.tests.factories import user_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return user_make()


def judged(owner, status):
    made = done_make(owner)
    made.result.honesty["status"] = status
    made.result.save(update_fields=["honesty"])
    return made


def test_a_run_that_holds_up_becomes_a_draft_and_nothing_starts(desk, owner):
    made = judged(owner, "PASS")

    answer = desk.post(f"/backtests/{made.pk}/adopt/")

    version = StrategyVersion.objects.get(strategy__user=owner)
    assert answer.headers["Location"] == f"/strategies/{version.strategy_id}/"
    assert version.is_draft
    assert version.parameters["fast"] == 5
    assert version.note == f"from backtest #{made.pk}"
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("word", ["", "yes"])
def test_a_failed_run_is_refused_without_the_word(desk, owner, word):
    made = judged(owner, "FAIL")

    answer = desk.post(f"/backtests/{made.pk}/adopt/", {"override": word})

    assert answer.status_code == 422
    assert "Type unproven to go on" in answer.content.decode()
    assert not StrategyVersion.objects.filter(strategy__user=owner).exists()


def test_the_word_takes_it_anyway_and_is_recorded(desk, owner):
    made = judged(owner, "FAIL")

    desk.post(f"/backtests/{made.pk}/adopt/", {"override": " Unproven "})

    version = StrategyVersion.objects.get(strategy__user=owner)
    assert version.note == f"from backtest #{made.pk}, against its verdict (unproven)"


def test_the_same_run_is_taken_once(desk, owner):
    made = judged(owner, "PASS")
    desk.post(f"/backtests/{made.pk}/adopt/")

    answer = desk.post(f"/backtests/{made.pk}/adopt/")

    assert answer.status_code in (409, 422)
    assert StrategyVersion.objects.filter(strategy__user=owner).count() == 1


def test_a_run_without_a_result_cannot_be_used(desk, owner):
    made = waiting_make(owner)

    assert "Only a finished run" in desk.get(f"/backtests/{made.pk}/adopt/").content.decode()
    assert desk.post(f"/backtests/{made.pk}/adopt/").status_code == 422
    assert not StrategyVersion.objects.filter(strategy__user=owner).exists()


def test_a_run_of_somebody_else_is_not_found(desk):
    made = done_make(user_make())

    assert desk.get(f"/backtests/{made.pk}/adopt/").status_code == 404
    assert desk.post(f"/backtests/{made.pk}/adopt/", {"override": "unproven"}).status_code == 404
