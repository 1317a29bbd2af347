"""A flattened model predicts what scikit-learn predicts, explains itself and survives JSON."""

import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid, NonFiniteInput, StateInvalid
from trading.engine.learning import export
from trading.engine.learning.calibration import expected_calibration_error
from trading.engine.learning.fitted import EXACT_TERMS, ONE_LEFT_OUT, FittedModel
from trading.engine.learning.models import ISOTONIC, SIGMOID, ModelKind, fit, fit_classifiers
from trading.tests.engine.candidates import N_FEATURES, labeled, rows
from trading.tests.engine.laws import examples
from trading.tests.engine.models_by_hand import ensemble, logistic

KINDS = list(ModelKind)
LOGISTIC = logistic(np.linspace(-1.0, 1.5, N_FEATURES), intercept=0.3)


@cache
def trained(kind, calibration=SIGMOID):
    return fit(kind, *labeled(1), rng_seed=5, calibration=calibration)


@cache
def classifiers(kind, calibration):
    return fit_classifiers(kind, *labeled(1), rng_seed=5, calibration=calibration)


@pytest.mark.slow
@pytest.mark.parametrize("calibration", [SIGMOID, ISOTONIC])
@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_equal_scikit_learn_also_where_features_are_missing(kind, calibration):
    features = rows(2)

    probabilities = trained(kind, calibration).probabilities(features)

    peers = [one.predict_proba(features)[:, 1] for one in classifiers(kind, calibration)]
    assert np.abs(probabilities - np.mean(peers, axis=0)).max() < 1e-12


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), n=st.integers(80, 250), missing=st.floats(0.0, 0.9))
@examples(3)
def test_any_training_set_flattens_to_the_same_probabilities(seed, n, missing):
    training = labeled(seed, n, missing)

    model = fit(ModelKind.ENSEMBLE, *training, rng_seed=seed)

    features = rows(seed + 1, 100, missing)
    peers = fit_classifiers(ModelKind.ENSEMBLE, *training, rng_seed=seed)
    mean = np.mean([one.predict_proba(features)[:, 1] for one in peers], axis=0)
    assert np.abs(model.probabilities(features) - mean).max() < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_compiled_prediction_is_its_python(kind):
    model, features = trained(kind), rows(3, 20)

    compiled = model.probabilities(features)

    assert compiled.tolist() == export.predict_nb.py_func(features, *model.arrays).tolist()
    assert compiled.tolist() == [model.probability(row) for row in features]


def sigmoid(odds):
    return 1.0 / (1.0 + math.exp(-odds))


