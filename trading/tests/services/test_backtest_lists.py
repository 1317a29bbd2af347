"""Lists of runs: found by a word, sorted by what is known."""

from __future__ import annotations

import pytest

from trading.models import Backtest, BacktestResult
from trading.selectors.backtests import backtest_list
from trading.tests.backtest_rows import waiting_make
from trading.tests.factories import user_make

pytestmark = pytest.mark.django_db
FIGURES = {
    "return": "total_return",
    "sharpe": "sharpe_ratio",
    "drawdown": "max_drawdown",
    "trades": "n_round_trips",
    "costs": "cost_share",
}


def run_make(user, **figures) -> int:
    """A run with a result of which only some figures out of sample are known."""
    made = waiting_make(user)
    BacktestResult.objects.create(
        backtest=made,
        curve={},
        round_trips=[],
        daily=[],
        monthly=[],
        metrics={"out_of_sample": {"n_bars": 400} | figures},
        by_regime={},
        honesty={},
        manifest={},
    )
    Backtest.objects.update(status=Backtest.Status.SUCCEEDED)
    return made.pk


@pytest.mark.parametrize("sort", FIGURES)
def test_runs_without_the_figure_come_last_whichever_way_they_are_sorted(sort):
    user, name = user_make(), FIGURES[sort]
    low, high = (run_make(user, **{name: value}) for value in (-0.25, 0.5))
    null, absent = run_make(user, **{name: None}), run_make(user)
    waiting = waiting_make(user).pk

    up, down = (
        [row.pk for row in backtest_list(user_id=user.pk, sort=key)] for key in (sort, f"-{sort}")
    )

    assert up == [low, high, waiting, absent, null]
    assert down == [high, low, waiting, absent, null]


def test_a_sharpe_ratio_over_too_few_bars_leads_no_list():
    user = user_make()
    known = run_make(user, sharpe_ratio=0.5)
    hidden = run_make(user, sharpe_ratio=9.0, n_bars=5)

    rows = backtest_list(user_id=user.pk, sort="-sharpe")

    assert [row.pk for row in rows] == [known, hidden]
