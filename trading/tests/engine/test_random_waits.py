"""When random trades leave, and what many of them say: waits by hand, chances, luck unjudged."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine import null_kernels
from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks.chance import null_sharpe, null_win_rate
from trading.engine.nulls import random_entries, trades_of_run
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.portfolio_nulls import instrument_trades, random_accounts
from trading.engine.random_trades import LeaveBy
from trading.engine.rules import DIP, PROTECTED
from trading.engine.shared_account import Leg
from trading.engine.strategies.base import Proposal
from trading.engine.types import Regime
from trading.engine.win_chances import chance_of, chances_of
from trading.tests.engine.protected_runs import (
    AT_CLOSE,
    BARS,
    CALM,
    COSTS,
    HYBRID,
    LONG,
    N_BARS,
    TREND,
    WAYS,
    levels_of,
    own_trades,
    protected,
    resting,
    watched,
)
from trading.tests.engine.rules_by_hand import by_hand, coin
from trading.tests.engine.walks import random_walk

# By a level before the fill of the bar, by the rule at it, by a level after it.
BEFORE, RULE, AFTER = -1, 0, 1


def held(*pairs):
    """Trades by length and half of a bar by which a level ended them, of nothing in particular."""
    lengths, halves = np.array(pairs).T
    trades = trades_of_run(resting(*HYBRID), BARS, 0.0)
    return replace(trades, lengths=lengths, times=2 * lengths + halves)


def test_a_trade_that_was_stopped_is_held_as_long_as_those_that_lasted_longer():
    trades = held((2, AFTER), (2, RULE), (5, RULE), (9, RULE))

    drawn = np.array([trades.limits(np.random.default_rng(seed)) for seed in range(200)])

    assert (drawn[:, 1:] == [2, 5, 9]).all()
    assert set(drawn[:, 0]) == {5, 9}
    assert 0.4 < (drawn[:, 0] == 5).mean() < 0.6
    np.testing.assert_allclose(trades.chances()[5][[5, 9]], 0.5)


def test_a_level_that_hides_the_rule_leaves_open_whether_it_left_with_the_same_fill():
    trades = held((2, BEFORE), (2, RULE), (5, RULE), (9, RULE))

    drawn = np.array([trades.limits(np.random.default_rng(seed)) for seed in range(300)])

    assert set(drawn[:, 0]) == {2, 5, 9}
    assert (drawn[:, 0] == 2).mean() == pytest.approx(1.0 / 3.0, abs=0.1)
    np.testing.assert_allclose(trades.chances()[3][[2, 5, 9]], 1.0 / 3.0)
    assert trades.chances()[4].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_leave_says_when_on_its_bar_the_trade_ended(way, bars):
    before = {"STOP", "TARGET", "PROFIT"} | (set(PROTECTED) if bars is AT_CLOSE else set())
    after = {"HOLDING_LIMIT"} | (set(PROTECTED) if bars is BARS else set())
    for key, params in (TREND, HYBRID, CALM):
        found = protected(way, key, params, bars)
        trades = trades_of_run(found, bars, 0.0)
        for trip, time in zip(found.round_trips, trades.times, strict=True):
            half = int(trip.exit_reason in after) - int(trip.exit_reason in before)
            assert time == 2 * trip.bars_held + half


def test_what_outlasts_every_other_trade_is_left_to_what_rests():
    trades = held((1, AFTER), (3, AFTER), (4, RULE), (7, AFTER))

    drawn = np.array([trades.limits(np.random.default_rng(seed)) for seed in range(300)])

    assert set(drawn[:, 3]) == {len(BARS)}
    for k, size in ((0, 1), (1, 3)):
        # By Kaplan and Meier half of those that are at risk after 3 bars leave after 4.
        np.testing.assert_allclose(trades.chances()[2 * size + 1], [0, 0, 0, 0, 0.5, 0, 0, 0])
        assert (drawn[:, k] == 4).mean() == pytest.approx(0.5, abs=0.1)
        assert set(drawn[:, k]) == {4, len(BARS)}


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_chance_of_a_trade_is_its_mean_over_the_bars(side, way, bars):
    levels = trades_of_run(protected(way, *HYBRID, bars), bars, 2e-4).levels
    entries, rates = np.arange(len(bars) - 200, len(bars)), np.linspace(0.0, 0.01, len(bars))
    own = LONG._replace(side=side)
    played = {limit: wins(levels, entries, rates, limit, own) for limit in (3, 8, 10**6)}

    leaves = np.array([0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.2])
    given = (entries, 8, True, np.array(own), levels, rates)

    counted = null_kernels.protected_wins_nb(*given)

    expected = 0.5 * played[3] + 0.2 * played[8] + 0.3 * played[10**6]
    assert chance_of(leaves, *counted) / 200 == pytest.approx(expected, rel=1e-12)
    source = null_kernels.protected_wins_nb.py_func(*given)
    assert [found.tolist() for found in source] == [found.tolist() for found in counted]
    # Where the rule has left for certain nothing is played beyond.
    certain = np.array([0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.5])
    early = null_kernels.protected_wins_nb(entries, 8, False, *given[3:])
    assert chance_of(certain, *early) == pytest.approx(chance_of(certain, *counted), rel=1e-12)
    assert early[1].sum() < counted[1].sum()


@pytest.mark.parametrize(("rate", "n_wins"), [(0.0, 1.0), (0.5, 0.0)])
def test_a_watched_level_wins_or_loses_by_its_fill_at_the_cost_of_the_close_before(rate, n_wins):
    close = np.array([10.0, 10.0, 9.0, 8.0])
    levels = levels_of(close, exec_price=np.array([10.0, 10.0, 9.0, 12.0]), stop=np.full(4, 0.5))
    costs = np.array([0.0, 0.0, rate, 0.0])

    found = null_kernels.protected_wins_nb(np.array([1]), 5, True, np.array(LONG), levels, costs)

    assert found[1].tolist() == [0.0, 0.0, n_wins, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("at_close", "n_wins"), [(True, 1.0), (False, 0.0)], ids=["close", "open"])
def test_what_rests_meets_a_bar_before_a_fill_at_its_close_and_after_one_at_its_open(
    at_close, n_wins
):
    # A dip held for one close at most is to leave with the fill of bar 2, which reaches its target.
    price = np.array([10.0, 10.0, 9.0, 9.0])
    levels = levels_of(
        price, high=np.array([10.0, 10.0, 13.0, 9.0]), target=np.full(4, 2.0),
        holding=np.ones(4), rests=True, fills_at_close=at_close,
    )  # fmt: skip
    own, costs = LONG._replace(kind=DIP), np.zeros(4)

    _, by_level = null_kernels.protected_wins_nb(
        np.array([1]), 5, True, np.array(own), levels, costs
    )

    assert by_level.tolist() == [0.0, n_wins, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert wins(levels, [1], costs, 10**6, own) == n_wins


def wins(levels, entries, rates, limit, own):
    n_wins, side = 0, own.side
    for entry in entries:
        bar, price, _ = null_kernels.protected_trade_nb(entry, limit, own, levels)
        begun = levels.exec_price[entry] * (1.0 + side * levels.slippage)
        paid = begun * (1.0 + side * rates[entry - 1])
        n_bars = levels.close.shape[0]
        got = levels.close[-1] if bar == n_bars else price * (1.0 - side * rates[bar - 1])
        n_wins += side * got > side * paid
    return n_wins / len(entries)


@pytest.mark.parametrize("way", WAYS)
def test_no_trade_is_drawn_into_the_warm_up_where_there_are_no_levels(way):
    found = protected(way, *HYBRID)
    trades = trades_of_run(found, BARS, 0.0)

    drawn = [trades.drawn(1, np.random.default_rng(seed)).entries.min() for seed in range(50)]

    first = found.spec.prepare(BARS, found.params).first
    assert first + 1 <= min(drawn) < first + 40


@pytest.mark.parametrize(
    ("way", "leave_by"), [("resting", LeaveBy.RESTING), ("close", LeaveBy.WATCHED)]
)
def test_the_same_seed_draws_the_same_trades(way, leave_by):
    found = protected(way, *HYBRID)

    once, again, other = (
        random_entries(found, BARS, np.random.default_rng(seed), n_draws=5) for seed in (1, 1, 2)
    )

    assert once.leave_by is leave_by
    assert np.array_equal(once.sharpe_ratios, again.sharpe_ratios)
    assert not np.array_equal(once.sharpe_ratios, other.sharpe_ratios)


@pytest.mark.parametrize(
    ("leave_by", "words"),
    [
        (LeaveBy.LENGTHS, "of the same lengths"),
        (LeaveBy.RESTING, "with the same resting stops and targets"),
        (LeaveBy.WATCHED, "that leave by the same stops and targets, watched at the close,"),
        (LeaveBy.UNKNOWN, "of the same lengths (which stops and targets this rule watches is not "),
        (LeaveBy.MIXED, "that leave as the trades of their instrument do, by the same stops and "),
    ],
)
def test_the_panel_says_what_random_entries_leave_by(leave_by, words):
    found = resting(*HYBRID)
    nulls = random_entries(found, BARS, np.random.default_rng(1), n_draws=2)

    for row in (null_win_rate, null_sharpe):
        assert f"random entries {words}" in row(found, replace(nulls, leave_by=leave_by)).sentence


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
@pytest.mark.parametrize("way", WAYS)
def test_an_account_of_one_draws_what_its_backtest_draws(way, bars):
    key, params = HYBRID[0], {"protection": way, **HYBRID[1]}
    # A plan at the close and one on an account of one size alike only without costs.
    free = BacktestConfig(tick_size=0.01)
    alone, legs = run(bars, key, params, free), [Leg(bars, key, params)]
    shared = run_portfolio(legs, free)

    found = random_accounts(shared, legs, np.random.default_rng(4), n_draws=10)

    expected = random_entries(alone, bars, np.random.default_rng(4), n_draws=10)
    assert found.leave_by is expected.leave_by
    assert found.win_rates.tolist() == expected.win_rates.tolist()
    np.testing.assert_allclose(found.sharpe_ratios, expected.sharpe_ratios, rtol=1e-6)


@pytest.mark.slow
def test_an_account_whose_instruments_leave_in_different_ways_draws_each_as_its_own():
    free, others = BacktestConfig(), random_walk(6, N_BARS, 0.02)
    legs = [
        Leg(BARS, HYBRID[0], {"protection": "resting", **HYBRID[1]}),
        Leg(replace(others, symbol="X"), HYBRID[0], {"protection": "close", **HYBRID[1]}),
    ]
    shared = run_portfolio(legs, free)

    found = random_accounts(shared, legs, np.random.default_rng(4), n_draws=3)

    assert found.leave_by is LeaveBy.MIXED
    for row, leg, leave_by in zip(
        shared.instruments, legs, (LeaveBy.RESTING, LeaveBy.WATCHED), strict=True
    ):
        trades = instrument_trades(row, shared, legs)
        assert trades.leave_by is leave_by
        starts = np.array([trip.entry_bar for trip in row.round_trips])
        limits = np.where(trades.is_protected, len(leg.bars), trades.lengths)
        drawn = trades.played(starts, limits, np.arange(len(trades)))
        assert drawn.exits.tolist() == [trip.exit_bar for trip in row.round_trips]


def test_what_a_resting_order_brings_buys_nothing_at_the_open_of_its_bar():
    events = np.array([[1, 0, 0, null_kernels.BUY_AT_OPEN], [2, 1, 1, null_kernels.BUY_AT_OPEN],
                       [2, 0, 0, null_kernels.SELL_INSIDE]])  # fmt: skip
    flat, free = np.full((2, 4), 1.0), np.zeros((2, 4))
    given = (flat, flat, free, np.zeros(2), events, np.array([2.0, np.nan]), np.ones(2), 1.0)

    equity, n_wins = null_kernels.random_account_path_nb(*given)

    # Everything was in the first trade: the second gets nothing, and no win is counted for it.
    assert equity.tolist() == [1.0, 1.0, 2.0, 2.0]
    assert n_wins == 1


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("level", "column"), [("stop_distance", 2), ("target_distance", 3)])
@pytest.mark.parametrize("at", ["OPEN", "CLOSE"])
def test_what_ones_own_rule_lets_rest_rests_for_its_random_entries_as_a_share_of_the_price(
    at, level, column, side
):
    def decide(features, i, state):
        is_in = i % 9 < 6
        given = {level: 0.03 * features.bars.close[i]} if state.is_flat else {}
        return Proposal(
            0.5 * side * is_in, side, "ON" if is_in else "OFF", rests_protection=True, **given
        )

    bars = replace(BARS.until(150), exec_price=at)
    config = BacktestConfig(slippage_bps=2.0, tick_size=0.01)
    found = run(bars, by_hand(decide), {}, config)
    drawn = own_trades(found, bars)

    trades = trades_of_run(found, bars, 2e-4)
    assert trades.leave_by is LeaveBy.RESTING
    assert trades.terms[:, column] == pytest.approx(0.03)
    assert np.isnan(trades.terms[:, 5 - column]).all()
    assert 0 < trades.is_protected.sum() < len(trades)
    assert drawn.exits.tolist() == [trip.exit_bar for trip in found.round_trips]
    assert drawn.prices == pytest.approx([trip.exit_price for trip in found.round_trips])
    legs = [Leg(bars, found.spec)]
    shared = run_portfolio(legs, config)
    shares = instrument_trades(shared.instruments[0], shared, legs).terms[:, column]
    assert shares == pytest.approx(0.03)


def own_rule(side, *, sets_stop=True, watches_it=True):
    """A rule without a table that holds six bars of nine, or until a close beyond its stop."""

    def decide(features, i, state):
        close, stop = features.bars.close[i], state.stop_price
        is_met = watches_it and stop is not None and side * close <= side * stop
        is_in = i % 9 < 6 and not is_met
        given = {"stop_distance": 0.02 * close} if sets_stop and state.is_flat else {}
        return Proposal(0.5 * side * is_in, side, "ON" if is_in else "OFF", **given)

    return by_hand(decide)


@pytest.mark.slow
@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
def test_what_a_rule_without_a_table_watches_is_read_off_its_trades(bars, side):
    config = BacktestConfig(slippage_bps=2.0)
    found = run(bars, own_rule(side), {}, config)

    drawn = own_trades(found, bars)

    trades = trades_of_run(found, bars, 2e-4)
    assert trades.leave_by is LeaveBy.WATCHED
    assert 0 < trades.is_protected.sum() < len(trades)
    assert set(trades.times - 2 * trades.lengths) == {-1, 0}
    assert drawn.exits.tolist() == [trip.exit_bar for trip in found.round_trips]
    assert drawn.prices == pytest.approx([trip.exit_price for trip in found.round_trips])
    legs = [Leg(bars, found.spec)]
    shared = run_portfolio(legs, config)
    of_account = instrument_trades(shared.instruments[0], shared, legs)
    assert (of_account.leave_by, of_account.times.tolist()) == (
        LeaveBy.WATCHED, trades.times.tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("sets_stop", [True, False])
def test_what_a_rule_without_a_table_does_not_keep_to_is_not_known(sets_stop):
    found = run(BARS, own_rule(1.0, sets_stop=sets_stop, watches_it=False), {}, COSTS)

    trades = trades_of_run(found, BARS, 0.0)

    assert (trades.leave_by, trades.levels) == (LeaveBy.UNKNOWN, None)
    drawn = trades.drawn(1, np.random.default_rng(0))
    assert sorted(drawn.exits - drawn.entries) == sorted(trades.lengths)


def test_a_rule_without_levels_is_drawn_by_its_lengths():
    trades = trades_of_run(run(BARS, "sma_cross", {"fast": 3, "slow": 8}, COSTS), BARS, 0.0)

    assert (trades.leave_by, trades.levels) == (LeaveBy.LENGTHS, None)


@pytest.mark.parametrize("way", WAYS)
def test_chances_stand_by_regime_and_those_of_a_short_trade_are_its_own(way):
    found = protected(way, *HYBRID)
    trades, rates = trades_of_run(found, BARS, 0.0), np.zeros(N_BARS)

    chances = chances_of(found.round_trips, trades, found.regime_codes, rates)

    assert set(chances) <= {str(regime) for regime in Regime}
    assert sum(map(len, chances.values())) == len(trades)
    terms = trades.terms.copy()
    terms[:, 0] = -1.0
    short = replace(trades, terms=terms)
    assert chances_of(found.round_trips, short, found.regime_codes, rates) != chances


@pytest.mark.parametrize(("key", "params"), [TREND, HYBRID])
def test_the_chance_of_each_trade_is_that_of_its_own_kind_and_wait(key, params):
    found = watched(key, params)
    trades, rates, codes = trades_of_run(found, BARS, 0.0), np.zeros(N_BARS), found.regime_codes
    longest, waits = int(trades.times.max()) // 2, trades.chances()

    expected = {}
    for k, trip in enumerate(found.round_trips):
        code = codes[trip.signal_bar]
        decided = np.flatnonzero(codes[: N_BARS - 1] == code)
        entries = decided[decided >= trades.ready - 1] + 1
        counted = null_kernels.protected_wins_nb(
            entries, longest, True, trades.terms[k], trades.levels, rates
        )
        chance = chance_of(waits[int(trades.times[k])], *counted) / len(entries)
        expected.setdefault(str(trip.regime), []).append(chance)

    chances = chances_of(found.round_trips, trades, codes, rates)
    assert chances == {name: pytest.approx(values) for name, values in expected.items()}


@pytest.mark.slow
@pytest.mark.parametrize("rests", [True, False], ids=WAYS)
@pytest.mark.parametrize(("stop", "target"), [(0.03, None), (None, 0.03), (0.03, 0.05)])
def test_a_rule_that_is_luck_wins_as_often_as_its_random_entries(stop, target, rests):
    more = []
    for seed in range(60):
        bars = random_walk(seed, 600, 0.015)
        found = run(bars, coin(stop, target, seed, rests_protection=rests))
        nulls = random_entries(found, bars, np.random.default_rng(seed), n_draws=20)
        more.append(found.metrics["win_rate"] - nulls.win_rates.mean())

    # Left at its lengths alone, a null is 12 points off for a stop or a target.
    assert np.mean(more) == pytest.approx(0.0, abs=3.0 * np.std(more) / np.sqrt(60))
    assert np.std(more) / np.sqrt(60) < 0.012
