"""A logistic model claims no more than its calibration rows can tell.

What trains a model is slow: importing scikit-learn takes longer than a hundred tests.
"""

import numpy as np
import pytest

from trading.engine.learning.models import CLUSTERING, ModelKind, fit, pipeline, shrunk_line
from trading.tests.engine.candidates import N_FEATURES, labeled


def odds(p):
    """Return log-odds."""
    return np.log(p / (1.0 - p))


def test_a_line_keeps_the_share_of_its_odds_that_its_slope_is_sure_of():
    scores = np.repeat([-1.0, 1.0], 200)  # weight p(1 - p) is the same on both sides
    slope, intercept, base_rate = -0.4, -0.0, 0.6
    p = 1.0 / (1.0 + np.exp(slope * scores + intercept))
    kept = slope**2 * 400 * p[0] * p[-1] / (slope**2 * 400 * p[0] * p[-1] + CLUSTERING)

    drawn = shrunk_line(slope, intercept, scores, base_rate)

    expected = kept * odds(p) + (1.0 - kept) * odds(base_rate)
    assert 0.1 < kept < 0.9
    np.testing.assert_allclose(-(drawn[0] * scores + drawn[1]), expected, rtol=1e-12)


def test_a_surer_slope_keeps_more():
    scores = np.linspace(-2.0, 2.0, 50)

    few, many = (shrunk_line(-0.4, 0.1, np.tile(scores, n), 0.6) for n in (2, 20))

    assert abs(few[0]) < abs(many[0]) < 0.4


@pytest.mark.slow
def test_log_odds_are_drawn_to_the_base_rate_by_the_uncertainty_of_the_slope():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    x, y = labeled(1, 600, missing=0.0)
    model = pipeline(ModelKind.LOGISTIC, 5).fit(x[:450], y[:450])
    plain = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(x[450:], y[450:])
    p, scores = plain.predict_proba(x[450:])[:, 1], model.decision_function(x[450:])
    slope = plain.calibrated_classifiers_[0].calibrators[0].a_
    weight = p * (1.0 - p)
    z = slope * np.sqrt(weight @ (scores - np.average(scores, weights=weight)) ** 2)
    kept = z**2 / (z**2 + CLUSTERING)

    drawn = fit(ModelKind.LOGISTIC, x, y, rng_seed=5).probabilities(x[450:])

    expected = kept * odds(p) + (1.0 - kept) * odds(y[450:].mean())
    assert 0.1 < kept < 0.9
    np.testing.assert_allclose(odds(drawn), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_what_knows_nothing_says_nearly_the_base_rate():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((400, N_FEATURES)), rng.random(400) < 0.6

    said = fit(ModelKind.LOGISTIC, x, y, rng_seed=5).probabilities(x)

    assert np.abs(said - y[300:].mean()).max() < 0.05
