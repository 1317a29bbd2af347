"""Lists of runs: found by a word, sorted by what is known."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from trading.models import Backtest, BacktestResult
from trading.selectors.backtests import backtest_list, backtest_newest
from trading.selectors.gallery import gallery_rows
from trading.tests.backtest_rows import done_make, waiting_make
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


def test_the_gallery_asks_once_for_the_newest_run_of_every_rule():
    user = user_make()
    for key in ("sma_cross", "rsi2_reversion"):
        old, new = (run_make(user, total_return=value, n_round_trips=1) for value in (0.1, 0.2))
        Backtest.objects.filter(pk__in=[old, new]).update(strategy_key=key)
    run_make(user_make(), total_return=0.3)
    Backtest.objects.filter(pk=waiting_make(user).pk).update(strategy_key="rsi2_reversion")

    with CaptureQueriesContext(connection) as asked:
        rows = {row.key: row.last_run for row in gallery_rows(user)}

    of_runs = [query["sql"] for query in asked if "trading_backtestresult" in query["sql"]]
    assert len(of_runs) == 1
    assert '"curve"' not in of_runs[0]
    assert {key for key, run in rows.items() if run} == {"sma_cross", "rsi2_reversion"}
    assert rows["rsi2_reversion"].backtest_id == new
    assert rows["rsi2_reversion"].text.startswith("+20.0%")


def test_the_gallery_shows_a_win_rate_beside_the_null_that_judges_it():
    made = done_make(user_make())
    told = next(row.last_run.text for row in gallery_rows(made.user) if row.last_run)

    made.result.honesty["rows"] = []
    made.result.save()
    before = next(row.last_run.text for row in gallery_rows(made.user) if row.last_run)

    assert re.search(r"win rate .*, on shuffled bars \d+% over the whole run$", told)
    assert re.search(r"win rate .*, by chance \d+% over the whole run$", before)


def test_the_newest_run_of_a_rule_is_read_without_its_curves():
    made = done_make(user_make())

    run = backtest_newest(user_id=made.user_id, strategy_key="sma_cross")

    assert run == made
    assert {"curve", "round_trips", "daily", "monthly"} <= run.result.get_deferred_fields()
