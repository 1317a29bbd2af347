"""A logistic model claims no more than its calibration rows can tell."""

import numpy as np
from scipy.special import logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from trading.engine.learning.models import CLUSTERING, ModelKind, fit, pipeline
from trading.tests.engine.candidates import N_FEATURES, labeled


def test_log_odds_are_drawn_to_the_base_rate_by_the_uncertainty_of_the_slope():
    x, y = labeled(1, 600, missing=0.0)
    model = pipeline(ModelKind.LOGISTIC, 5).fit(x[:450], y[:450])
    plain = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(x[450:], y[450:])
    p, scores = plain.predict_proba(x[450:])[:, 1], model.decision_function(x[450:])
    slope = plain.calibrated_classifiers_[0].calibrators[0].a_
    weight = p * (1.0 - p)
    z = slope * np.sqrt(weight @ (scores - np.average(scores, weights=weight)) ** 2)
    kept = z**2 / (z**2 + CLUSTERING)

    drawn = fit(ModelKind.LOGISTIC, x, y, rng_seed=5).probabilities(x[450:])

    expected = kept * logit(p) + (1.0 - kept) * logit(y[450:].mean())
    assert 0.1 < kept < 0.9
    np.testing.assert_allclose(logit(drawn), expected, rtol=1e-9, atol=1e-12)


def test_what_knows_nothing_says_nearly_the_base_rate():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((400, N_FEATURES)), rng.random(400) < 0.6

    said = fit(ModelKind.LOGISTIC, x, y, rng_seed=5).probabilities(x)

    assert np.abs(said - y[300:].mean()).max() < 0.05
