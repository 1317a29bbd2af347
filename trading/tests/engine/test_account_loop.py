"""The compiled account earns what the account that is written down earns."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from trading.engine import account_kernels, account_loop
from trading.engine.allocation import Allocation, AllocationRule
from trading.engine.backtest import BacktestConfig
from trading.engine.checks.account_reruns import AccountReruns
from trading.engine.checks.reruns import Reruns
from trading.engine.costs import CostModel
from trading.engine.own_limits import OwnLimits
from trading.engine.portfolio import round_trips
from trading.engine.portfolio_backtest import account_opened, run_portfolio
from trading.engine.rules import PROTECTED
from trading.engine.shared_account import Leg, replay
from trading.engine.strategies import sma_cross
from trading.engine.types import AssetClass
from trading.tests.engine.laws import length, some
from trading.tests.engine.walks import random_walk

N_BARS = length(420, quick=360)
WALKS = [
    replace(random_walk(seed, N_BARS, 0.02), symbol=name)
    for name, seed in (("A", 31), ("B", 32), ("C", 33))
]
# The second is younger; the third moves with the first, so that breakers have something to say.
BARS = [WALKS[0], WALKS[1].slice(60, N_BARS), replace(WALKS[0], symbol="C")]
FAST = {
    "sma_cross": {"fast": 5, "slow": 12},
    "rsi2_reversion": {},
    "donchian_breakout": {"entry_bars": 15, "exit_bars": 7},
    "volatility_adaptive_trend": {},
    "hybrid": {},
}
PRESET = CostModel(preset=AssetClass.EQUITY, spread_bps=1.0, range_share=0.05, preset_slippage=1.0)
CONFIG = BacktestConfig(cost_model=PRESET)
LENT = BacktestConfig(cost_model=replace(PRESET, financing_bps_per_year=500.0))
ALLOCATIONS = {
    "equal": Allocation(),
    "risk": Allocation(AllocationRule.EQUAL_RISK, max_positions=2, gross_cap=0.8),
    "fixed": Allocation(AllocationRule.FIXED_WEIGHT, {"A": 0.5, "B": 0.2}),
}


def counts(account):
    """Completed trades of an account that is written down, and those that won."""
    trips = [
        trip
        for book in account.books
        for trip in round_trips(
            book.blotter.fills,
            signal_bars=book.blotter.signal_bars,
            reasons=book.blotter.reasons,
            regime_codes=book.features.regimes.codes,
        )[0]
    ]
    return len(trips), sum(trip.pnl > 0.0 for trip in trips)


def opened(key, allocation=ALLOCATIONS["equal"], config=CONFIG, **params):
    legs = [Leg(bars, key, {**FAST[key], **params}) for bars in BARS]
    return account_opened(legs, config, allocation)


# Every rule, allocation and step in the quick suite, every combination in the whole one.
@pytest.mark.parametrize(
    ("key", "allocation", "step"), some(list(product(FAST, ALLOCATIONS, [0.0, 1.0])), 7)
)
def test_the_loop_earns_what_the_replay_earns(key, allocation, step):
    config = replace(CONFIG, quantity_step=step)
    account, clock = opened(key, ALLOCATIONS[allocation], config)

    found = account_loop.curve_of(account, clock)

    expected, _, _ = replay(account, clock)
    np.testing.assert_allclose(found.equity, expected, rtol=1e-10)
    assert np.ptp(expected) > 0.0
    assert (found.n_round_trips, found.n_wins) == counts(account)


LEVELS = {"protection": "resting", "stop_atr": 1.0, "trail_atr": 2.0, "target_atr.NORMAL": 1.5}
TICKS = BacktestConfig(cost_model=PRESET, tick_size=0.01)


def mixed(at_close, params, config=TICKS, allocation=ALLOCATIONS["equal"], costs=None):
    """The adaptive trend on three instruments, those named filled at the close."""
    legs = [
        Leg(
            replace(bars, exec_price="CLOSE" if bars.symbol in at_close else "OPEN"),
            "volatility_adaptive_trend",
            params,
            costs,
        )
        for bars in BARS
    ]
    return account_opened(legs, config, allocation)


FILLED = list(product(["", "A", "BC", "ABC"], [{}, LEVELS], ALLOCATIONS))


@pytest.mark.slow
@pytest.mark.parametrize(("at_close", "params", "allocation"), some(FILLED, 23, first=3))
def test_what_rests_and_what_is_filled_at_the_close_earns_what_the_replay_earns(
    at_close, params, allocation
):
    account, clock = mixed(at_close, params, allocation=ALLOCATIONS[allocation])
    assert account_loop.runs_compiled(account)

    found = account_loop.curve_of(account, clock)
    equity = found.equity

    np.testing.assert_allclose(equity, replay(account, clock)[0], rtol=1e-10)
    reasons = {reason for book in account.books for reason in book.blotter.reasons}
    assert bool(reasons & PROTECTED) is bool(params)
    assert (found.n_round_trips, found.n_wins) == counts(account)
    others, _ = mixed("", params, allocation=ALLOCATIONS[allocation])
    if at_close:
        assert not np.allclose(equity, account_loop.curve_of(others, clock).equity)


def test_a_target_that_rests_lies_above_the_costs_of_its_own_fill():
    account, clock = opened("hybrid", config=TICKS, protection="resting", entry_level=30.0)

    equity = account_loop.curve_of(account, clock).equity

    np.testing.assert_allclose(equity, replay(account, clock)[0], rtol=1e-10)
    reasons = {reason for book in account.books for reason in book.blotter.reasons}
    assert "TARGET_REACHED" in reasons


@pytest.mark.slow
def test_the_account_with_resting_orders_is_its_source(monkeypatch):
    account, clock = mixed("B", LEVELS)
    equity = account_loop.curve_of(account, clock).equity
    for name in ("account_nb", "trade_nb", "protect_nb", "decide_nb", "executed_nb"):
        source = getattr(account_kernels, name).py_func
        monkeypatch.setattr(account_kernels, name, source)
    monkeypatch.setattr(account_loop, "account_nb", account_kernels.account_nb)

    assert np.array_equal(account_loop.curve_of(account, clock).equity, equity)


def test_borrowed_cash_costs_the_loop_what_it_costs_the_replay():
    account, clock = opened("rsi2_reversion", config=LENT)
    account.cash = -1_000.0

    equity = account_loop.curve_of(account, clock).equity

    np.testing.assert_allclose(equity, replay(account, clock)[0], rtol=1e-10)
    assert equity[-1] < -1_000.0


@pytest.mark.slow
def test_breakers_see_the_same_correlation_in_the_loop():
    tight = {"breaker_correlation": 0.3, "breaker_drawdown": 0.9, "breaker_loss_streak": 50}
    account, clock = opened("volatility_adaptive_trend", **tight)
    loose, _ = opened("volatility_adaptive_trend", **tight | {"breaker_correlation": 1.2})

    equity = account_loop.curve_of(account, clock).equity

    np.testing.assert_allclose(equity, replay(account, clock)[0], rtol=1e-10)
    assert not np.allclose(equity, account_loop.curve_of(loose, clock).equity)


def test_the_compiled_loop_is_its_source(monkeypatch):
    account, clock = opened("volatility_adaptive_trend", ALLOCATIONS["risk"])
    equity = account_loop.curve_of(account, clock).equity

    monkeypatch.setattr(account_loop, "account_nb", account_loop.account_nb.py_func)

    assert np.array_equal(account_loop.curve_of(account, clock).equity, equity)


def by_rows(bars, params):
    features = sma_cross.prepare(bars, params)
    rows = np.ascontiguousarray(features.table.rows)
    return replace(features, table=replace(features.table, rows=rows))


def test_one_compiled_loop_serves_tables_laid_out_either_way():
    spec = replace(sma_cross.SPEC, key="by_rows", prepare=by_rows)
    legs = [Leg(bars, spec, FAST["sma_cross"]) for bars in BARS]

    equity = [
        account_loop.curve_of(account, clock).equity
        for account, clock in (
            opened("sma_cross"),
            account_opened(legs, CONFIG, ALLOCATIONS["equal"]),
        )
    ]

    assert np.array_equal(*equity)
    assert len(account_loop.account_nb.signatures) == 1


def shorting(bars, params):
    features = sma_cross.prepare(bars, params)
    return replace(features, table=replace(features.table, rows=-np.abs(features.table.rows)))


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("sma_cross", replace(CONFIG, keeps_decisions=True)),
        ("sma_cross", replace(CONFIG, max_participation=0.1)),
        ("sma_cross", BacktestConfig(cost_model=CostModel(impact=1.0))),
    ],
)
def test_what_the_loop_does_not_know_is_left_to_the_replay(key, config):
    assert account_loop.runs_compiled(opened(key)[0])
    assert not account_loop.runs_compiled(opened(key, config=config)[0])


def test_a_table_that_sells_short_is_left_to_the_replay():
    spec = replace(sma_cross.SPEC, key="shorting", prepare=shorting)
    legs = [Leg(bars, spec, FAST["sma_cross"]) for bars in BARS]

    account, _ = account_opened(legs, CONFIG, ALLOCATIONS["equal"])

    assert not account_loop.runs_compiled(account)


@pytest.mark.slow
def test_reruns_of_an_account_cover_all_of_it_and_pay_what_it_paid():
    legs = [Leg(bars, "sma_cross", FAST["sma_cross"]) for bars in BARS]
    config = BacktestConfig(commission_bps=5.0)
    run = run_portfolio(legs, config)

    reruns = AccountReruns(run, legs, ALLOCATIONS["equal"], 30)

    assert reruns.is_compiled
    assert not reruns.is_partial
    ours = run.account.metrics
    assert reruns.baseline.sharpe_ratio == pytest.approx(ours["sharpe_ratio"], rel=1e-6)
    assert reruns.baseline.win_rate == pytest.approx(ours["win_rate"])


@pytest.mark.slow
def test_reruns_of_an_account_keep_the_limits_it_ran_under():
    legs = [Leg(bars, "sma_cross", FAST["sma_cross"]) for bars in BARS]
    config = BacktestConfig(commission_bps=5.0, limits=OwnLimits(max_gross_exposure=0.3))
    run = run_portfolio(legs, config)

    reruns = AccountReruns(run, legs, ALLOCATIONS["equal"], 30)

    assert not reruns.is_compiled
    ours = run.account.metrics
    assert reruns.baseline.sharpe_ratio == pytest.approx(ours["sharpe_ratio"], rel=1e-6)
    assert reruns.baseline.win_rate == pytest.approx(ours["win_rate"])


@pytest.mark.parametrize(
    "allocation",
    [ALLOCATIONS["equal"], Allocation(AllocationRule.FIXED_WEIGHT, {"A": 0.5, "B": 0.5})],
)
def test_reruns_leave_an_instrument_that_ended_early_out_with_its_share_in_cash(
    allocation, monkeypatch
):
    monkeypatch.setattr("trading.engine.checks.account_reruns.COMPILED_BARS", 100)
    ended = WALKS[1].slice(0, 150)
    legs = [Leg(bars, "sma_cross", FAST["sma_cross"]) for bars in (WALKS[0], ended)]
    run = run_portfolio(legs, BacktestConfig(), allocation)

    reruns = AccountReruns(run, legs, allocation, 30)

    assert [leg.bars.symbol for leg in reruns.legs] == ["A"]
    half = Allocation(AllocationRule.FIXED_WEIGHT, {"A": 0.5})
    alone = run_portfolio(reruns.legs, BacktestConfig(), half)
    per_year = reruns.bars_per_year / alone.account.bars_per_year
    expected = alone.account.metrics["sharpe_ratio"] * per_year**0.5
    assert reruns.baseline.sharpe_ratio == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_the_loop_counts_the_losing_trades_of_each_book_by_itself():
    only = {"breaker_loss_streak": 3, "breaker_drawdown": 0.9, "breaker_daily_loss": 0.5}
    account, clock = opened("volatility_adaptive_trend", **only)
    free, _ = opened("volatility_adaptive_trend", **only | {"breaker_loss_streak": 50})

    looped = account_loop.curve_of(account, clock).equity

    np.testing.assert_allclose(looped, replay(account, clock)[0], rtol=1e-10)
    assert not np.allclose(looped, account_loop.curve_of(free, clock).equity)


@pytest.mark.slow
def test_reruns_keep_the_class_by_which_a_breaker_measures_volatility():
    wild = random_walk(31, 420, 0.04)
    costs = CostModel(commission_bps=5.0, preset=AssetClass.CRYPTO, preset_scale=0.0)
    leg = Leg(wild, "volatility_adaptive_trend")
    run = run_portfolio([leg], BacktestConfig(cost_model=costs))

    alone = Reruns(run.account, wild, 30).baseline.sharpe_ratio
    account = AccountReruns(run, [leg], ALLOCATIONS["equal"], 30).baseline.sharpe_ratio

    assert alone == pytest.approx(run.account.metrics["sharpe_ratio"], rel=1e-6)
    assert account == pytest.approx(run.account.metrics["sharpe_ratio"], rel=1e-6)
