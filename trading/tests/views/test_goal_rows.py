"""The goals of a verification in words and units, on the models page and for staff."""

from __future__ import annotations

import pytest

from trading.engine.evidence.goals import GOALS, Goal
from trading.selectors.goal_rows import NAMES, goal_rows
from trading.tests.factories import user_make
from trading.tests.model_rows import performance_make


def line(goal: Goal, value: float | None, *, stretch: float | None = None) -> dict:
    return {
        "name": goal.name, "value": value, "reason": None, "relation": goal.relation,
        "must": goal.must, "stretch": stretch, "unit": goal.unit, "met": None, "met_stretch": None,
    }  # fmt: skip


def row(name: str, value: float | None, **more: float):
    (goal,) = [goal for goal in GOALS if goal.name == name]
    return goal_rows([line(goal, value, **more)])[0]


def test_every_goal_of_the_protocol_has_words_of_its_own():
    assert {goal.name for goal in GOALS} == set(NAMES)
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize(
    ("name", "value", "texts"),
    [
        ("high_win_rate", 0.863874, ("86.4%", "≥ 70.0%")),
        ("spread_over_regimes", 5.854, ("5.9 pp", "≤ 5.0 pp")),
        ("trades_in_smallest_regime", 76, ("76", "≥ 150")),
        ("extreme_expectancy", 266.3945, ("266.4\u00a0bp", "> 0.0\u00a0bp")),
        ("high_profit_factor", 1.8686, ("1.869", "≥ 1.150")),
        ("high_win_rate", None, ("—", "≥ 70.0%")),
    ],
)
def test_a_figure_and_its_limit_have_the_unit_of_the_goal(name, value, texts):
    found = row(name, value)

    assert (found.value, found.must) == texts


def test_a_stretch_of_nothing_is_a_limit_too():
    found = row("high_expectancy_lower_bound", -13.7, stretch=0.0)

    assert (found.must, found.stretch) == ("", "> 0.0\u00a0bp")


@pytest.mark.django_db
def test_pages_of_a_verification_write_no_code(client):
    performance = performance_make(missed=["high_win_rate"])
    client.force_login(user_make(is_staff=True, is_superuser=True))

    models = client.get("/models/").content.decode()
    staff = client.get(f"/staff/trading/modelperformance/{performance.pk}/change/").content.decode()

    for page in (models, staff):
        assert "Win rate in High</th>" in page
        assert "high_win_rate" not in page.partition("Acts of staff")[0]
    assert '<th scope="row">Extreme</th>' in staff
