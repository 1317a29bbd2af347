"""Each candidate is judged by the model of its time, and two models by the same candidates."""

import math

import numpy as np
import pytest

from trading.engine.learning.export import ModelArrays
from trading.engine.learning.fitted import DatedModel, FittedModel
from trading.engine.learning.members import member_probabilities
from trading.services.models.candidates import Candidates
from trading.services.models.gates import LOG_LOSS_MARGIN, gates_of, same_rows
from trading.services.models.sequence import OutOfSample, member_metrics, out_of_sample

NO_INTEGERS = np.empty(0, dtype=np.int64)


def says(probability: float) -> FittedModel:
    """A linear model without weights: the same probability for every row."""
    arrays = ModelArrays(
        fill=np.zeros(1),
        members=np.array([[0, 0, 0, 1, 0, 0]]),
        scalars=np.array([[math.log(probability / (1.0 - probability)), 1.0, -1.0, 0.0]]),
        linear=np.array([[[0.0]], [[0.0]], [[1.0]]]),
        nodes=NO_INTEGERS.reshape(0, 3),
        splits=np.empty((0, 2)),
        roots=NO_INTEGERS,
        curve=np.empty((0, 2)),
    )
    return FittedModel("LOGISTIC", ("x",), arrays, np.full(101, probability), 0.4, 80, 20)


def candidates(decided, *, resolved=None, wins=None, is_entry=None) -> Candidates:
    """Candidates of one LOW regime, won and resolved one moment later where nothing is said."""
    n = len(decided)
    won = np.ones(n, dtype=bool) if wins is None else np.array(wins)
    return Candidates(
        np.zeros((n, 1)),
        np.array(decided),
        np.array(decided) + 1 if resolved is None else np.array(resolved),
        np.where(won, 0.01, -0.01),
        np.zeros(n, dtype=np.int64),
        np.ones(n, dtype=bool) if is_entry is None else np.array(is_entry),
    )


MODELS = [DatedModel(10, says(0.6)), DatedModel(20, says(0.7))]


def test_a_candidate_meets_the_model_in_force_and_none_before_the_first():
    tested = out_of_sample(candidates([5, 9, 10, 19, 20, 30]), MODELS)

    assert tested.candidates.decided_at.tolist() == [10, 19, 20, 30]
    assert tested.probability == pytest.approx([0.6, 0.6, 0.7, 0.7])
    assert tested.threshold == pytest.approx([0.6, 0.6, 0.7, 0.7])


def test_only_candidates_the_rule_would_buy_are_judged():
    tested = out_of_sample(candidates([10, 11, 12], is_entry=[True, False, True]), MODELS)

    assert tested.candidates.decided_at.tolist() == [10, 12]


def test_the_base_is_what_was_resolved_when_the_model_began():
    rows = candidates([1, 2, 3, 15], resolved=[4, 5, 11, 16], wins=[True, False, True, True])

    assert out_of_sample(rows, MODELS).base.tolist() == [0.5]


def test_without_anything_resolved_the_base_is_that_of_training():
    assert out_of_sample(candidates([15]), MODELS).base.tolist() == [0.4]


def test_members_are_measured_by_the_model_in_force():
    tested = out_of_sample(candidates([10, 20, 30], wins=[True, True, False]), MODELS)

    (member,) = member_metrics(tested, MODELS)

    assert member["n"] == member["regimes"]["LOW"]["n"] == 3
    assert member["mean_probability"] == pytest.approx((0.6 + 0.7 + 0.7) / 3)
    assert member["brier"] == pytest.approx((0.16 + 0.09 + 0.49) / 3)
    assert member_probabilities(MODELS[0].model, [[0.0]]).tolist() == [[pytest.approx(0.6)]]


def judged(decided, probability: float, *, wins) -> OutOfSample:
    n = len(decided)
    rows = candidates(decided, wins=wins)
    return OutOfSample(rows, np.full(n, probability), np.full(n, 0.5), np.full(n, 0.55))


def test_two_models_are_compared_from_the_later_first_model_on():
    ours, theirs = (
        judged(times, 0.6, wins=[True] * len(times)) for times in ([10, 20, 30], [20, 30])
    )

    kept = [part.candidates.decided_at.tolist() for part in same_rows(ours, theirs)]
    turned = [part.candidates.decided_at.tolist() for part in same_rows(theirs, ours)]

    assert kept == turned == [[20, 30], [20, 30]]


def passed(probability: float) -> dict[str, bool]:
    """Gates of a model against one that says 0.6 of candidates six in ten of which win."""
    times, wins = list(range(400)), [k % 10 < 6 for k in range(400)]
    champion = judged(times, 0.6, wins=wins)
    gates = gates_of(judged(times, probability, wins=wins), champion)
    return {gate["name"]: gate["is_passed"] for gate in gates}


def test_a_model_as_good_as_the_champion_passes():
    assert all(passed(0.6).values())


def test_a_model_a_hair_worse_passes_and_one_worse_than_the_margin_does_not():
    # The log-loss of saying p where 60 % win exceeds that of saying 60 % by about (p - .6)^2 / .48.
    edge = math.sqrt(0.48 * LOG_LOSS_MARGIN)

    assert passed(0.6 + 0.8 * edge)["log_loss"]
    assert not passed(0.6 + 1.2 * edge)["log_loss"]
