"""A search keeps to its space, scores out-of-sample, and prefers the plateau to the peak."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine import backtest, metrics
from trading.engine.backtest import BacktestConfig
from trading.engine.errors import ConfigInvalid, EngineError, InsufficientBars, ParameterInvalid
from trading.engine.luck import expected_max_sharpe, overfitting
from trading.engine.search import (
    evaluate,
    grid,
    holdout_run,
    judge,
    plan_search,
    plateau_of,
    random_trials,
    space_from,
    tpe_suggest,
)
from trading.engine.search.judgement import ScoredTrial, luck_warning, rank_correlation
from trading.engine.search.scoring import score_equity
from trading.engine.strategies import strategy_get
from trading.tests.engine.walks import random_walk

SPEC = strategy_get("sma_cross")
RANGES = {
    "fast": {"low": 5, "high": 30, "step": 5},
    "slow": {"low": 20, "high": 80, "step": 20},
}
SPACE = space_from(SPEC, RANGES)
BARS = random_walk(11, 1200)
PLAN = plan_search(len(BARS), SPACE, n_folds=3, fewest_trades=2)


def scored(space=SPACE, bars=BARS, plan=PLAN):
    return [
        ScoredTrial(k, moving, evaluate(bars, "sma_cross", space.params(moving), plan))
        for k, moving in enumerate(grid(space), start=1)
    ]


TRIALS = scored()
# So few have no importance, whose forest takes longer than everything else.
RANKED = [trial for trial in TRIALS if not trial.score.refusal][:9]


def judged(trials=RANKED, n_counted=0, returns=None):
    spread = float(np.std([trial.score.bar_sharpe for trial in trials]))
    return judge(
        SPACE,
        PLAN,
        trials,
        bars_per_year=BARS.bars_per_year,
        n_trials_counted=n_counted,
        sharpe_std=spread,
        returns_of=lambda trial: returns_of(trial.moving) if returns is None else returns,
    )


def returns_of(moving):
    config = BacktestConfig(start_index=PLAN.start)
    run = backtest.run(BARS.slice(0, PLAN.n_search), "sma_cross", SPACE.params(moving), config)
    return metrics.simple_returns(run.equity, start=config.cash)


# --- space ---------------------------------------------------------------------------------------


def test_steps_that_do_not_add_up_in_binary_reach_the_upper_bound():
    space = space_from(SPEC, {"target_volatility": {"low": 0.1, "high": 0.7, "step": 0.1}})

    assert [moving["target_volatility"] for moving in grid(space)][-2:] == [0.6, 0.7]


def test_a_grid_lists_every_combination_the_strategy_accepts_once():
    found = grid(SPACE)

    assert SPACE.n_combinations == 24
    assert len({tuple(moving.values()) for moving in found}) == len(found)
    assert all(moving["fast"] != moving["slow"] for moving in found)
    assert len(found) == sum(f != s for f in range(5, 31, 5) for s in range(20, 81, 20))


@given(st.integers(0, 99), st.integers(1, 8), st.integers(1, 8))
def test_more_random_trials_begin_with_the_fewer(seed, n_few, n_more):
    few = random_trials(SPACE, seed, n_few)

    assert random_trials(SPACE, seed, n_few + n_more)[:n_few] == few


def test_random_trials_of_a_small_space_are_each_different_and_end():
    assert len(random_trials(SPACE, 1, 500)) == len(grid(SPACE))


@given(st.floats(0.0, 1.0))
def test_units_keep_to_the_cube_on_a_log_scale(share):
    spec = strategy_get("volatility_adaptive_trend")
    space = space_from(spec, {"target_volatility": {"low": 0.01, "high": 1.0, "log": True}})
    value = 0.01 * 100.0**share

    assert space.units([{"target_volatility": value}])[0, 0] == pytest.approx(share, abs=1e-9)


def test_a_space_reads_back_what_it_writes():
    assert space_from(SPEC, SPACE.to_dict()) == SPACE


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({}, "name at least 1 parameter"),
        ({"speed": {}}, "no parameter 'speed'; it has"),
        ({"fast": {"low": 9, "high": 5}}, "fast: low 9 must not be above high 5"),
        ({"fast": {"low": 0, "high": 5}}, "fast: low 0 must be at least"),
        ({"fast": {"low": 5, "high": 1e9}}, "high 1e[+]09 must be at most"),
        ({"fast": {"low": 5, "high": 9, "step": 0}}, "step 0 must be above 0"),
        ({"target_volatility": {"step": 1e-320}}, "makes more than 1,000,000 values"),
        ({"fast": {"low": 5.5, "high": 9}}, "low 5.5 must be a whole number"),
        ({"fast": {"low": "x"}}, "low is 'x'; it must be a number"),
        ({"fast": {"low": math.nan}}, "must be a finite number"),
        ({"fast": {"lowest": 1}}, "'lowest' is not one of"),
        ({"fast": 5}, "5 must be an object"),
        ({"fast": {"choices": [1]}}, "is a number"),
        ({"sizing": ["NONSENSE"]}, "choice 'NONSENSE' must be one of"),
    ],
)
def test_a_wrong_space_is_refused_by_name(ranges, words):
    with pytest.raises(EngineError, match=words):
        space_from(SPEC, ranges)


def test_a_huge_grid_is_refused_with_its_number():
    space = space_from(SPEC, {"fast": {}, "slow": {}})

    with pytest.raises(ConfigInvalid, match=f"{space.n_combinations:,} combinations"):
        grid(space)


# --- TPE -----------------------------------------------------------------------------------------


def test_tpe_of_one_seed_suggests_the_same_and_only_what_is_allowed():
    known = [(trial.moving, trial.score.objective) for trial in TRIALS]

    once = tpe_suggest(SPACE, seed=3, n_trials=4, known=known)

    assert once == tpe_suggest(SPACE, seed=3, n_trials=4, known=known)
    assert all(SPACE.allows(moving) for moving in once)


def test_tpe_goes_where_trials_were_good():
    space = space_from(SPEC, {"fast": {"low": 1, "high": 100}}, {"slow": 150})
    known = [({"fast": k}, -abs(k - 70.0)) for k in range(1, 101, 3)]

    found = tpe_suggest(space, seed=5, n_trials=10, known=known)

    assert np.mean([abs(moving["fast"] - 70) for moving in found]) < 20


def first_value(moving):
    return next(iter(moving.values()))


def fast_only(low, high):
    return space_from(SPEC, {"fast": {"low": low, "high": high}}, {"slow": 500})


def test_tpe_repeats_nothing_while_something_new_is_left():
    known = [({"fast": k}, float(k)) for k in range(1, 26)]

    found = tpe_suggest(fast_only(1, 30), seed=1, n_trials=4, known=known, running=[{"fast": 27}])

    assert sorted(moving["fast"] for moving in found) == [26, 28, 29, 30]


@pytest.mark.parametrize("seed", range(6))
def test_tpe_begins_with_what_is_new(seed):
    known = [({"fast": k}, float(k)) for k in (1, 2, 3)]

    found = tpe_suggest(fast_only(1, 6), seed=seed, n_trials=1, known=known)

    assert found[0]["fast"] > 3


def test_tpe_keeps_away_from_where_others_run():
    space = space_from(SPEC, {"target_volatility": {"step": None}})
    known = [({"target_volatility": x}, -abs(x - 0.7)) for x in np.linspace(0.02, 1.0, 30)]
    running = [{"target_volatility": x} for x in np.linspace(0.6, 0.8, 21)]

    found = [
        tpe_suggest(space, seed=5, n_trials=10, known=known, running=others)
        for others in ([], running)
    ]

    near, far = np.abs(np.array([[*map(first_value, row)] for row in found]) - 0.7).mean(axis=1)
    assert far > 1.5 * near


def test_tpe_keeps_away_from_its_own_suggestions():
    space = space_from(SPEC, {"target_volatility": {"step": None}})
    known = [({"target_volatility": x}, -abs(x - 0.7)) for x in np.linspace(0.02, 1.0, 30)]

    together = tpe_suggest(space, seed=5, n_trials=20, known=known)
    apart = [tpe_suggest(space, seed=k, n_trials=1, known=known)[0] for k in range(20)]

    spreads = [np.std([*map(first_value, found)]) for found in (together, apart)]
    assert spreads[0] > 1.5 * spreads[1]


def test_tpe_learns_nothing_from_a_trial_without_an_objective():
    known = [({"fast": k}, -abs(k - 70.0)) for k in range(1, 101, 3)]
    more = [*known, *[({"fast": k}, math.nan) for k in range(2, 40, 3)]]

    expected = tpe_suggest(fast_only(1, 100), seed=5, n_trials=3, known=known)

    assert tpe_suggest(fast_only(1, 100), seed=5, n_trials=3, known=more) == expected


def test_tpe_repeats_where_nothing_new_is_left():
    known = [({"fast": k}, -abs(k - 12.0)) for k in range(1, 26)]

    found = tpe_suggest(fast_only(1, 25), seed=1, n_trials=2, known=known)

    assert all(1 <= moving["fast"] <= 25 for moving in found)


@pytest.mark.parametrize(("n_known", "is_estimated"), [(19, False), (20, True)])
def test_tpe_draws_at_random_until_it_knows_enough(n_known, is_estimated):
    space = fast_only(1, 400)
    rising, falling = (
        [({"fast": 9 * k + 1}, sign * k) for k in range(n_known)] for sign in (1.0, -1.0)
    )

    one, other = (
        tpe_suggest(space, seed=2, n_trials=3, known=known) for known in (rising, falling)
    )

    assert (one != other) is is_estimated


def test_tpe_does_not_mind_the_order_of_names():
    known = [(trial.moving, trial.score.objective) for trial in TRIALS] * 2
    turned = [(dict(reversed(moving.items())), value) for moving, value in known]

    expected = tpe_suggest(SPACE, seed=3, n_trials=2, known=known)

    assert tpe_suggest(SPACE, seed=3, n_trials=2, known=turned) == expected


def test_tpe_forgets_what_is_neither_good_nor_new():
    known = [({"fast": 1 + k % 90}, float(-k if k < 25 else -99)) for k in range(200)]
    forgotten = [*known[:25], *[({"fast": 95}, -99.0)] * 75, *known[100:]]
    space = fast_only(1, 100)
    tried = {space.combination(moving) for moving, _ in [*known, *forgotten]}

    expected = tpe_suggest(space, seed=4, n_trials=3, known=known, tried=tried)

    found = tpe_suggest(space, seed=4, n_trials=3, known=forgotten, tried=tried)
    assert found == expected


@pytest.mark.parametrize("seed", range(3))
def test_tpe_repeats_no_trial_that_is_neither_good_nor_new(seed):
    fasts = np.random.default_rng(seed).permutation(np.arange(1, 301))
    known = [({"fast": int(fast)}, -abs(int(fast) - 150.0)) for fast in fasts[:270]]

    found = tpe_suggest(fast_only(1, 300), seed=seed, n_trials=5, known=known)

    assert {moving["fast"] for moving in found} <= {int(fast) for fast in fasts[270:]}


@pytest.mark.parametrize("n_known", [3, 25])
def test_tpe_repeats_nothing_that_was_tried_without_success(n_known):
    known = [({"fast": k}, float(k)) for k in range(1, n_known + 1)]
    tried = {(k,) for k in range(n_known + 1, 100)}

    found = tpe_suggest(fast_only(1, 200), seed=2, n_trials=6, known=known, tried=tried)

    assert all(moving["fast"] >= 100 for moving in found)


def refuse(params):
    raise ParameterInvalid(f"fast {params['fast']} is refused")


@pytest.mark.parametrize("n_known", [0, 30])
def test_tpe_says_so_when_the_strategy_accepts_nothing(n_known):
    space = replace(fast_only(1, 100), spec=replace(SPEC, check=refuse))
    known = [({"fast": 1 + k}, float(k)) for k in range(n_known)]

    with pytest.raises(ConfigInvalid, match="sma_cross accepts none of 100 suggestions"):
        tpe_suggest(space, seed=1, n_trials=1, known=known)


def test_tpe_suggests_what_the_strategy_accepts():
    space = space_from(SPEC, {"fast": {"low": 9, "high": 10}, "slow": {"low": 10, "high": 11}})
    known = [({"fast": 9, "slow": 10}, -1.0)] * 18 + [({"fast": 10, "slow": 11}, 0.0)] * 2

    found = tpe_suggest(space, seed=1, n_trials=3, known=known)

    # One combination is new and one, of equal lengths, is refused.
    assert found[0] == {"fast": 9, "slow": 11}
    assert all(moving["fast"] != moving["slow"] for moving in found)


def test_tpe_moves_every_kind_of_parameter():
    rules = strategy_get("rsi2_reversion")
    ranges = {
        "rsi_bars": {"low": 2, "high": 40, "log": True},
        "entry_level": {"low": 1, "high": 30},
        "target_volatility": {"low": 0.05, "high": 0.5, "step": None},
        "exit_bars": {"low": 1, "high": 100, "log": True},
        "sizing": ["all_in", "volatility_target"],
    }
    space = space_from(rules, ranges)
    # As good as the fourth of the way: TPE has to find that in every kind.
    known = [
        (moving, -float(np.abs(space.units([moving])[0, :4] - 0.25).sum()))
        for moving in random_trials(space, 1, 60)
    ]

    found = tpe_suggest(space, seed=5, n_trials=8, known=known)

    assert np.abs(space.units(found)[:, :4] - 0.25).mean() < 0.2


# --- plan and score ------------------------------------------------------------------------------


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


def test_the_holdout_runs_on_exactly_the_bars_after_the_search():
    found = holdout_run(BARS, "sma_cross", SPACE.params({"fast": 5}), PLAN)

    assert found.n_bars == len(BARS) - PLAN.n_search
    assert 0.0 <= found.probability <= 1.0


# --- plateau and judgement -----------------------------------------------------------------------


def hill(spike):
    x, y = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0, 1, 15), indexing="ij")
    height = np.exp(-((x - 0.7) ** 2 + (y - 0.6) ** 2) / 0.1)
    if spike:
        height[2, 2] = 3.0
    return np.column_stack((x.ravel(), y.ravel())), height.ravel()


@pytest.mark.parametrize("spike", [False, True])
def test_the_pick_is_the_middle_of_the_hill_whatever_sticks_out(spike):
    units, height = hill(spike)

    found = plateau_of(units, height, np.full(225, 0.2))

    assert units[found.pick] == pytest.approx([0.7, 0.6], abs=0.08)
    assert found.is_spike is spike
    assert not (spike and found.pick == found.best)


def test_the_zone_is_in_one_piece():
    x = np.linspace(0, 1, 40)[:, None]
    two_hills = np.where(np.abs(x[:, 0] - 0.2) < 0.1, 1.0, 0.0)
    two_hills += np.where(np.abs(x[:, 0] - 0.8) < 0.15, 1.05, 0.0)

    found = plateau_of(x, two_hills, np.full(40, 0.1))

    assert x[found.zone].min() > 0.5


def test_the_zone_is_what_one_standard_error_does_not_tell_apart():
    x = np.linspace(0, 1, 30)[:, None]
    slope = np.linspace(0, 1, 30)

    narrow, wide = (plateau_of(x, slope, np.full(30, error)) for error in (0.1, 0.3))

    assert len(wide.zone) - len(narrow.zone) == pytest.approx(0.2 * 29, abs=1.0)


def test_a_neighborhood_is_worth_what_its_middle_trial_is():
    alone = np.where(np.arange(20) == 10, 9.0, 1.0)

    found = plateau_of(np.linspace(0, 1, 20)[:, None], alone, np.full(20, 0.1))

    assert found.smoothed.tolist() == [1.0] * 20


def even(trial, mean):
    """Give a trial the same mean return in every block, and the same deviation as all others."""
    n = np.diff(PLAN.block_edges)
    sums, squares = tuple(mean * n), tuple(n * (mean**2 + 1e-4))
    return replace(trial, score=replace(trial.score, block_sums=sums, block_squares=squares))


STEADY = [even(trial, 1e-3 * k) for k, trial in enumerate(RANKED)]
LUCKY = 0.01 + 0.001 * np.sin(np.arange(500.0))


@pytest.mark.parametrize(
    ("trials", "returns", "is_overfit"),
    [(STEADY, LUCKY, False), (RANKED, LUCKY, True), (STEADY, LUCKY - 0.01, True)],
    ids=["neither", "pbo", "deflated"],
)
def test_one_sign_of_overfitting_is_enough(trials, returns, is_overfit):
    assert judged(trials, returns=returns).is_overfit is is_overfit


def test_the_procedure_earns_what_its_choice_of_each_fold_earned_afterwards():
    folds = [((3.0, 0.0, 3.0), (0.1, 9.0, 0.3)), ((1.0, 2.0, 1.0), (9.0, 0.2, 9.0))]
    trials = [
        replace(trial, score=replace(trial.score, fold_in_sample=a, fold_out_of_sample=b))
        for trial, (a, b) in zip(RANKED, folds, strict=False)
    ]

    assert judged(trials).procedure_sharpe == 0.2


def test_the_pbo_of_a_judgement_is_that_of_the_full_returns():
    returns = np.column_stack([returns_of(trial.moving) for trial in RANKED])

    assert judged().probability_of_overfitting == overfitting(returns, n_blocks=12).probability


def test_luck_is_said_by_the_year():
    spread = float(np.std([trial.score.bar_sharpe for trial in RANKED]))

    found = judged(n_counted=500).expected_max_sharpe

    assert found == pytest.approx(expected_max_sharpe(500, spread) * math.sqrt(BARS.bars_per_year))


def test_a_random_walk_is_called_overfit():
    found = judged(n_counted=10_000)

    assert found.is_overfit
    assert found.deflated_sharpe < 0.5
    assert found.n_trials_counted == 10_000


@pytest.mark.slow
def test_importance_shares_add_up_and_name_what_matters():
    trials = [
        ScoredTrial(t.number, t.moving, replace(t.score, objective=t.moving["fast"] / 10))
        for t in TRIALS
    ]

    shares = judged(trials).importance

    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["fast"] > 0.9


def test_fewer_than_ten_trials_have_no_importance():
    assert judged().importance == {}


def test_nothing_ranked_is_said_and_nothing_is_picked():
    trials = [replace(t, score=replace(t.score, objective=math.nan)) for t in TRIALS]

    found = judged(trials)

    assert found.pick is None
    assert found.is_overfit
    assert "None of" in found.sentences[0]


def test_ranks_of_equal_values_are_shared():
    assert rank_correlation(np.array([1.0, 1.0, 2.0]), np.array([3.0, 3.0, 9.0])) == 1.0
    assert math.isnan(rank_correlation(np.ones(5), np.arange(5.0)))


def test_many_trials_on_few_bars_are_warned_of_before_the_start():
    assert "by luck" in luck_warning(2000, 500, 252.0)
    assert luck_warning(1, 5000, 252.0) == ""
