"""Setting up a search: what the form takes, keeps and refuses."""

from __future__ import annotations

import re

import pytest

from trading.engine.strategies.base import Parameter
from trading.forms import _parameter_field as version_field
from trading.models import Study
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import walk_make
from trading.tests.study_rows import member_make
from trading.tests.views.pages import STUDY_FORM, text
from trading.views.backtest_form import _parameter_field as backtest_field
from trading.views.study_form import _space_defaults

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return member_make()


def test_the_form_starts_a_search_once_per_key(desk):
    walk_make(500)

    first = desk.post("/optimizations/new/", STUDY_FORM)
    again = desk.post("/optimizations/new/", STUDY_FORM)

    study = Study.objects.get()
    assert first.url == again.url == f"/optimizations/{study.pk}/"
    assert study.space["fast"] == {"low": 3.0, "high": 12.0, "step": 3.0, "log": False}
    assert (study.fixed["slow"], study.n_trials) == (30, 4)


def test_a_refused_form_keeps_what_was_typed_and_says_why(desk):
    walk_make(500)

    answer = desk.post("/optimizations/new/", STUDY_FORM | {"s_fast_low": "99", "n_folds": "1"})

    assert answer.status_code == 422
    assert "Fast: low 99 must not be above high 12." in text(answer)
    assert "Folds 1 must lie between 2 and 20" in text(answer)
    assert 'value="99"' in text(answer)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"s_slow_moves": "on", "s_slow_low": "x"}, "s_slow_low", "x"),
        ({"s_slow_value": "many"}, "s_slow_value", "it must be a number"),
        (
            {"s_sizing_moves": "on", "s_sizing_choices": "fast"},
            "s_sizing_choices",
            "must be one of",
        ),
    ],
)
def test_a_fault_of_the_space_stands_at_the_parameter_it_is_of(desk, changes, field, said):
    # The sentence of the last one names another parameter too: words do not decide the place.
    walk_make(500)

    form = desk.post("/optimizations/new/", STUDY_FORM | changes).context["form"]

    assert list(form.errors) == [field]
    assert said in form.errors[field][0]


@pytest.mark.parametrize("given", [["all_in", "volatility_target"], "all_in,volatility_target"])
def test_the_choices_a_search_tries_are_ticked_or_come_in_one_text(desk, given):
    walk_make(500)
    sent = {"s_sizing_moves": "on", "s_sizing_choices": given}

    desk.post("/optimizations/new/", STUDY_FORM | sent)

    assert Study.objects.get().space["sizing"] == {"choices": ["all_in", "volatility_target"]}


def test_a_choice_that_moves_without_a_tick_is_refused_at_its_ticks(desk):
    walk_make(500)

    answer = desk.post("/optimizations/new/", STUDY_FORM | {"s_sizing_moves": "on"})

    assert answer.status_code == 422
    assert "Sizing: 0 choices are given; at least 1 is needed." in text(answer)
    assert list(answer.context["form"].errors) == ["s_sizing_choices"]


def test_a_refused_search_keeps_the_ticks_of_choices(desk):
    walk_make(500)
    wrong = {"s_sizing_moves": "on", "s_sizing_choices": "volatility_target", "n_folds": "many"}

    answer = desk.post("/optimizations/new/", STUDY_FORM | wrong)

    assert answer.status_code == 422
    ticked = re.findall(r'name="s_sizing_choices" value="(\w+)"[^>]*checked', text(answer))
    assert ticked == ["volatility_target"]


def test_fetching_the_fields_again_keeps_the_ticks_of_choices(desk):
    walk_make(500)
    sent = STUDY_FORM | {"s_sizing_moves": "on", "s_sizing_choices": ["volatility_target"]}

    page = desk.get("/optimizations/new/", sent, headers={"HX-Request": "true"})

    assert page.context["form"]["s_sizing_choices"].value() == ["volatility_target"]
    assert text(page).count('name="s_sizing_choices"') == 2
    assert len(re.findall(r'name="s_sizing_choices"[^>]*checked', text(page))) == 1


def test_fetching_the_fields_again_keeps_boxes_that_were_unticked(desk):
    walk_make(500)
    sent = {name: value for name, value in STUDY_FORM.items() if name != "s_fast_moves"}
    sent |= {"s_fast_value": "9", "s_slow_moves": "on"}

    said = text(desk.get("/optimizations/new/", sent, headers={"HX-Request": "true"}))

    assert 'id="id_s_slow_moves" checked' in said
    assert 'id="id_s_fast_moves" checked' not in said
    assert 'value="9"' in said


def test_usual_slippage_and_impact_are_a_box_beside_the_usual_costs(desk):
    walk_make(500)
    both = {"has_regime_costs": "on", "has_usual_slippage": "on"}

    fresh = text(desk.get("/optimizations/new/?symbol=WALK"))
    refused = desk.post("/optimizations/new/", STUDY_FORM | {"has_usual_slippage": "on"})
    made = desk.post("/optimizations/new/", STUDY_FORM | both)

    assert "1 bp a side for WALK" in fresh
    assert 'id="id_has_usual_slippage" checked' not in fresh
    assert refused.status_code == 422
    assert "turn those on as well" in text(refused)
    assert Study.objects.get().has_usual_slippage
    assert "+ usual costs, usual slippage and impact" in text(desk.get(made.url))


def test_a_new_form_warns_of_luck(desk):
    walk_make(500)

    assert "worthless trials" in text(
        desk.get("/optimizations/new/?strategy_key=sma_cross&n_trials=2000")
    )


def test_two_clicks_start_one_search_and_a_changed_form_another(desk):
    walk_make(500)

    first, second = (desk.post("/optimizations/new/", STUDY_FORM) for _ in range(2))
    other = desk.post("/optimizations/new/", STUDY_FORM | {"seed": "8"})

    assert first["Location"] == second["Location"] != other["Location"]
    assert Study.objects.count() == 2


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [((None, None), "-3", "-1"), ((-2.5, None), "-2.5", "-1"), ((None, 0.0), "-3", "-1")],
)
def test_a_new_form_moves_a_parameter_around_its_default_whatever_bounds_it(bounds, low, high):
    parameter = Parameter("level", "FLOAT", -2.0, "Level", *bounds)

    found = _space_defaults(parameter, "", moves=True)

    assert (found["low"], found["high"]) == (low, high)


def test_a_search_of_a_version_begins_at_its_values_and_keeps_what_no_row_moves(desk, owner):
    walk_make(500)
    kept = {"schedule.days": "MON TUE", "stop_atr.HIGH": 3.5}
    version = strategy_create(
        user=owner,
        key="volatility_adaptive_trend",
        name="Calm",
        parameters={"trend_bars": 60, **kept},
        limits={"max_position_weight": 0.2},
    )

    page = desk.get(f"/optimizations/new/?version={version.pk}&symbol=WALK")
    form = page.context["form"]
    sent = {name: form[name].value() or "" for name in form.fields}
    answer = desk.post("/optimizations/new/", sent | {"n_trials": "4", "fewest_trades": "0"})

    assert "Kept from the version in every trial" in text(page)
    assert "limit_max_position_weight" not in sent
    study = Study.objects.get()
    assert answer.url == f"/optimizations/{study.pk}/"
    assert (study.space["trend_bars"]["low"], study.space["trend_bars"]["high"]) == (30.0, 90.0)
    assert {name: study.fixed[name] for name in kept} == kept


@pytest.mark.parametrize("make", [backtest_field, version_field])
def test_a_parameter_without_bounds_has_a_field_that_says_none(make):
    assert make(Parameter("level", "FLOAT", 1.0, "Level")).help_text == "Level."
