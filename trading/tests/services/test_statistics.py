"""Figures of stored tables."""

from __future__ import annotations

import math

import pytest

from trading.services.backtests.statistics import month_extremes

EMPTY = [None] * 12


def year(number, **months):
    row = list(EMPTY)
    for name, value in months.items():
        row[int(name.removeprefix("m")) - 1] = value
    return {"year": number, "months": row}


def test_the_best_and_the_worst_month_are_found_with_the_rest_of_the_span():
    found = month_extremes([year(2019, m3=0.10, m4=-0.20), year(2020, m1=0.50)])

    assert found is not None
    assert found.best == (0.50, 2020, 0)
    assert found.worst == (-0.20, 2019, 3)
    assert (found.n_gained, found.n) == (2, 3)
    assert found.whole == pytest.approx(1.1 * 0.8 * 1.5 - 1)
    assert found.without_best == pytest.approx(1.1 * 0.8 - 1)


def test_a_table_without_a_month_has_no_extremes():
    assert month_extremes([]) is None
    assert month_extremes([year(2020)]) is None


def test_what_is_left_without_the_only_month_that_lost_all_is_not_known():
    found = month_extremes([year(2020, m5=-1.0)])

    assert found is not None
    assert math.isnan(found.without_best)
