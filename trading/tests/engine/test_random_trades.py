"""Random trades end as those of the run do: laws over walks, waits by hand, luck unjudged."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine import null_kernels
from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks.chance import null_win_rate
from trading.engine.nulls import charged_rates, random_entries, trades_of_run
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.portfolio_nulls import instrument_trades, random_accounts
from trading.engine.rules import PROTECTED
from trading.engine.shared_account import Leg
from trading.engine.strategies.base import Proposal
from trading.engine.types import AssetClass, OrderSide, Regime
from trading.engine.win_chances import chances_of
from trading.tests.engine.laws import length
from trading.tests.engine.rules_by_hand import by_hand, coin
from trading.tests.engine.walks import random_walk

N_BARS = length(700, quick=420)
BARS = random_walk(5, N_BARS, 0.02)
AT_CLOSE = replace(BARS, exec_price="CLOSE")
COSTS = BacktestConfig(slippage_bps=2.0, cost_preset=AssetClass.EQUITY, tick_size=0.01)
TREND = ("volatility_adaptive_trend", {"trail_atr": 2.0, "target_atr.NORMAL": 1.5, "stop_atr": 1.0})
HYBRID = ("hybrid", {"entry_level": 25.0, "max_bars": 3})


def resting(key, params, bars=BARS, config=COSTS):
    return run(bars, key, {"protection": "resting", **params}, config)


def own_trades(found, bars):
    """Play the trades of a run from its own entries: what its rule ended, ends in time."""
    trades = trades_of_run(found, bars, found.config.costs.slippage_rate)
    starts = np.array([trip.entry_bar for trip in found.round_trips])
    limits = np.where(trades.is_protected, len(bars), trades.lengths)
    return trades.played(starts, limits, np.arange(len(trades)))


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
@pytest.mark.parametrize(("key", "params"), [TREND, HYBRID])
def test_from_its_own_entries_a_null_makes_the_trades_of_the_run(key, params, bars):
    found = resting(key, params, bars)
    last = {fill.bar: fill.price for fill in found.fills if fill.side is OrderSide.SELL}

    drawn = own_trades(found, bars)

    ended = [trip.exit_reason in PROTECTED for trip in found.round_trips]
    assert 0 < sum(ended) < len(ended)
    assert drawn.entries.tolist() == [trip.entry_bar for trip in found.round_trips]
    assert drawn.exits.tolist() == [trip.exit_bar for trip in found.round_trips]
    assert drawn.prices.tolist() == [last[trip.exit_bar] for trip in found.round_trips]
    assert drawn.insides.tolist() == ended


def test_from_its_own_entries_a_null_has_the_equity_and_the_wins_of_the_run():
    found = resting(*HYBRID)
    drawn = own_trades(found, BARS)
    rates, slippage = charged_rates(COSTS.costs, found.costs, found.regime_codes)

    equity, n_wins = null_kernels.random_entry_path_nb(
        BARS.exec_prices, BARS.close, drawn.entries, drawn.exits, drawn.prices, drawn.weights,
        rates, slippage, np.zeros(len(BARS)), 1,
    )  # fmt: skip

    until = found.round_trips[-1].exit_bar
    np.testing.assert_allclose(equity[:until] * COSTS.cash, found.equity[:until], rtol=1e-12)
    assert n_wins == sum(trip.pnl > 0.0 for trip in found.round_trips)


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
def test_a_compiled_trade_is_its_source_to_the_last_bit(bars):
    trades = trades_of_run(resting(*TREND, bars), bars, 2e-4)
    rng = np.random.default_rng(2)
    given = (
        np.sort(rng.integers(260, len(bars) - 1, 12)), rng.integers(1, 9, 12), np.ones(12),
        np.ones(12), trades.resting,
    )  # fmt: skip

    compiled = null_kernels.protected_trades_nb(*given)

    source = null_kernels.protected_trades_nb.py_func(*given)
    assert [column.tobytes() for column in compiled] == [column.tobytes() for column in source]
    for start, limit, *rest in zip(*given[:4], strict=True):
        found = null_kernels.protected_trade_nb(start, limit, *rest, trades.resting)
        alone = null_kernels.protected_trade_nb.py_func(start, limit, *rest, trades.resting)
        np.testing.assert_array_equal(found, alone)


def test_a_stop_does_not_trail_at_the_close_that_decides_to_leave():
    close = np.array([10.0, 10.0, 14.0, 13.5, 13.5])
    low, none, zero = np.array([10.0, 10.0, 10.0, 12.0, 12.0]), np.full(5, np.nan), np.zeros(5)
    stop, trail = np.full(5, 5.0), np.ones(5)
    resting_at_close = null_kernels.Resting(
        close, close, close, low, close, stop, none, trail, zero, 0.0, 0.0, True
    )

    # Raised to 13 at the second close, the stop would have been met inside the bar after it.
    assert null_kernels.protected_trade_nb(1, 2, 1.0, 1.0, resting_at_close) == (3, 13.5, False)
    assert null_kernels.protected_trade_nb(1, 3, 1.0, 1.0, resting_at_close) == (3, 13.0, True)


def test_trades_wait_until_the_one_before_has_ended():
    trades = trades_of_run(resting(*HYBRID), BARS, 0.0)
    starts = np.full(len(trades), 300)

    drawn = trades.played(starts, np.full(len(trades), 2), np.arange(len(trades)))

    begun = drawn.entries < len(BARS)
    inside = drawn.insides[begun].astype(int)[:-1]
    assert (drawn.entries[begun][1:] == drawn.exits[begun][:-1] + inside).all()
    assert (drawn.exits[begun] - drawn.entries[begun]).max() == 2


def held(*pairs):
    """Trades by length and whether what rested ended them, of nothing in particular."""
    lengths, protected = zip(*pairs, strict=True)
    trades = trades_of_run(resting(*HYBRID), BARS, 0.0)
    return replace(trades, lengths=np.array(lengths), is_protected=np.array(protected))


def test_a_trade_that_was_stopped_is_held_as_long_as_those_that_lasted_longer():
    trades = held((2, True), (2, False), (5, False), (9, False))

    drawn = np.array([trades.limits(np.random.default_rng(seed)) for seed in range(200)])

    assert (drawn[:, 1:] == [2, 5, 9]).all()
    assert set(drawn[:, 0]) == {5, 9}
    assert 0.4 < (drawn[:, 0] == 5).mean() < 0.6
    np.testing.assert_allclose(trades.chances()[2][[5, 9]], 0.5)


def test_what_outlasts_every_other_trade_is_left_to_what_rests():
    trades = held((1, True), (3, True), (4, False), (7, True))

    drawn = np.array([trades.limits(np.random.default_rng(seed)) for seed in range(300)])

    assert set(drawn[:, 3]) == {len(BARS)}
    for k, size in ((0, 1), (1, 3)):
        # By Kaplan and Meier half of those that are at risk after 3 bars leave after 4.
        np.testing.assert_allclose(trades.chances()[size], [0, 0, 0, 0, 0.5, 0, 0, 0])
        assert (drawn[:, k] == 4).mean() == pytest.approx(0.5, abs=0.1)
        assert set(drawn[:, k]) == {4, len(BARS)}


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
def test_the_chance_of_a_trade_is_its_mean_over_the_bars(bars):
    trades = trades_of_run(resting(*HYBRID, bars), bars, 2e-4)
    entries, rates = np.arange(270, 390), np.full(len(bars), 4e-4)
    played = {limit: wins(trades.resting, entries, rates, limit) for limit in (3, 8, 10**6)}

    leaves = np.array([0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.2])
    given = (entries, leaves, 1.0, 1.0, trades.resting, rates)

    expected = 0.5 * played[3] + 0.2 * played[8] + 0.3 * played[10**6]
    assert null_kernels.protected_chance_nb(*given) == pytest.approx(expected, rel=1e-12)
    source = null_kernels.protected_chance_nb.py_func(*given)
    assert source == null_kernels.protected_chance_nb(*given)


def wins(resting, entries, rates, limit):
    n_wins = 0
    for entry in entries:
        bar, price, _ = null_kernels.protected_trade_nb(entry, limit, 1.0, 1.0, resting)
        paid = resting.exec_price[entry] * (1.0 + resting.slippage) * (1.0 + rates[entry - 1])
        n_bars = resting.close.shape[0]
        n_wins += (resting.close[-1] if bar == n_bars else price * (1.0 - rates[bar - 1])) > paid
    return n_wins / len(entries)


def test_no_trade_is_drawn_into_the_warm_up_where_nothing_would_rest():
    found = resting(*HYBRID)
    trades = trades_of_run(found, BARS, 0.0)

    drawn = [trades.drawn(1, np.random.default_rng(seed)).entries.min() for seed in range(50)]

    first = found.spec.prepare(BARS, found.params).first
    assert first + 1 <= min(drawn) < first + 40


def test_the_same_seed_draws_the_same_resting_trades_and_the_panel_says_what_they_share():
    found = resting(*HYBRID)

    once, again, other = (
        random_entries(found, BARS, np.random.default_rng(seed), n_draws=5) for seed in (1, 1, 2)
    )

    assert once.rests_protection
    assert np.array_equal(once.sharpe_ratios, again.sharpe_ratios)
    assert not np.array_equal(once.sharpe_ratios, other.sharpe_ratios)
    sentence = null_win_rate(found, once).sentence
    assert "random entries with the same resting stops and targets win" in sentence
    assert "resting" not in null_win_rate(found, replace(once, rests_protection=False)).sentence


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
def test_an_account_of_one_draws_what_its_backtest_draws(bars):
    key, params = HYBRID[0], {"protection": "resting", **HYBRID[1]}
    # A plan at the close and one on an account of one size alike only without costs.
    free = BacktestConfig(tick_size=0.01)
    alone, legs = run(bars, key, params, free), [Leg(bars, key, params)]
    shared = run_portfolio(legs, free)

    found = random_accounts(shared, legs, np.random.default_rng(4), n_draws=10)

    expected = random_entries(alone, bars, np.random.default_rng(4), n_draws=10)
    assert found.rests_protection
    assert found.win_rates.tolist() == expected.win_rates.tolist()
    np.testing.assert_allclose(found.sharpe_ratios, expected.sharpe_ratios, rtol=1e-6)


def test_what_a_resting_order_brings_buys_nothing_at_the_open_of_its_bar():
    events = np.array([[1, 0, 0, null_kernels.BUY_AT_OPEN], [2, 1, 1, null_kernels.BUY_AT_OPEN],
                       [2, 0, 0, null_kernels.SELL_INSIDE]])  # fmt: skip
    flat, free = np.full((2, 4), 1.0), np.zeros((2, 4))
    given = (flat, flat, free, np.zeros(2), events, np.array([2.0, np.nan]), np.ones(2), 1.0)

    equity, n_wins = null_kernels.random_account_path_nb(*given)

    # Everything was in the first trade: the second gets nothing, and no win is counted for it.
    assert equity.tolist() == [1.0, 1.0, 2.0, 2.0]
    assert n_wins == 1


def test_a_stop_of_ones_own_rule_rests_for_its_random_entries_as_a_share_of_the_price():
    def decide(features, i, state):
        is_long = i % 9 < 6
        stop = {"stop_distance": 0.03 * features.bars.close[i]} if state.is_flat else {}
        return Proposal(
            0.5 * is_long, 1.0, "ON" if is_long else "OFF", rests_protection=True, **stop
        )

    bars, config = BARS.until(150), BacktestConfig(slippage_bps=2.0)
    found = run(bars, by_hand(decide), {}, config)
    drawn = own_trades(found, bars)

    trades = trades_of_run(found, bars, 2e-4)
    assert trades.stop_times == pytest.approx(0.03)
    assert np.isnan(trades.target_times).all()
    assert 0 < trades.is_protected.sum() < len(trades)
    assert drawn.exits.tolist() == [trip.exit_bar for trip in found.round_trips]
    assert drawn.prices == pytest.approx([trip.exit_price for trip in found.round_trips])
    legs = [Leg(bars, found.spec)]
    shared = run_portfolio(legs, config)
    assert instrument_trades(shared.instruments[0], shared, legs).stop_times == pytest.approx(0.03)


def test_a_rule_whose_levels_are_watched_is_drawn_by_its_lengths():
    found = run(BARS, TREND[0], {"protection": "close", **TREND[1]}, COSTS)

    trades = trades_of_run(found, BARS, 0.0)

    assert trades.resting is None
    drawn = trades.drawn(1, np.random.default_rng(0))
    assert sorted(drawn.exits - drawn.entries) == sorted(trades.lengths)


def test_chances_of_what_rests_stand_by_regime_and_those_of_a_short_trade_by_its_time():
    found = resting(*HYBRID)
    trades, rates = trades_of_run(found, BARS, 0.0), np.zeros(N_BARS)

    chances = chances_of(found.round_trips, trades, found.regime_codes, rates)

    assert set(chances) <= {str(regime) for regime in Regime}
    assert sum(map(len, chances.values())) == len(trades)
    short = [replace(trip, side=OrderSide.SELL) for trip in found.round_trips]
    timed_out = chances_of(short, trades, found.regime_codes, rates)
    assert timed_out == chances_of(short, replace(trades, resting=None), found.regime_codes, rates)
    assert timed_out != chances


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "target"), [(0.03, None), (None, 0.03), (0.03, 0.05)])
def test_a_rule_that_is_luck_wins_as_often_as_its_random_entries(stop, target):
    more = []
    for seed in range(60):
        bars = random_walk(seed, 600, 0.015)
        found = run(bars, coin(stop, target, seed))
        nulls = random_entries(found, bars, np.random.default_rng(seed), n_draws=20)
        more.append(found.metrics["win_rate"] - nulls.win_rates.mean())

    # Left at its lengths alone, a null is 12 points off for a stop or a target.
    assert np.mean(more) == pytest.approx(0.0, abs=3.0 * np.std(more) / np.sqrt(60))
    assert np.std(more) / np.sqrt(60) < 0.012


def test_what_rests_ends_no_draw_of_a_run_with_a_short_trade():
    trades = trades_of_run(resting(*HYBRID), BARS, 0.0)

    assert trades.rests
    assert not replace(trades, weights=-trades.weights).rests
