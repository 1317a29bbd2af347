"""Random entries keep count, lengths and costs, and come from the seed alone."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.costs import CostModel
from trading.engine.errors import ConfigInvalid
from trading.engine.nulls import buy_and_hold, exceedance, random_entries
from trading.engine.strategies import sma_cross
from trading.engine.strategies.base import Proposal
from trading.tests.engine.walks import random_walk, tape

BARS = random_walk(31, 500)
RUN = run(BARS, "rsi2_reversion", {}, BacktestConfig(commission_bps=5.0))


def draws(seed, n_draws=20):
    return random_entries(RUN, BARS, np.random.default_rng(seed), n_draws=n_draws)


def test_the_same_seed_gives_the_same_draws():
    once, again, other = draws(1), draws(1), draws(2)

    assert np.array_equal(once.sharpe_ratios, again.sharpe_ratios)
    assert not np.array_equal(once.sharpe_ratios, other.sharpe_ratios)


def test_the_band_starts_at_the_cash_and_is_ordered():
    found = draws(3)

    assert found.band_median[0] == RUN.config.cash
    assert (found.band_low <= found.band_median).all()
    assert (found.band_median <= found.band_high).all()
    assert found.band_bars[-1] == len(BARS) - 1


def test_on_a_constant_price_random_entries_lose_exactly_their_costs():
    flat = tape([(5.0, 5.0, 5.0, 5.0)] * len(BARS))

    found = random_entries(RUN, flat, np.random.default_rng(0), n_draws=3)

    n = len(RUN.round_trips)
    kept = (1 - 5e-4) / (1 + 5e-4)
    np.testing.assert_allclose(1.0 + found.total_returns, kept**n, rtol=1e-12)
    assert found.win_rates.tolist() == [0.0] * 3


def short_run(borrow_bps, slippage_bps=0.0):
    def decide(features, i, state):
        return Proposal(-0.5 * (i % 20 < 10), -0.5, "SHORT")

    def prepare(bars, params):
        return replace(sma_cross.prepare(bars, params), table=None)

    spec = replace(sma_cross.SPEC, prepare=prepare, decide=decide, targets=None)
    costs = CostModel(commission_bps=5.0, slippage_bps=slippage_bps, borrow_bps_per_day=borrow_bps)
    return run(BARS, spec, {}, BacktestConfig(cost_model=costs))


@pytest.mark.slow
def test_on_a_constant_price_random_short_entries_lose_their_costs_and_the_borrow():
    flat = tape([(5.0, 5.0, 5.0, 5.0)] * len(BARS))
    paid, borrowed = (
        random_entries(short_run(bps), flat, np.random.default_rng(0), n_draws=3)
        for bps in (0.0, 2.0)
    )

    # Half of equity, brought in less 5 bps, bought back for 5 bps more.
    trips = short_run(0.0).round_trips
    weights = np.array([trip.entry_notional * (1 - 5e-4) for trip in trips])
    before = np.concatenate(([100_000.0], short_run(0.0).equity))
    weights /= before[[trip.entry_bar for trip in trips]]
    lost = weights * (1.0005 / 0.9995 - 1.0)
    np.testing.assert_allclose(1.0 + paid.total_returns, np.prod(1.0 - lost), rtol=1e-12)
    days = sum(trip.bars_held for trip in trips)
    assert paid.win_rates.tolist() == [0.0] * 3
    # A day of two basis points of half of what is left by then.
    np.testing.assert_allclose(
        np.log1p(borrowed.total_returns) - np.log1p(paid.total_returns), -1e-4 * days, rtol=0.05
    )


def test_random_short_entries_win_what_the_price_falls():
    fall = tape([(close, close, close, close) for close in 500.0 - np.arange(len(BARS))])

    found = random_entries(short_run(0.0), fall, np.random.default_rng(0), n_draws=3)

    assert found.win_rates.tolist() == [1.0] * 3
    assert (found.total_returns > 0.0).all()


def test_a_random_short_entry_whose_borrow_eats_its_profit_does_not_win():
    fall = tape([(close, close, close, close) for close in 1_500.0 - np.arange(len(BARS))])

    found = random_entries(short_run(60.0), fall, np.random.default_rng(0), n_draws=3)

    assert found.win_rates.tolist() == [0.0] * 3


def test_random_short_entries_pay_slippage_on_both_sides():
    flat = tape([(5.0, 5.0, 5.0, 5.0)] * len(BARS))
    free, paying = (
        random_entries(short_run(0.0, bps), flat, np.random.default_rng(0), n_draws=1)
        for bps in (0.0, 5.0)
    )

    # Commission and slippage are alike here, and so cost the same.
    assert np.log1p(paying.total_returns) == pytest.approx(2 * np.log1p(free.total_returns), 0.01)


def test_buy_and_hold_pays_the_entry_and_is_marked_at_the_end():
    equity = buy_and_hold(RUN, BARS)

    expected = 100_000.0 / 1.0005 / BARS.open[1] * BARS.close[-1]
    assert equity[0] == 100_000.0
    assert equity[-1] == pytest.approx(expected, rel=1e-12)


def test_without_a_trade_there_is_nothing_to_draw():
    idle = run(BARS, "donchian_breakout", {"entry_bars": 400, "exit_bars": 400})

    with pytest.raises(ConfigInvalid, match="found 0"):
        random_entries(idle, BARS, np.random.default_rng(0))


def test_at_least_one_draw_is_asked_for():
    with pytest.raises(ConfigInvalid, match="n_draws 0"):
        draws(0, n_draws=0)


def test_nothing_beats_itself_more_often_than_always():
    assert exceedance(-1.0, np.zeros(9)) == 1.0
    assert exceedance(1.0, np.zeros(9)) == pytest.approx(0.1)
