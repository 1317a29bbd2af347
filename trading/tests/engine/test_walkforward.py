"""Yearly walk-forward folds: what may be learned before a year."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid
from trading.engine.market import DAY_NS
from trading.engine.walkforward import EMBARGO_DAYS, yearly_folds, years_of
from trading.tests.engine.laws import examples


def samples(seed, n=400, most_days=30):
    rng = np.random.default_rng(seed)
    decided = np.sort(rng.integers(0, 6 * 365, n)) * DAY_NS
    return decided, decided + rng.integers(0, most_days, n) * DAY_NS


@examples(100)
@given(st.integers(0, 30))
def test_no_fold_trains_on_an_outcome_known_inside_the_embargo(seed):
    decided, resolved = samples(seed)

    for fold in yearly_folds(decided, resolved, minimum=50):
        beginning = (np.datetime64(str(fold.year), "ns")).astype(np.int64)
        learned = np.concatenate((fold.train, fold.calibration))
        assert (resolved[learned] < beginning - EMBARGO_DAYS * DAY_NS).all()
        assert (years_of(decided[fold.test]) == fold.year).all()


@pytest.mark.parametrize("year", range(2000, 2031))
def test_the_embargo_is_ten_trading_days_in_any_year(year):
    beginning = np.datetime64(f"{year}-01-01")

    first = beginning - np.timedelta64(EMBARGO_DAYS, "D")

    # Christmas is the one holiday of December, on a weekday or moved to one.
    assert np.busday_count(first, beginning) - 1 >= 10


@examples(100)
@given(st.integers(0, 30))
def test_fitted_outcomes_are_known_before_the_calibration_quarter_begins(seed):
    decided, resolved = samples(seed)

    for fold in yearly_folds(decided, resolved, minimum=50):
        assert resolved[fold.train].max() < decided[fold.calibration].min()
        assert not set(fold.train) & set(fold.calibration)


def test_every_decision_after_the_first_full_window_is_tested_once():
    decided, resolved = samples(1)

    folds = list(yearly_folds(decided, resolved, minimum=50))

    tested = np.concatenate([fold.test for fold in folds])
    assert np.unique(tested).size == tested.size
    assert set(tested) == set(np.flatnonzero(years_of(decided) >= folds[0].year))


def test_folds_test_other_decisions_when_they_are_given():
    decided, resolved = samples(1)
    others = decided[::7] + DAY_NS

    folds = list(yearly_folds(decided, resolved, minimum=50, test_decided_at=others))

    assert all((years_of(others[fold.test]) == fold.year).all() for fold in folds)
    assert sum(fold.test.size for fold in folds) <= others.size


@pytest.mark.parametrize("limits", [{"minimum": 7}, {"embargo_days": -1}])
def test_yearly_folds_refuses_limits_out_of_bounds(limits):
    decided, resolved = samples(1)

    with pytest.raises(ConfigInvalid):
        list(yearly_folds(decided, resolved, **limits))
