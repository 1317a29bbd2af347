"""What is made of scored trials: plateau, importance, overfitting."""

import math
from dataclasses import replace

import numpy as np
import pytest

from trading.engine.luck import expected_max_sharpe, overfitting
from trading.engine.search import (
    judge,
    plateau_of,
)
from trading.engine.search.judgement import ScoredTrial, luck_warning, rank_correlation
from trading.tests.engine.searches import (
    BARS,
    PLAN,
    SPACE,
    TRIALS,
    returns_of,
)

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
