"""Chance on a shared account: for one instrument it is the chance of that instrument."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine import null_kernels
from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks.account import portfolio_honesty
from trading.engine.costs import CostModel
from trading.engine.errors import ConfigInvalid
from trading.engine.nulls import random_entries
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.portfolio_nulls import instrument_rates, permuted_legs, random_accounts
from trading.engine.shared_account import Leg
from trading.engine.types import AssetClass, RuleStatus
from trading.tests.engine.laws import length
from trading.tests.engine.walks import random_walk, tape

CONFIG = BacktestConfig(cost_model=CostModel(preset=AssetClass.EQUITY, spread_bps=1.0))
N_BARS = length(500, quick=300)
BARS = [replace(random_walk(seed, N_BARS), symbol=name) for name, seed in (("A", 31), ("B", 32))]
LEGS = [Leg(bars, "rsi2_reversion") for bars in BARS]
RUN = run_portfolio(LEGS, CONFIG)


def draws(seed, found=RUN, legs=LEGS, **more):
    return random_accounts(found, legs, np.random.default_rng(seed), n_draws=20, **more)


def test_one_instrument_draws_what_the_backtest_of_it_draws():
    alone = run(BARS[0], "rsi2_reversion", {}, CONFIG)

    found = draws(4, run_portfolio(LEGS[:1], CONFIG), LEGS[:1])

    expected = random_entries(alone, BARS[0], np.random.default_rng(4), n_draws=20)
    np.testing.assert_allclose(found.sharpe_ratios, expected.sharpe_ratios, rtol=1e-6)
    assert found.win_rates.tolist() == expected.win_rates.tolist()
    np.testing.assert_allclose(found.band_high, expected.band_high, rtol=1e-6)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_accounts_whatever_the_order_of_the_legs():
    turned = run_portfolio(LEGS[::-1], CONFIG)

    once, again, other = draws(1), draws(1, turned, LEGS[::-1]), draws(2)

    assert np.array_equal(once.sharpe_ratios, again.sharpe_ratios)
    assert not np.array_equal(once.sharpe_ratios, other.sharpe_ratios)


def test_on_constant_prices_random_accounts_lose_their_costs_alone():
    flat = [replace(tape([(5.0, 5.0, 5.0, 5.0)] * N_BARS), symbol=name) for name in "AB"]

    found = draws(0, legs=[Leg(bars, "rsi2_reversion") for bars in flat])

    n = len(RUN.account.round_trips)
    assert found.win_rates.tolist() == [0.0] * 20
    assert (found.total_returns < 0.0).all()
    # Each trade takes half the account and loses some 12 bps of it, up to three times in Extreme.
    assert (found.total_returns > -n * 0.5 * 40e-4).all()


def test_dearer_costs_of_one_instrument_are_charged_there_alone():
    dear = [replace(LEGS[0], costs=CostModel(commission_bps=50.0)), LEGS[1]]
    found = run_portfolio(dear, CONFIG)

    rates = [instrument_rates(row, found, dear)[0] for row in found.instruments]

    assert rates[0] == pytest.approx(0.005)
    assert rates[1].max() < 0.002


def test_the_compiled_account_is_the_source_to_the_last_bit():
    rng = np.random.default_rng(5)
    prices = np.exp(np.cumsum(0.01 * rng.standard_normal((2, 60)), axis=1))
    events = np.array([[1, 0, 0, 1], [1, 1, 1, 1], [9, 0, 0, 0], [9, 0, 2, 1], [40, 1, 1, 2]])
    given = (prices, prices, np.full((2, 60), 1e-3), np.full(2, 1e-4), events,
             np.array([1.1, 0.9, np.nan]), np.array([0.7, 0.6, 0.5]), 1.0)  # fmt: skip

    equity, n_wins = null_kernels.random_account_path_nb(*given)

    source, n_source = null_kernels.random_account_path_nb.py_func(*given)
    assert equity.tobytes() == source.tobytes()
    assert n_wins == n_source


def test_purchases_of_a_tick_share_what_the_cap_leaves():
    prices = np.full((2, 5), 2.0)
    events = np.array([[1, 0, 0, 1], [1, 1, 1, 1]])
    rates = np.full((2, 5), 0.01)

    equity, _ = null_kernels.random_account_path_nb(
        prices, prices, rates, np.zeros(2), events, np.full(2, np.nan), np.array([0.6, 0.6]), 0.5
    )

    # Half of the account is spent, one percent of it on commission.
    assert equity[1] == pytest.approx(0.5 + 0.5 / 1.01)


def test_what_moved_together_still_does_when_the_days_are_shuffled():
    twins = [Leg(replace(BARS[0], symbol=name), "sma_cross") for name in "AB"]

    first, second = permuted_legs(twins, np.random.default_rng(3))

    assert np.array_equal(first.bars.close, second.bars.close)
    assert not np.array_equal(first.bars.close, BARS[0].close)
    assert first.bars.close[-1] == pytest.approx(BARS[0].close[-1])


def test_each_window_keeps_its_own_moves():
    moved = permuted_legs(LEGS, np.random.default_rng(3), window=50)[1].bars

    ours = np.diff(np.log(BARS[1].close[:50]), prepend=0.0)[1:]
    theirs = np.diff(np.log(moved.close[:50]), prepend=0.0)[1:]
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-12)


def test_windows_begin_at_the_first_tick_that_may_move():
    moved = permuted_legs(LEGS, np.random.default_rng(3), first=70, window=50)[1].bars

    for start in (70, 120):
        ours, theirs = (
            np.diff(np.log(bars.close[start - 1 : start + 50])) for bars in (BARS[1], moved)
        )
        np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-12)
        assert not np.allclose(ours, theirs)


@pytest.mark.slow
def test_the_panel_compares_the_account_with_random_entries_and_shuffled_days():
    panel = portfolio_honesty(RUN, LEGS, Allocation(), np.random.default_rng(7), n_draws=20)

    rows = {row.key: row for row in panel.rows}
    assert panel.nulls.win_rates.shape == (20,)
    assert panel.shuffled.sharpe_ratios.shape == panel.shuffled.win_rates.shape == (30,)
    assert 0.0 < rows["NULL_SHARPE"].numbers["p"] <= 1.0
    assert rows["NULL_BARS"].status is not RuleStatus.NOT_APPLICABLE
    win_rate = RUN.account.metrics["win_rate"]
    assert rows["NULL_BARS_WIN_RATE"].numbers["win_rate"] == pytest.approx(win_rate)
    assert rows["NULL_BARS_WIN_RATE"].numbers["n_trades"] == len(RUN.account.round_trips)
    assert rows["OVERFITTING"].status is RuleStatus.NOT_APPLICABLE


def test_without_a_trade_there_is_no_account_to_draw():
    params = {"entry_bars": 250, "exit_bars": 250}
    idle = run_portfolio([Leg(bars, "donchian_breakout", params) for bars in BARS], CONFIG)

    with pytest.raises(ConfigInvalid, match="found 0"):
        draws(0, idle)
