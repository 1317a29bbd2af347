"""The honesty panel catches what it is there to catch."""

from dataclasses import replace

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks import honesty
from trading.engine.strategies import long_flat, sma_cross
from trading.engine.types import RuleStatus
from trading.tests.engine.walks import random_walk

BARS = random_walk(41, 600)
COSTLY = {"commission_bps": 5.0, "slippage_bps": 2.0}
KEYS = [
    "ENOUGH_TRADES",
    "NULL_WIN_RATE",
    "NULL_SHARPE",
    "BUY_AND_HOLD",
    "COST_BREAK_EVEN",
    "COSTS",
    "BEST_TRADES",
    "LOOK_AHEAD",
    "REGIMES",
]


def panel(result, bars=BARS):
    return honesty(result, bars, np.random.default_rng(0), n_draws=30)


def rows_of(result, bars=BARS):
    return {row.key: row for row in panel(result, bars).rows}


def test_panel_has_every_row_in_order_with_sentence_and_numbers():
    found = panel(run(BARS, "rsi2_reversion", {}, BacktestConfig(commission_bps=5.0)))

    assert [row.key for row in found.rows] == KEYS
    assert all(row.sentence.endswith(".") and row.numbers for row in found.rows)
    assert found.verdict


def test_the_same_seed_gives_the_same_panel():
    result = run(BARS, "rsi2_reversion", {}, BacktestConfig(commission_bps=5.0))

    assert panel(result).rows == panel(result).rows


@pytest.fixture
def peeking_strategy():
    """A strategy that reads tomorrow's close."""

    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        tomorrow = np.concatenate((bars.close[1:], bars.close[-1:]))
        return replace(features, arrays={"fast": tomorrow, "slow": bars.close})

    return replace(sma_cross.SPEC, key="peeking", prepare=prepare)


def test_a_strategy_that_sees_tomorrow_is_caught(peeking_strategy):
    result = run(BARS, peeking_strategy, {}, BacktestConfig(commission_bps=1.0))

    found = panel(result)

    assert {row.key: row.status for row in found.rows}["LOOK_AHEAD"] is RuleStatus.FAIL
    assert found.status is RuleStatus.FAIL
    assert "no look-ahead" in found.verdict


@pytest.mark.parametrize("keeps_decisions", [False, True])
@pytest.mark.parametrize("key", ["rsi2_reversion", "volatility_adaptive_trend"])
def test_an_honest_strategy_passes_the_look_ahead_row(key, keeps_decisions):
    result = run(BARS, key, {}, BacktestConfig(**COSTLY, keeps_decisions=keeps_decisions))

    assert rows_of(result)["LOOK_AHEAD"].status is RuleStatus.PASS


def test_a_rule_that_indexes_tomorrow_is_caught():
    def decide(features, i, state):
        ahead = features.bars.close[min(i + 1, len(BARS) - 1)] > features.bars.close[i]
        return long_flat.propose(features, i, state, int(ahead), "PEEK")

    spec = replace(sma_cross.SPEC, key="peeking", decide=decide, targets=None)

    rows = rows_of(run(BARS, spec))

    assert rows["LOOK_AHEAD"].status is RuleStatus.FAIL


def test_free_trading_is_warned_about():
    rows = rows_of(run(BARS, "sma_cross"))

    assert rows["COSTS"].status is RuleStatus.WARN
    assert "never free" in rows["COSTS"].sentence


def test_a_run_without_a_trade_fails_and_says_so():
    found = panel(run(BARS, "donchian_breakout", {"entry_bars": 500, "exit_bars": 500}))

    statuses = {row.key: row.status for row in found.rows}
    assert statuses["ENOUGH_TRADES"] is RuleStatus.FAIL
    assert statuses["NULL_SHARPE"] is RuleStatus.FAIL
    assert found.nulls is None


def test_cost_break_even_is_the_cost_at_which_nothing_is_left():
    result = run(BARS, "rsi2_reversion", {}, BacktestConfig(commission_bps=5.0))

    row = rows_of(result)["COST_BREAK_EVEN"]

    gross = sum(trip.pnl + trip.commission for trip in result.round_trips)
    traded = sum(
        trip.entry_notional + trip.quantity * trip.exit_price for trip in result.round_trips
    )
    assert row.numbers["paid_bps"] == pytest.approx(5.0)
    assert row.numbers["break_even_bps"] == pytest.approx(gross / traded * 1e4)


def test_losing_after_the_best_trades_are_removed_is_shown():
    result = run(BARS, "rsi2_reversion", {})

    row = rows_of(result)["BEST_TRADES"]

    pnls = sorted(trip.pnl for trip in result.round_trips)
    assert row.numbers["pnl_without"] == pytest.approx(sum(pnls[:-5]))


def test_a_perfect_edge_beats_random_entries():
    rng = np.random.default_rng(5)
    # Falls are always followed by a rise: buying dips must look skillful.
    steps = np.where(np.arange(900) % 6 == 4, -0.03, np.where(np.arange(900) % 6 == 5, 0.035, 0.0))
    close = 100.0 * np.exp(np.cumsum(steps + 0.001 * rng.standard_normal(900)))
    opened = np.concatenate(([100.0], close[:-1]))
    bars = type(BARS)(
        "EDGE",
        "1d",
        np.arange(900) * 86_400 * 10**9,
        opened,
        np.maximum(opened, close),
        np.minimum(opened, close),
        close,
        np.zeros(900),
    )

    rows = rows_of(run(bars, "rsi2_reversion", {}, BacktestConfig(commission_bps=2.0)), bars)

    assert rows["NULL_WIN_RATE"].status is RuleStatus.PASS
    assert rows["NULL_SHARPE"].status is RuleStatus.PASS
