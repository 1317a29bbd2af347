"""Figures of learning and evidence equal those of scikit-learn and SciPy.

Slow, because importing the peers takes longer than all tests of the figures together; those work
out the same numbers by hand.
"""

import math

import numpy as np
import pytest

from trading.engine.evidence.intervals import exceeding_probability
from trading.engine.learning import calibration
from trading.engine.learning.drift import drift
from trading.engine.learning.fitted import QUANTILES
from trading.engine.learning.labels import is_purged

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)
P = RNG.uniform(0.02, 0.98, 400)
Y = RNG.uniform(size=400) < 0.2 + 0.6 * P


def test_brier_score_equals_scikit_learn():
    from sklearn.metrics import brier_score_loss

    assert calibration.brier_score(P, Y) == pytest.approx(brier_score_loss(Y, P), rel=1e-12)


def test_log_loss_equals_scikit_learn_also_for_certain_predictions():
    from sklearn.metrics import log_loss

    p, y = np.append(P, [0.0, 1.0, 1.0]), np.append(Y, [True, True, False])

    assert calibration.log_loss(p, y) == pytest.approx(log_loss(y, p), rel=1e-9)


def test_bins_equal_the_calibration_curve_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    rates, means = calibration_curve(Y, P, n_bins=10)

    bins = [found for found in calibration.calibration_bins(P, Y) if found.n]

    assert [found.win_rate for found in bins] == pytest.approx(rates.tolist(), rel=1e-12)
    assert [found.mean_probability for found in bins] == pytest.approx(means.tolist(), rel=1e-12)


def test_calibration_line_equals_an_unpenalized_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    odds = np.log(P / (1 - P))[:, None]
    fitted = LogisticRegression(C=np.inf, tol=1e-12, max_iter=1_000).fit(odds, Y)

    line = calibration.calibration_line(P, Y)

    assert line.slope == pytest.approx(fitted.coef_[0, 0], rel=1e-5)
    assert line.intercept == pytest.approx(fitted.intercept_[0], rel=1e-5)


def test_the_purge_is_scikit_learns_gap_for_labels_of_one_length():
    from sklearn.model_selection import TimeSeriesSplit

    decided = np.arange(120)

    for train, test in TimeSeriesSplit(n_splits=4, gap=7).split(decided):
        kept = ~is_purged(decided, decided + 7, int(test[0]))
        assert np.flatnonzero(kept).tolist() == train.tolist()


def test_the_drift_distance_is_scipys_up_to_the_grid_of_quantiles():
    from scipy.stats import ks_1samp

    training = np.sort(np.random.default_rng(1).standard_normal(5_000))
    values = 0.3 + np.random.default_rng(6).standard_normal(500)

    peer = ks_1samp(values, lambda x: np.searchsorted(training, x) / training.shape[0])

    before = np.quantile(training, QUANTILES)
    assert drift(before, values).ks == pytest.approx(peer.statistic, abs=0.015)


def test_exceeding_probability_is_students_predictive_tail():
    from scipy import stats

    draws = np.array([0.50, 0.52, 0.54, 0.51, 0.53])

    found = exceeding_probability(0.60, draws)

    distance = (0.60 - draws.mean()) / (draws.std(ddof=1) * math.sqrt(1.2))
    assert found == pytest.approx(stats.t.sf(distance, 4))