@pytest.mark.parametrize(
    ("row", "line", "stumps", "forest"),
    [
        # What equals a split goes left; 0.35 lies between two knots, 0.65 where the curve is level.
        ([0.5, 1.5], 0.0 - 0.25 + 0.5, 0.25 - 1.5, 0.2),
        ([0.7, 3.0], 0.1 - 1.0 + 0.5, 0.25 + 1.5, 0.7),
        ([math.nan, math.nan], 0.25 - 0.5 + 0.5, 0.25 + 1.5, 0.7),
        ([0.1, -5.0], -0.2 + 3.0 + 0.5, 0.25 - 1.5, 0.2),
    ],
)
def test_an_ensemble_predicts_the_mean_worked_out_by_hand(row, line, stumps, forest):
    expected = (sigmoid(line) + sigmoid(2.0 * stumps - 0.5) + forest) / 3.0

    assert ensemble().probability(np.array(row)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("model", [LOGISTIC, ensemble()], ids=lambda model: model.kind)
def test_a_prediction_by_hand_is_the_same_compiled_and_not(model):
    features = np.ascontiguousarray(rows(3, 20)[:, : len(model.names)])

    compiled = model.probabilities(features)

    assert compiled.tolist() == export.predict_nb.py_func(features, *model.arrays).tolist()
    assert compiled.tolist() == [model.probability(row) for row in features]


@pytest.mark.parametrize("model", [LOGISTIC, ensemble()], ids=lambda model: model.kind)
def test_a_model_survives_its_json(model):
    features = rows(4)[:, : len(model.names)]

    read = FittedModel.from_dict(json.loads(json.dumps(model.to_dict())))

    assert read.content_hash == model.content_hash
    assert read.probabilities(features).tolist() == model.probabilities(features).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_model_is_the_same_model(kind):
    model = trained(kind)

    read = FittedModel.from_dict(json.loads(json.dumps(model.to_dict())))

    assert read.content_hash == model.content_hash
    assert read.probabilities(rows(4)).tolist() == model.probabilities(rows(4)).tolist()


@pytest.mark.slow
def test_the_same_rows_and_seed_give_the_same_hash_and_another_row_another():
    features, labels = labeled(1)
    changed = features.copy()
    changed[0, 3] = 0.5

    model = trained(ModelKind.LOGISTIC)

    again = fit(ModelKind.LOGISTIC, features, labels, rng_seed=5)
    other = fit(ModelKind.LOGISTIC, changed, labels, rng_seed=5)
    assert again.content_hash == model.content_hash != other.content_hash


def test_a_changed_artifact_is_refused():
    stored = LOGISTIC.to_dict()
    stored["base_rate"] += 1e-9

    with pytest.raises(StateInvalid, match="has hash"):
        FittedModel.from_dict(stored)


@pytest.mark.parametrize("broken", [{"format": 2}, {"names": None}, {"arrays": {}}])
def test_an_unreadable_artifact_is_refused_by_name(broken):
    stored = LOGISTIC.to_dict() | broken

    with pytest.raises(StateInvalid, match="model"):
        FittedModel.from_dict(stored)


def test_linear_contributions_are_exact_and_sum_to_the_score():
    model, row = LOGISTIC, rows(6, 1, 0.0)[0]

    found = model.contributions(row)

    probability = model.probability(row)
    assert found.method == EXACT_TERMS
    assert found.base + sum(found.values) == pytest.approx(found.score, abs=1e-12)
    assert 1.0 / (1.0 + math.exp(-found.score)) == pytest.approx(probability, abs=1e-12)
    average = model.probability(model.arrays.linear[1, 0])
    assert 1.0 / (1.0 + math.exp(-found.base)) == pytest.approx(average, abs=1e-12)
    assert found.interplay == pytest.approx(0.0, abs=1e-12)
    assert abs(found.largest(1)[0][1]) == max(abs(value) for value in found.values)


def test_contributions_of_trees_compare_with_the_training_mean():
    model, row = ensemble(), np.array([0.3, 4.0])

    found = model.contributions(row)

    without = row.copy()
    without[0] = model.arrays.fill[0]
    assert found.method == ONE_LEFT_OUT
    assert found.values[0] == model.probability(row) - model.probability(without)
    assert found.base == model.probability(model.arrays.fill)
    assert found.score == model.probability(row)
    assert found.base + sum(found.values) + found.interplay == pytest.approx(found.score)
    assert model.contributions(np.full(2, np.nan)).values == (0.0, 0.0)


def test_an_isotonic_curve_has_no_exact_terms():
    arrays = LOGISTIC.arrays
    members = arrays.members.copy()
    members[0, 3], members[0, 5] = export.ISOTONIC, 2
    curve = np.array([[-1.0, 0.2], [1.0, 0.8]])
    model = replace(LOGISTIC, arrays=arrays._replace(members=members, curve=curve))

    assert model.contributions(rows(6, 1, 0.0)[0]).method == ONE_LEFT_OUT


@pytest.mark.slow
def test_probabilities_come_true_out_of_sample():
    model = fit(ModelKind.LOGISTIC, *labeled(1, 8_000), rng_seed=5)
    features, labels = labeled(77, 8_000)

    error = expected_calibration_error(model.probabilities(features), labels)

    assert error < 0.03


@pytest.mark.slow
def test_the_threshold_leaves_the_asked_share_of_calibration_rows_below():
    model = trained(ModelKind.LOGISTIC)
    late = labeled(1)[0][450:]

    below = np.mean(model.probabilities(late) < model.threshold(0.2))

    assert below == pytest.approx(0.2, abs=0.01)


@pytest.mark.slow
def test_training_rows_resolved_after_calibration_began_are_purged():
    features, labels = labeled(1)
    decided = np.arange(600)
    span = {"decided_at": decided, "resolved_at": decided + 10}

    model = fit(ModelKind.LOGISTIC, features, labels, rng_seed=5, **span)

    assert (model.n_train, model.n_calibration) == (440, 150)
    assert fit(ModelKind.LOGISTIC, features[10:], labels[10:], rng_seed=5).n_train == 443


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "DEEP"}, "no model kind 'DEEP'"),
        ({"calibration": "none"}, "calibration 'none' must be"),
        ({"labels": np.zeros(600)}, "0 wins of 450"),
        ({"labels": np.zeros(599)}, "differ"),
        ({"labels": np.full(600, 0.5)}, "labels must be 0 or 1"),
        ({"names": ("one",)}, "one column for each of 1 names"),
        ({"decided_at": np.arange(600)[::-1], "resolved_at": np.arange(600)}, "in order"),
    ],
)
def test_training_refuses_what_it_cannot_learn_from(change, message):
    features, labels = labeled(1)
    given = {"kind": "LOGISTIC", "features": features, "labels": labels}

    with pytest.raises(ConfigInvalid, match=message):
        fit(**given | change, rng_seed=1)


def test_too_few_candidates_are_named_with_their_number():
    features, labels = labeled(1, 79)

    with pytest.raises(ConfigInvalid, match="79 labeled candidates are too few"):
        fit("LOGISTIC", features, labels, rng_seed=1)


def test_an_infinite_feature_is_refused_in_training_and_in_use():
    features, labels = labeled(1)
    features[7, 2] = np.inf

    with pytest.raises(NonFiniteInput, match="row 7 is inf"):
        fit("LOGISTIC", features, labels, rng_seed=1)
    with pytest.raises(NonFiniteInput, match="row 7 is infinite"):
        LOGISTIC.probabilities(features)


def test_another_number_of_columns_is_refused():
    with pytest.raises(ConfigInvalid, match="10 columns"):
        LOGISTIC.probabilities(np.zeros((3, 4)))


def test_a_threshold_lies_on_the_quantiles_of_the_scores():
    model = logistic([1.0], score_quantiles=np.linspace(0.4, 0.6, 101))

    found = [model.threshold(share) for share in (0.0, 0.255, 1.0)]

    assert found == pytest.approx([0.4, 0.451, 0.6])


def test_a_share_outside_zero_and_one_has_no_threshold():
    with pytest.raises(ConfigInvalid, match=r"share 1\.5"):
        LOGISTIC.threshold(1.5)
