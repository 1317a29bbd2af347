"""Reliability over time adds up: quarters are their candidates, windows their quarters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid
from trading.engine.learning.calibration import brier_score, brier_skill
from trading.engine.learning.reliability import Reliability, by_quarter, rolling

DAYS = np.arange("2018-11-15", "2020-04-10", dtype="datetime64[D]").astype("datetime64[ns]")


def sample(seed: int, n: int = 400):
    rng = np.random.default_rng(seed)
    times = rng.choice(DAYS, n).astype(np.int64)
    p = rng.uniform(0.0, 1.0, n)
    return times, p, np.where(rng.uniform(size=n) < p, 0.01, -0.01)


def test_a_quarter_begins_with_its_first_nanosecond():
    edge = np.datetime64("2020-01-01", "ns").astype(np.int64)

    before, after = by_quarter([edge - 1, edge], [0.4, 0.6], [0.01, 0.01])

    assert (before.label, after.label) == ("2019 Q4", "2020 Q1")


def test_a_quarter_is_what_its_candidates_are():
    times, p, net = sample(1)
    quarter = times.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64) // 3

    for row in by_quarter(times, p, net):
        mine = quarter == row.quarter
        assert row.n == mine.sum()
        assert row.win_rate == pytest.approx((net[mine] > 0).mean())
        assert row.mean_probability == pytest.approx(p[mine].mean())
        assert row.brier_skill == pytest.approx(brier_skill(p[mine], net[mine] > 0))


def test_a_window_over_everything_is_the_sample():
    times, p, net = sample(2)

    last = rolling(by_quarter(times, p, net), 40)[-1]

    assert (last.n, last.n_quarters) == (400, 40)
    assert last.sum_squared_error / last.n == pytest.approx(brier_score(p, net > 0))
    assert last.brier_skill == pytest.approx(brier_skill(p, net > 0))


@given(st.integers(0, 2**32 - 1), st.integers(1, 8))
def test_a_rolling_window_looks_at_its_own_quarters_only(seed, n_quarters):
    rows = by_quarter(*sample(seed, 60))

    for window in rolling(rows, n_quarters):
        inside = [
            row for row in rows if window.quarter - n_quarters < row.quarter <= window.quarter
        ]
        assert window.n == sum(row.n for row in inside)
        assert window.n_wins == sum(row.n_wins for row in inside)


def test_a_loss_of_nothing_is_no_win():
    assert by_quarter([0], [0.5], [0.0])[0].n_wins == 0


def test_what_is_said_inside_the_interval_is_reliable():
    assert Reliability(200, 1, 100, 60, 58.0, 24.0).is_reliable
    assert not Reliability(200, 1, 100, 60, 75.0, 24.0).is_reliable
    assert not Reliability(200, 1, 100, 60, 45.0, 24.0).is_reliable


def test_a_window_that_only_won_has_no_skill():
    assert np.isnan(Reliability(200, 1, 10, 10, 9.0, 0.1).brier_skill)
    assert np.isnan(Reliability(200, 1, 0, 0, 0.0, 0.0).brier_skill)


def test_reliability_reads_back_what_it_writes():
    (row, *_) = by_quarter(*sample(3))

    assert Reliability.from_dict(row.to_dict()) == row


def test_lengths_that_differ_and_empty_windows_are_refused():
    with pytest.raises(ConfigInvalid, match="differ"):
        by_quarter([0, 1], [0.5], [0.1])
    with pytest.raises(ConfigInvalid, match="n_quarters 0 must be at least 1"):
        rolling([], 0)
