"""The panel of a shared account asks what that of one instrument asks, and catches the same."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine.allocation import Allocation, AllocationRule
from trading.engine.backtest import BacktestConfig
from trading.engine.checks import account_leaks, account_stability, panel
from trading.engine.checks.account import STAGES, portfolio_honesty
from trading.engine.checks.reruns import average_cost_words
from trading.engine.costs import CostModel
from trading.engine.portfolio_backtest import account_equity, run_portfolio
from trading.engine.portfolio_nulls import permuted_legs
from trading.engine.shared_account import Leg
from trading.engine.strategies import sma_cross
from trading.engine.types import AssetClass, RuleStatus
from trading.tests.engine.laws import length, some
from trading.tests.engine.walks import random_walk

CONFIG = BacktestConfig(commission_bps=5.0)
FAST = {"fast": 5, "slow": 12}
N_BARS = length(320, quick=200)
WALKS = [replace(random_walk(seed, N_BARS), symbol=name) for name, seed in (("A", 31), ("B", 32))]
# The second instrument is younger and has days off.
BARS = [WALKS[0], WALKS[1].slice(60, N_BARS)]


def rng():
    return np.random.default_rng(0)


def quiet(share):
    """Tell nobody."""


def legs_of(strategy, bars=BARS, params=FAST):
    return [Leg(one, strategy, params) for one in bars]


def planted(name, prepare):
    return replace(sma_cross.SPEC, key=name, prepare=prepare)


def leak_rows(legs, allocation=None):
    allocation = allocation or Allocation()
    run = run_portfolio(legs, CONFIG, allocation)
    return [
        check(run, legs, allocation, rng(), quiet)
        for check in (account_leaks.look_ahead, account_leaks.shuffled_future)
    ]


def statuses(rows):
    return [row.status for row in rows]


@pytest.mark.slow
def test_an_account_has_the_rows_of_a_single_instrument_in_their_order():
    legs = legs_of("sma_cross")
    run = run_portfolio(legs, CONFIG)

    found = portfolio_honesty(run, legs, Allocation(), rng(), n_draws=20)

    alone = panel.honesty(run_portfolio(legs[:1], CONFIG).account, BARS[0], rng(), n_draws=20)
    assert [(row.key, row.title) for row in found.rows] == [
        (row.key, row.title) for row in alone.rows
    ]
    assert all(row.sentence.endswith(".") and row.numbers for row in found.rows)


@pytest.mark.slow
def test_the_progress_names_every_check_and_never_falls():
    legs, told = legs_of("sma_cross"), []

    portfolio_honesty(
        run_portfolio(legs, CONFIG), legs, Allocation(), rng(), n_draws=5,
        progress=lambda share, words: told.append((share, words)),
    )  # fmt: skip

    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] < 1.0
    assert list(dict.fromkeys(words for _, words in told)) == list(STAGES)


@pytest.mark.slow
@pytest.mark.parametrize("key", some(["rsi2_reversion", "sma_cross"], 2))
def test_an_honest_account_is_blind_to_what_follows(key):
    rows = leak_rows(legs_of(key, params=None if key != "sma_cross" else FAST))

    assert statuses(rows) == [RuleStatus.PASS] * 2


def test_a_rule_that_ranks_over_all_bars_is_caught_in_an_account():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        whole_mean = np.full(len(bars), bars.close.mean())
        return replace(features, arrays={"fast": bars.close, "slow": whole_mean})

    rows = leak_rows(legs_of(planted("whole_sample", prepare)))

    assert statuses(rows) == [RuleStatus.FAIL] * 2


def test_an_array_that_knows_the_future_is_caught_before_anything_is_earned_by_it():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        whole_mean = np.full(len(bars), bars.close.mean())
        return replace(features, arrays={**features.arrays, "unused": whole_mean})

    rows = leak_rows(legs_of(planted("knows_mean", prepare)))

    assert statuses(rows) == [RuleStatus.FAIL] * 2


@pytest.mark.slow
def test_shares_of_the_account_that_know_the_future_are_caught():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        last = np.full(len(bars), np.diff(np.log(bars.close[-10:])).std())
        return replace(features, regimes=replace(features.regimes, volatility=last))

    allocation = Allocation(AllocationRule.EQUAL_RISK)
    legs = legs_of(planted("knows_volatility", prepare))

    assert statuses(leak_rows(legs, allocation)) == [RuleStatus.FAIL] * 2
    assert statuses(leak_rows(legs)) == [RuleStatus.PASS] * 2


def test_histories_with_too_little_after_the_warm_up_cannot_be_cut():
    rows = leak_rows(legs_of("sma_cross", [WALKS[0].slice(0, 100), WALKS[1].slice(180, 194)]))

    assert statuses(rows) == [RuleStatus.NOT_APPLICABLE] * 2


@pytest.mark.slow
def test_a_rule_that_hangs_on_the_start_of_one_history_is_caught():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        since_start = (np.arange(len(bars)) % 7).astype(float)
        return replace(features, arrays={"fast": since_start, "slow": np.full(len(bars), 3.0)})

    bars = [replace(random_walk(seed, 1_500), symbol=name) for name, seed in (("A", 1), ("B", 2))]
    honest, hanging = Leg(bars[0], "sma_cross", FAST), Leg(bars[1], planted("hangs", prepare), FAST)
    run = run_portfolio([honest, hanging], CONFIG)

    row = account_leaks.warm_up(run, [honest, hanging], quiet)

    assert row.status is RuleStatus.FAIL
    assert row.numbers["n_instruments"] == 2.0
    assert account_leaks.warm_up(run, [honest], quiet).status is RuleStatus.PASS


def test_histories_too_short_for_the_warm_up_check_are_not_judged():
    legs = legs_of("sma_cross", [bars.slice(0, 80) for bars in WALKS])

    row = account_leaks.warm_up(run_portfolio(legs, CONFIG), legs, quiet)

    assert row.status is RuleStatus.NOT_APPLICABLE


@pytest.mark.slow
def test_a_parameter_on_a_needle_is_caught_in_an_account():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        is_long = np.concatenate((bars.close[1:] > bars.close[:-1], [False])).astype(float)
        fast = is_long if params["fast"] == 5 else 1.0 - is_long
        return replace(features, arrays={"fast": fast, "slow": np.full(len(bars), 0.5)}, table=None)

    legs = legs_of(planted("needle", prepare), [bars.slice(N_BARS - 100, N_BARS) for bars in WALKS])
    run = run_portfolio(legs, CONFIG)

    row = account_stability.neighborhood(run, legs, Allocation(), quiet)

    assert row.status is RuleStatus.WARN
    assert row.numbers["n"] == 6.0


def test_a_number_moves_in_all_instruments_of_a_strategy_and_only_there():
    legs = [*legs_of("sma_cross"), Leg(replace(WALKS[0], symbol="C"), "rsi2_reversion")]

    moved = account_stability.moved_parameters(legs)

    assert {frozenset(one) for one in moved} == {frozenset("AB"), frozenset("C")}
    assert moved[0]["A"] == {**legs[0].resolved()[1], "fast": 4}


def test_no_more_neighbors_are_tried_than_the_budget_allows(monkeypatch):
    monkeypatch.setattr(account_stability, "MOST_NEIGHBORS", 3)

    moved = account_stability.moved_parameters(legs_of("sma_cross"))

    assert len(moved) == 3


def test_a_long_account_says_on_which_bars_it_was_run_again(monkeypatch):
    monkeypatch.setattr("trading.engine.checks.account_reruns.COMPILED_BARS", 100)
    legs = legs_of("sma_cross")
    run = run_portfolio(legs, CONFIG)

    row = account_stability.neighborhood(run, legs, Allocation(), quiet)

    assert "on the last 120 bars" in row.sentence


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (CostModel(commission_bps=5.0), ""),
        (CostModel(5.0, borrow_bps_per_day=2.0, financing_bps_per_year=500.0), ""),
        (CostModel(5.0, preset=AssetClass.INDEX, preset_scale=0.0), ""),
        (CostModel(commission_bps=5.0, slippage_bps=2.0), " at its average cost"),
        (CostModel(preset=AssetClass.INDEX), " at its average cost"),
    ],
)
def test_a_rerun_says_when_it_pays_other_costs_than_the_run(costs, words):
    assert average_cost_words(costs) == words


def test_bars_before_the_first_shuffled_tick_stay():
    moved = permuted_legs(legs_of("sma_cross"), rng(), first=100)

    for ours, theirs, n in zip(BARS, moved, (100, 40), strict=True):
        assert np.array_equal(ours.close[:n], theirs.bars.close[:n])
        assert not np.array_equal(ours.close[n:], theirs.bars.close[n:])


def test_equity_alone_is_that_of_the_whole_run_up_to_a_moment():
    legs = legs_of("rsi2_reversion", params=None)
    run = run_portfolio(legs, CONFIG)

    equity = account_equity(legs, CONFIG, Allocation(), until=int(run.account.closed_at[150]))

    assert np.array_equal(equity, run.account.equity[:150])


@pytest.mark.slow
def test_costs_of_the_instruments_alone_are_costs_too():
    costs = CostModel(commission_bps=5.0)
    legs = [replace(leg, costs=costs) for leg in legs_of("sma_cross")]
    run = run_portfolio(legs, BacktestConfig())

    found = portfolio_honesty(run, legs, Allocation(), rng(), n_draws=5)

    rows = {row.key: row for row in found.rows}
    assert rows["COSTS"].status is RuleStatus.PASS
    assert [point.factor for point in found.cost_curve] == [0.0, 1.0, 2.0, 3.0]
