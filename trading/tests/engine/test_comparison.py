"""Differences of runs obey their laws; intervals hold what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine import comparison, metrics
from trading.engine.comparison import Holding
from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.tests.engine.laws import examples

MONTHS = np.random.default_rng(3).normal(0.005, 0.04, 60)
SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 10)), max_size=8)


def rng():
    return np.random.default_rng(1)


def holdings(spans, key="SPX long"):
    """Lay stretches one after another, each `gap` after the one before."""
    at, made = 0, []
    for gap, length in spans:
        made.append(Holding(key, at + gap, at + gap + length))
        at += gap + length
    return made


def test_sharpe_of_equals_the_metric():
    found = comparison.sharpe_of(12.0)(MONTHS)

    assert float(found) == pytest.approx(metrics.sharpe_ratio(MONTHS, 12.0), rel=1e-12)


def test_a_run_does_not_differ_from_itself():
    found = comparison.paired_difference(MONTHS, MONTHS, comparison.sharpe_of(12.0), rng=rng())

    assert found == (0.0, 0.0, 0.0, 60)


def test_swapping_the_runs_turns_the_difference_around():
    other = MONTHS[::-1] * 0.5
    there = comparison.paired_difference(MONTHS, other, comparison.mean_return, rng=rng())
    back = comparison.paired_difference(other, MONTHS, comparison.mean_return, rng=rng())

    assert back.value == pytest.approx(-there.value)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


def test_what_both_runs_share_cancels():
    noise = np.random.default_rng(4).normal(0.0, 0.001, 60)

    paired = comparison.paired_difference(
        MONTHS, MONTHS + 0.002 + noise, comparison.mean_return, rng=rng()
    )

    assert paired.low > 0.001
    assert paired.high - paired.low < 0.001 < MONTHS.std() / math.sqrt(60)


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    source = np.random.default_rng(8)
    hits = 0
    for _ in range(200):
        a, b = source.normal(0.0, 0.04, 60), source.normal(0.01, 0.04, 60)
        found = comparison.paired_difference(a, b, comparison.mean_return, rng=source, n_draws=300)
        hits += found.low <= 0.01 <= found.high

    assert 175 <= hits <= 197


def test_blocks_are_neighbors_that_wrap_around():
    places = comparison._blocks(27, 50, rng())

    steps = np.diff(places.reshape(50, 9, 3), axis=2) % 27
    assert places.shape == (50, 27)
    assert (steps == 1).all()
    assert len(np.unique(places)) == 27


def test_too_few_periods_give_a_difference_without_an_interval():
    found = comparison.paired_difference(
        MONTHS[:11], MONTHS[:11] + 0.01, comparison.mean_return, rng=rng()
    )

    assert found.value == pytest.approx(0.01)
    assert math.isnan(found.low)
    assert found.n == 11


@pytest.mark.parametrize("n", [0, 1])
def test_without_two_periods_nothing_is_known(n):
    found = comparison.paired_difference(MONTHS[:n], MONTHS[:n], comparison.mean_return, rng=rng())

    assert math.isnan(found.value)
    assert found.n == n


def test_a_run_that_never_varies_has_no_sharpe_difference_and_no_correlation():
    flat = np.zeros(60)

    found = comparison.paired_difference(MONTHS, flat, comparison.sharpe_of(12.0), rng=rng())

    assert math.isnan(found.value)
    assert math.isnan(comparison.correlation(MONTHS, flat))


def test_correlation_equals_numpy_and_needs_twelve_periods():
    other = MONTHS * 0.3 + np.random.default_rng(6).normal(0, 0.02, 60)

    assert comparison.correlation(MONTHS, other) == np.corrcoef(MONTHS, other)[0, 1]
    assert math.isnan(comparison.correlation(MONTHS[:11], other[:11]))


@examples(60)
@given(SPANS, SPANS)
def test_overlap_equals_counting_every_moment(first, second):
    a, b = holdings(first), holdings(second)

    def moments(items):
        return {t for item in items for t in range(item.entry_at, item.exit_at)}

    union = moments(a) | moments(b)
    expected = len(moments(a) & moments(b)) / len(union) if union else math.nan
    assert comparison.holding_overlap(a, b) == pytest.approx(expected, nan_ok=True)


def test_another_instrument_or_side_is_no_overlap():
    a = [Holding("SPX long", 0, 10)]

    assert comparison.holding_overlap(a, [Holding("SPX short", 0, 10)]) == 0.0
    assert comparison.holding_overlap(a, a) == 1.0


def test_impossible_input_is_refused_by_name():
    with pytest.raises(ConfigInvalid, match="equally long"):
        comparison.paired_difference(MONTHS, MONTHS[1:], comparison.mean_return, rng=rng())
    with pytest.raises(NonFiniteInput, match=r"returns\[1\] is nan"):
        comparison.correlation([0.0, math.nan], [0.0, 0.0])
    with pytest.raises(ConfigInvalid, match="n_draws 0"):
        comparison.paired_difference(MONTHS, MONTHS, comparison.mean_return, rng=rng(), n_draws=0)
    with pytest.raises(ConfigInvalid, match="periods_per_year 0"):
        comparison.sharpe_of(0.0)
    with pytest.raises(ConfigInvalid, match="before it begins"):
        comparison.holding_overlap([Holding("SPX long", 5, 4)], [])
