"""Pages give what trades are worth beside their number, and hide what too few of them tell."""

from __future__ import annotations

import datetime as dt

import pytest

from trading.services.backtests.splits import split_figures
from trading.tests.backtest_rows import done_make, walk_make
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(owner):
    """One whose forty trades of the judged part are said to be worth less than ten."""
    walk_make(700)
    found = done_make(owner)
    found.result.metrics["out_of_sample"] |= {
        "n_round_trips": 40, "n_wins": 31, "win_rate": 0.775, "n_effective_trips": 6.7
    }  # fmt: skip
    found.result.save()
    return found


def test_a_result_stores_what_its_trades_are_worth(owner):
    walk_make(700)
    whole = done_make(owner).result.metrics["all"]

    assert 0 < whole["n_effective_trips"] <= whole["n_round_trips"]


def test_the_overview_says_what_the_trades_are_worth_and_gives_no_win_rate(desk, run):
    html = text(desk.get(f"/backtests/{run.pk}/"))

    assert "worth 6 independent ones" in html
    assert "too few (6)" in html
    assert "78%" not in html


def test_the_table_of_figures_has_a_line_for_independent_trades(desk, run):
    html = text(desk.get(f"/backtests/{run.pk}/?tab=metrics"))

    assert "Independent round trips" in html
    assert "6.7" in html
    assert "too few (6)" in html


def test_a_comparison_gives_no_win_rate_of_trades_worth_too_few(desk, owner, run):
    other = done_make(owner)

    html = text(desk.get(f"/backtests/compare/?ids={run.pk},{other.pk}"))

    assert "too few (6)" in html
    assert "n=40" not in html


def test_a_split_at_the_day_of_the_run_weighs_trades_as_the_run_does(owner):
    walk_make(700)
    found = done_make(owner)
    outside = found.result.metrics["out_of_sample"]
    day = dt.date.fromisoformat(outside["first_at"][:10])

    split = split_figures(found.result, day)

    for name in ("in_sample", "out_of_sample"):
        stored = found.result.metrics[name]["n_effective_trips"]
        assert split[name]["n_effective_trips"] == pytest.approx(stored)
