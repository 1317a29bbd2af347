"""Nulls: permuted bars and random entries."""

from __future__ import annotations

import numpy as np
import pytest

from trading.engine.evidence.nulls import (
    WINDOW_BARS,
    drawn_win_rates,
    permuted,
    random_entries,
)
from trading.engine.evidence.rules import rule_get
from trading.engine.evidence.trips import blind_plan, outcomes, taken_trips
from trading.tests.engine.evidence.markets import market, ones


@pytest.mark.parametrize("closes_only", [False, True])
def test_permuted_bars_keep_the_moves_of_each_window(closes_only):
    bars = market(2, 600, closes_only=closes_only).bars

    shuffled = permuted(bars, np.random.default_rng(1))

    before, after = np.diff(np.log(bars.close)), np.diff(np.log(shuffled.close))
    for start in range(0, 599, WINDOW_BARS):
        window = slice(start, start + WINDOW_BARS)
        np.testing.assert_allclose(np.sort(before[window]), np.sort(after[window]), atol=1e-12)
    assert not np.allclose(before, after)
    assert shuffled.closed_at.tolist() == bars.closed_at.tolist()
    assert np.array_equal(shuffled.high, shuffled.low) is closes_only


def test_permuted_bars_keep_the_shape_of_each_bar():
    bars = market(2, 600).bars

    shuffled = permuted(bars, np.random.default_rng(1))

    def shapes(each):
        return np.sort(np.log(each.high / each.low)), np.sort(np.log(each.open / each.close))

    for before, after in zip(shapes(bars), shapes(shuffled), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-9)


def test_random_entries_are_the_mean_over_every_bar_of_the_cell():
    instrument = market(0, 900)

    entries = random_entries([instrument], blind_plan)

    played = outcomes(instrument, ones(instrument), blind_plan(instrument))
    assert (played.exit_bars[-5:] < 0).any()
    for code in range(4):
        net = played.net[(instrument.codes == code) & (played.exit_bars >= 0)]
        assert entries.win_rates[0, code] == (net > 0.0).mean()
        assert entries.mean_net[0, code] == net.mean()
        assert entries.n_bars[0, code] == net.size


@pytest.mark.slow
def test_drawn_win_rates_scatter_around_the_expected_rate_and_repeat_by_seed():
    instrument = market(0)
    setup = rule_get("rsi2_reversion").setup(instrument)
    unknown = np.full(len(instrument.bars), np.nan)
    trips = taken_trips(0, instrument, setup.signals, setup.blind, unknown)
    entries = random_entries([instrument], blind_plan)

    drawn = drawn_win_rates(trips, entries, 5, n_draws=400)

    assert drawn.mean() == pytest.approx(entries.expected(trips).mean(), abs=0.02)
    np.testing.assert_array_equal(drawn, drawn_win_rates(trips, entries, 5, n_draws=400))
