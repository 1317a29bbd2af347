"""Each member of a trained model can be asked alone, and together they are the model."""

from functools import cache

import numpy as np
import pytest

from trading.engine.learning.members import member_figures, member_kinds, member_probabilities
from trading.engine.learning.models import ISOTONIC, ModelKind, fit
from trading.tests.engine.candidates import labeled, rows

CALIBRATIONS = ["sigmoid", ISOTONIC]


@cache
def trained(kind, calibration):
    return fit(kind, *labeled(1), rng_seed=5, calibration=calibration)


@pytest.mark.slow
@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_the_members_of_an_ensemble_average_to_its_prediction(calibration):
    fitted, features = trained(ModelKind.ENSEMBLE, calibration), rows(2)

    alone = member_probabilities(fitted, features)

    assert member_kinds(fitted) == ("LOGISTIC", "HIST_GRADIENT_BOOSTING", "RANDOM_FOREST")
    np.testing.assert_allclose(alone.mean(axis=1), fitted.probabilities(features), rtol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_each_member_is_the_model_trained_alone(calibration):
    ensemble, features = trained(ModelKind.ENSEMBLE, calibration), rows(2)

    for m, kind in enumerate(member_kinds(ensemble)):
        alone = member_probabilities(ensemble, features)[:, m]
        assert alone.tolist() == trained(kind, calibration).probabilities(features).tolist()


def test_a_member_without_a_candidate_has_no_figures():
    found = member_figures("LOGISTIC", 1.0, [], [])

    assert found.to_dict() == {
        "kind": "LOGISTIC",
        "weight": 1.0,
        "n": 0,
        "mean_probability": None,
        "brier": None,
        "brier_skill": None,
    }
