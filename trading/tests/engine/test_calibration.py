"""Calibration figures equal scikit-learn's and obey their laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.engine.learning import calibration

RNG = np.random.default_rng(5)
P = RNG.uniform(0.02, 0.98, 400)
Y = RNG.uniform(size=400) < 0.2 + 0.6 * P
PAIRS = st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), min_size=1, max_size=40)


def test_brier_score_equals_scikit_learn():
    assert calibration.brier_score(P, Y) == pytest.approx(brier_score_loss(Y, P), rel=1e-12)


def test_log_loss_equals_scikit_learn_also_for_certain_predictions():
    p, y = np.append(P, [0.0, 1.0, 1.0]), np.append(Y, [True, True, False])

    assert calibration.log_loss(p, y) == pytest.approx(sklearn_log_loss(y, p), rel=1e-9)


def test_bins_equal_the_calibration_curve_of_scikit_learn():
    rates, means = calibration_curve(Y, P, n_bins=10)

    bins = [found for found in calibration.calibration_bins(P, Y) if found.n]

    assert [found.win_rate for found in bins] == pytest.approx(rates.tolist(), rel=1e-12)
    assert [found.mean_probability for found in bins] == pytest.approx(means.tolist(), rel=1e-12)


def test_calibration_line_equals_an_unpenalized_logistic_regression():
    odds = np.log(P / (1 - P))[:, None]
    fitted = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1_000).fit(odds, Y)

    line = calibration.calibration_line(P, Y)

    assert line.slope == pytest.approx(fitted.coef_[0, 0], rel=1e-5)
    assert line.intercept == pytest.approx(fitted.intercept_[0], rel=1e-5)


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


@settings(max_examples=50, deadline=None)
@given(PAIRS, st.integers(1, 20))
def test_every_prediction_falls_into_one_bin_that_holds_it(pairs, n_bins):
    p, y = zip(*pairs, strict=True)

    bins = calibration.calibration_bins(p, y, n_bins)

    assert sum(found.n for found in bins) == len(pairs)
    assert sum(found.n_wins for found in bins) == sum(y)
    assert all(f.low <= f.mean_probability <= f.high + 1e-12 for f in bins if f.n)


@settings(max_examples=50, deadline=None)
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
