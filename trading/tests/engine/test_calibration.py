"""Calibration figures by hand and by their laws; test_learning_peers.py has scikit-learn's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.engine.learning import calibration
from trading.tests.engine.laws import examples

RNG = np.random.default_rng(5)
P = RNG.uniform(0.02, 0.98, 400)
Y = RNG.uniform(size=400) < 0.2 + 0.6 * P
PAIRS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=40)


def test_scores_of_three_predictions_are_those_worked_out_by_hand():
    p, y = [0.9, 0.6, 0.2], [True, False, False]

    assert calibration.brier_score(p, y) == pytest.approx((0.01 + 0.36 + 0.04) / 3)
    expected = -(math.log(0.9) + math.log(0.4) + math.log(0.8)) / 3
    assert calibration.log_loss(p, y) == pytest.approx(expected)


def test_a_certain_prediction_that_fails_costs_much_but_not_everything():
    right, wrong = calibration.log_loss([1.0], [True]), calibration.log_loss([1.0], [False])

    assert right == pytest.approx(0.0, abs=1e-12)
    assert 30.0 < wrong < 40.0


def test_bins_hold_what_falls_between_their_bounds():
    bins = calibration.calibration_bins(P, Y)

    for found, low in zip(bins, np.arange(10) / 10, strict=True):
        inside = (low <= P) & (low + 0.1 > P)
        assert (found.n, found.n_wins) == (inside.sum(), Y[inside].sum())
        assert found.mean_probability == pytest.approx(P[inside].mean(), rel=1e-12)
        assert found.win_rate == pytest.approx(Y[inside].mean(), rel=1e-12)


def test_the_calibration_line_is_where_the_likelihood_is_level():
    odds = np.log(P / (1 - P))

    line = calibration.calibration_line(P, Y)

    missed = Y - 1.0 / (1.0 + np.exp(-(line.slope * odds + line.intercept)))
    assert [missed.sum(), missed @ odds] == pytest.approx([0.0, 0.0], abs=1e-5)


def test_an_over_confident_model_has_a_slope_below_one():
    confident = np.clip(P * 1.4 - 0.2, 0.001, 0.999)

    assert calibration.calibration_line(confident, Y).slope < 1.0


@pytest.mark.parametrize(
    ("p", "y"),
    [
        ([0.2, 0.8], [True, True]),
        ([0.5, 0.5], [True, False]),
        ([0.1, 0.2, 0.8], [False, False, True]),
        ([0.1, 0.2, 0.8], [True, True, False]),
        ([0.0, 0.0, 1.0, 1.0], [False, False, True, True]),
        ([], []),
    ],
)
def test_calibration_line_is_undefined_without_a_finite_maximum(p, y):
    line = calibration.calibration_line(p, y)

    assert math.isnan(line.slope)
    assert math.isnan(line.intercept)


@examples(50)
@given(PAIRS, st.integers(1, 20))
def test_every_prediction_falls_into_one_bin_that_holds_it(pairs, n_bins):
    p, y = zip(*pairs, strict=True)

    bins = calibration.calibration_bins(p, y, n_bins)

    assert sum(found.n for found in bins) == len(pairs)
    assert sum(found.n_wins for found in bins) == sum(y)
    assert all(f.low <= f.mean_probability <= f.high + 1e-12 for f in bins if f.n)


@examples(50)
@given(PAIRS)
def test_scores_stay_inside_their_bounds(pairs):
    p, y = zip(*pairs, strict=True)

    assert 0.0 <= calibration.brier_score(p, y) <= 1.0
    assert 0.0 <= calibration.expected_calibration_error(p, y) <= 1.0
    assert calibration.log_loss(p, y) >= 0.0


def test_the_base_rate_itself_has_no_skill_and_the_truth_has_all_of_it():
    rate = float(np.mean(Y))

    assert calibration.brier_skill(np.full(P.shape, rate), Y) == pytest.approx(0.0, abs=1e-12)
    assert calibration.brier_skill(Y.astype(float), Y) == 1.0


def test_a_base_rate_known_before_is_the_reference_of_the_skill():
    found = calibration.brier_skill([0.8, 0.4], [True, False], base_rate=0.8)

    assert found == pytest.approx(1.0 - 0.1 / 0.34)


def test_ece_looks_only_at_predictions_up_to_the_bound():
    p, y = [0.5, 0.5, 0.95], [True, False, False]

    assert calibration.expected_calibration_error(p, y, most=0.75) == 0.0
    assert calibration.expected_calibration_error(p, y) == pytest.approx(0.95 / 3)


def test_figures_without_a_prediction_are_not_numbers():
    assert math.isnan(calibration.brier_score([], []))
    assert math.isnan(calibration.brier_skill([], []))
    assert math.isnan(calibration.log_loss([], []))
    assert math.isnan(calibration.expected_calibration_error([], []))


@pytest.mark.parametrize(
    ("p", "y", "error", "words"),
    [
        ([0.1, math.nan], [0, 1], NonFiniteInput, r"probabilities\[1\] is nan"),
        ([1.2], [1], ConfigInvalid, r"probabilities\[0\] 1.2 must be in \[0, 1\]"),
        ([0.2], [2], ConfigInvalid, r"outcomes\[0\] 2.0 must be 0 or 1"),
        ([0.2], [1, 0], ConfigInvalid, "equally long"),
    ],
)
def test_impossible_predictions_are_refused_with_their_place(p, y, error, words):
    with pytest.raises(error, match=words):
        calibration.brier_score(p, y)


def test_bounds_of_bins_and_ece_are_refused_by_name():
    with pytest.raises(ConfigInvalid, match="n_bins 0 must be from 1 to 100"):
        calibration.calibration_bins(P, Y, 0)
    with pytest.raises(ConfigInvalid, match=r"most 0\.0 must be above 0"):
        calibration.expected_calibration_error(P, Y, most=0.0)
