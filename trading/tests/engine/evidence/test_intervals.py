"""Month-block intervals and chances of the null."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trading.engine.evidence.intervals import (
    exceeding_probability,
    month_block_interval,
    rank_probability,
)


def test_trades_that_win_and_lose_by_whole_months_have_a_wider_interval():
    rng = np.random.default_rng(4)
    months = np.repeat(np.arange(60), 20)
    alone = (rng.random(1_200) < 0.6).astype(float)
    together = np.repeat((rng.random(60) < 0.6).astype(float), 20)

    narrow = month_block_interval(alone, months, seed=1)
    wide = month_block_interval(together, months, seed=1)

    assert narrow.low < alone.mean() < narrow.high
    assert wide.high - wide.low > 3.0 * (narrow.high - narrow.low)


def test_one_month_gives_no_interval():
    assert math.isnan(month_block_interval(np.ones(9), np.zeros(9, dtype=np.int64), seed=1).low)


@pytest.mark.slow
def test_exceeding_probability_is_students_predictive_tail():
    draws = np.array([0.50, 0.52, 0.54, 0.51, 0.53])

    found = exceeding_probability(0.60, draws)

    # Student's tail with 4 degrees of freedom has a closed form.
    t = (0.60 - draws.mean()) / (draws.std(ddof=1) * math.sqrt(1.2))
    inside = t * (t**2 + 6.0) / (t**2 + 4.0) ** 1.5
    assert found == pytest.approx(0.5 - 0.5 * inside)


def test_chances_are_unknown_or_certain_where_they_must_be():
    assert math.isnan(exceeding_probability(0.6, np.array([0.5, np.nan])))
    assert exceeding_probability(0.6, np.full(5, 0.5)) == 0.0
    assert exceeding_probability(0.5, np.full(5, 0.5)) == 1.0
    assert rank_probability(0.9, np.linspace(0.0, 0.8, 30)) == 1.0 / 31.0
