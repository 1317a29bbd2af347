"""What is typed on the page of a search: refused at its field, on the page it was typed on."""

from __future__ import annotations

import re

import pytest

from trading.models import Study
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import walk_make
from trading.tests.study_rows import member_make, study_finish, study_make
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


@pytest.fixture
def owner():
    return member_make()


@pytest.fixture
def study(owner):
    return study_finish(study_make(owner, method="random", n_trials=6))


def fault_of(answer, field):
    """What is said at a field."""
    found = re.search(rf'id="id_{field}_error"[^>]*>(.*?)</(?:p|ul|div)>', text(answer))
    return found and re.sub(r"<[^>]+>", "", found[1]).strip()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("abc", "Trials in all “abc” must be a whole number"),
        ("", "Trials in all is missing"),
        ("-5", "-5 trials must lie between the 6 there are"),
        ("999999", "999,999 trials must lie between the 6 there are"),
    ],
)
def test_trials_that_cannot_be_added_are_refused_at_their_field(desk, study, typed, said):
    answer = desk.post(f"/optimizations/{study.pk}/extend/", {"n_trials": typed})

    assert answer.status_code == 422
    assert said in fault_of(answer, "n_trials")
    assert f'value="{typed}"' in text(answer) or not typed
    assert "Leaderboard" in text(answer)
    assert Study.objects.get().n_trials == study.n_trials


@pytest.mark.parametrize(
    ("typed", "said"), [("abc", "must be a whole number"), ("9999", "There is no finished trial")]
)
def test_a_holdout_for_no_trial_is_refused_at_its_field(desk, study, typed, said):
    answer = desk.post(f"/optimizations/{study.pk}/holdout/", {"trial": typed, "word": "open"})

    assert answer.status_code == 422
    assert said in fault_of(answer, "trial")
    assert Study.objects.get().holdout is None


def test_the_holdout_opens_with_the_word_and_not_at_one_click(desk, study):
    address = f"/optimizations/{study.pk}/holdout/"

    asked = text(desk.get(f"{address}?trial=3"))
    refused = desk.post(address, {"trial": "3"})
    closed = Study.objects.get().holdout
    desk.post(address, {"trial": "3", "word": "Open"})

    assert 'value="3"' in asked
    assert "no trial is added afterwards" in asked
    assert "cannot be closed again" in fault_of(refused, "word")
    assert closed is None
    assert Study.objects.get().holdout_trial == 3
    assert desk.get(address).url == f"/optimizations/{study.pk}/#holdout"


@pytest.mark.parametrize(
    ("days", "said"),
    [("abc", "must be a whole number"), ("999", "999 days must lie between 1 and 366")],
)
def test_a_repeat_that_cannot_be_made_is_refused_at_its_field(desk, owner, study, days, said):
    mine = strategy_create(user=owner, key="sma_cross", name="Mine")

    answer = desk.post(
        f"/optimizations/{study.pk}/repeat/", {"every_days": days, "strategy": mine.strategy_id}
    )

    assert answer.status_code == 422
    assert said in fault_of(answer, "every_days")
    assert Study.objects.get().repeats_every_days is None


@pytest.mark.parametrize(("query", "said"), [("", "No trial was named"), ("?trial=x", "“x”")])
def test_applying_no_trial_keeps_the_page_of_the_search(desk, study, query, said):
    answer = desk.get(f"/optimizations/{study.pk}/apply/{query}")

    assert answer.status_code == 422
    assert said in text(answer)
    assert 'id="leaderboard"' in text(answer)


def test_the_leaderboard_has_pages_and_pins_stay_on_each(desk, owner):
    found = study_finish(study_make(owner, method="random", n_trials=40, space={
        "fast": {"low": 2, "high": 19, "step": 1}, "slow": {"low": 20, "high": 60, "step": 1}
    }))  # fmt: skip
    address = f"/optimizations/{found.pk}/"
    shown = [
        set(re.findall(r'data-trial="(\d+)"', text(desk.get(f"{address}?sort=number{query}"))))
        for query in ("", "&page=2", "&page=2&pin=1")
    ]

    assert len(shown[0]) == 25
    assert not shown[0] & shown[1]
    assert len(shown[0] | shown[1]) == 40
    assert shown[2] >= {"1"}


def test_the_estimate_follows_every_field(desk):
    walk_make(500)
    sent = {
        "part": "estimate", "strategy_key": "sma_cross", "symbol": "WALK", "method": "GRID",
        "n_trials": "200", "s_fast_moves": "on", "s_fast_low": "2", "s_fast_high": "12",
        "s_fast_step": "1", "s_slow_value": "30", "s_sizing_value": "all_in",
    }  # fmt: skip

    few = text(desk.get("/optimizations/new/", sent, headers=PART))
    many = text(desk.get("/optimizations/new/", sent | {"s_fast_high": "22"}, headers=PART))

    assert "11</data> combinations" in few
    assert "21</data> combinations" in many
    assert "<form" not in many


def test_a_narrow_screen_sorts_by_a_choice(desk, owner, study):
    listed = text(desk.get("/optimizations/?sort=trials"))
    led = text(desk.get(f"/optimizations/{study.pk}/?sort=-gap&pin=2"))

    assert '<option value="trials" selected>Trials, rising</option>' in listed
    assert '<option value="-gap" selected>Gap, falling</option>' in led
    assert '<input type="hidden" name="pin" value="2">' in led
