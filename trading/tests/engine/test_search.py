"""A search plans its folds, scores out-of-sample and never sees the hold-out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.luck import expected_max_sharpe
from trading.engine.own_limits import OwnLimits
from trading.engine.search import (
    evaluate,
    holdout_run,
    plan_search,
    space_from,
)
from trading.engine.search.scoring import score_equity
from trading.tests.engine.searches import (
    BARS,
    PLAN,
    SPACE,
    SPEC,
    TRIALS,
    returns_of,
)


def test_folds_follow_their_training_and_end_at_the_holdout():
    assert PLAN.n_search == 960
    assert all(fold.train[0] == PLAN.start for fold in PLAN.folds)
    assert all(fold.train[1] == fold.test[0] for fold in PLAN.folds)
    assert PLAN.folds[-1].test[1] == PLAN.n_search


def test_trials_begin_where_the_longest_of_them_is_warm():
    assert PLAN.start == 79


def test_a_share_of_a_bar_belongs_to_the_holdout():
    assert plan_search(1001, SPACE).n_search == 800


def test_a_long_warm_up_takes_no_more_than_a_quarter_of_the_search():
    space = space_from(SPEC, {"slow": {"low": 20, "high": 900}})

    assert plan_search(1200, space).start == 240


@pytest.mark.parametrize(("n_trades", "is_refused"), [(1, True), (2, False)])
def test_as_many_trades_as_are_asked_for_are_enough(n_trades, is_refused):
    equity = BARS.close[PLAN.start : PLAN.n_search]

    score = score_equity(equity, PLAN, cash=100.0, bars_per_year=252.0, n_trades=n_trades)

    assert bool(score.refusal) is is_refused
    assert math.isnan(score.objective) is is_refused


def test_a_score_never_sees_the_holdout():
    changed = replace(
        BARS,
        **{
            name: np.where(np.arange(len(BARS)) < PLAN.n_search, getattr(BARS, name), 1.0)
            for name in ("open", "high", "low", "close")
        },
    )
    params = SPACE.params({"fast": 5, "slow": 20})

    assert evaluate(changed, "sma_cross", params, PLAN) == evaluate(BARS, "sma_cross", params, PLAN)


def test_the_objective_is_the_middle_of_the_folds_less_their_spread():
    score = next(t.score for t in TRIALS if not t.score.refusal)
    returns = returns_of(next(t.moving for t in TRIALS if not t.score.refusal))
    tests = [
        (part := returns[a - PLAN.start : b - PLAN.start]).mean() / part.std(ddof=1)
        for a, b in (fold.test for fold in PLAN.folds)
    ]
    yearly = np.array(tests) * math.sqrt(BARS.bars_per_year)

    assert score.objective == pytest.approx(np.median(yearly) - 0.5 * yearly.std(ddof=1))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"fewest_trades": 10_000}, "trades, at least 10000"),
        ({"deepest_drawdown": -1e-6}, "is allowed"),
    ],
)
def test_a_broken_constraint_is_named_and_not_ranked(limits, words):
    score = evaluate(BARS, "sma_cross", SPACE.params({"fast": 5}), replace(PLAN, **limits))

    assert words in score.refusal
    assert math.isnan(score.objective)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"holdout_share": 0.1}, ConfigInvalid, "share 0.1 must be from 0.15"),
        ({"n_folds": 1}, ConfigInvalid, "folds 1"),
        ({"n_folds": 20}, InsufficientBars, "for each of 20 folds"),
        ({"dispersion_weight": math.nan}, ConfigInvalid, "dispersion weight nan"),
        ({"deepest_drawdown": 0.2}, ConfigInvalid, "deepest drawdown 0.2"),
    ],
)
def test_a_wrong_plan_is_refused_with_its_limit(given, error, words):
    with pytest.raises(error, match=words):
        plan_search(300, SPACE, **given)


def test_a_trial_that_goes_bar_by_bar_tells_how_far_it_is():
    told = []
    config = BacktestConfig(
        limits=OwnLimits(max_position_weight=0.5), progress=lambda *words: told.append(words)
    )

    evaluate(BARS, "sma_cross", SPACE.params({"fast": 5}), PLAN, config)

    assert told
    assert {phase for phase, _ in told} == {"Simulating"}


def test_the_holdout_runs_on_exactly_the_bars_after_the_search():
    found = holdout_run(BARS, "sma_cross", SPACE.params({"fast": 5}), PLAN)

    assert found.n_bars == len(BARS) - PLAN.n_search
    assert (found.n_looks, found.expected_max_sharpe) == (1, 0.0)
    assert 0.0 <= found.probability <= 1.0


def test_more_looks_at_a_holdout_make_its_figure_less_probable():
    params = SPACE.params({"fast": 5})

    found = [holdout_run(BARS, "sma_cross", params, PLAN, n_looks=n) for n in (1, 2, 20)]

    assert len({each.sharpe_ratio for each in found}) == 1
    assert found[0].probability > found[1].probability > found[2].probability
    per_bar = found[2].expected_max_sharpe / math.sqrt(BARS.bars_per_year)
    assert per_bar == pytest.approx(expected_max_sharpe(20, found[2].n_bars ** -0.5))
