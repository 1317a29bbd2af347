"""Figures of a gate, worked out by hand on six candidates, and how trees read a feature."""

import numpy as np
import pytest

from trading.engine.errors import ConfigInvalid
from trading.engine.learning.calibration import expected_calibration_error
from trading.engine.learning.export import tree_value_nb
from trading.engine.learning.measurement import MOST_CALIBRATED, gate_figures
from trading.engine.metrics import wilson_interval

PROBABILITIES = np.array([0.9, 0.7, 0.5, 0.5, 0.3, 0.2])
RETURNS = np.array([0.02, 0.01, -0.03, 0.01, 0.04, -0.01])
FOUND = gate_figures(PROBABILITIES, RETURNS, 0.5)


def test_a_candidate_on_the_threshold_is_let_through():
    assert (FOUND.n, FOUND.n_taken, FOUND.coverage) == (6, 4, 4 / 6)


def test_the_win_rate_is_of_those_let_through_and_the_base_rate_of_all():
    assert (FOUND.n_wins, FOUND.win_rate, FOUND.interval) == (3, 0.75, wilson_interval(3, 4))
    assert (FOUND.base_rate, FOUND.base_interval) == (4 / 6, wilson_interval(4, 6))


def test_a_result_of_nothing_is_no_win():
    assert gate_figures([0.9], [0.0], 0.5).n_wins == 0


def test_net_results_are_of_those_let_through_and_of_all():
    assert FOUND.mean_net_return == pytest.approx(0.0025)
    assert FOUND.mean_net_return_all == pytest.approx(0.04 / 6)


def test_the_calibration_error_goes_up_to_three_quarters_and_over_all():
    is_win = RETURNS > 0.0
    kept = PROBABILITIES <= MOST_CALIBRATED

    assert FOUND.ece == expected_calibration_error(PROBABILITIES[kept], is_win[kept])
    assert FOUND.ece_all == expected_calibration_error(PROBABILITIES, is_win)
    assert FOUND.ece != FOUND.ece_all


def test_each_candidate_has_its_own_threshold():
    thresholds = [1.0, 0.6, 0.6, 0.4, 0.3, 0.3]

    assert gate_figures(PROBABILITIES, RETURNS, thresholds).n_taken == 3


def test_a_gate_that_lets_nothing_through_has_no_win_rate():
    stored = gate_figures(PROBABILITIES, RETURNS, 1.0).to_dict()

    assert (stored["win_rate"], stored["mean_net_return"]) == (None, None)
    assert stored["base_rate"] == 4 / 6


def test_lengths_that_differ_are_refused():
    with pytest.raises(ConfigInvalid, match="differ"):
        gate_figures([0.5], [0.1, 0.2], 0.5)


@pytest.mark.parametrize(("rounds_to_single", "value"), [(True, 1.0), (False, 2.0)])
def test_a_forest_compares_in_single_precision_and_boosting_in_double(rounds_to_single, value):
    nodes = np.array([[0, 1, 2], [-1, -1, -1], [-1, -1, -1]])
    splits = np.array([[0.5, 0.0], [0.0, 1.0], [0.0, 2.0]])
    row = np.array([0.5 + 1e-9])

    for run in (tree_value_nb, tree_value_nb.py_func):
        assert run(row, 0, rounds_to_single, nodes, splits) == value
