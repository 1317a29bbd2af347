"""The honesty panel catches what it is there to catch."""

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks import chance, charges, leaks, shuffles
from trading.engine.checks.panel import in_sentence, without_best
from trading.engine.checks.reruns import Reruns
from trading.engine.costs import CostModel
from trading.engine.nulls import random_entries
from trading.engine.strategies import long_flat, sma_cross
from trading.engine.strategies.base import Proposal
from trading.engine.types import RuleStatus
from trading.tests.engine.laws import some
from trading.tests.engine.panels import BARS, COSTLY, KEYS, dips, panel, rng
from trading.tests.engine.rules_by_hand import by_hand
from trading.tests.engine.walks import tape


@cache
def panel_of_dips():
    return panel(dips(commission_bps=5.0))


def test_panel_has_every_row_in_order_with_sentence_and_numbers():
    found = panel_of_dips()

    assert [row.key for row in found.rows] == KEYS
    assert all(row.sentence.endswith(".") and row.numbers for row in found.rows)
    assert found.verdict


@pytest.mark.slow
def test_the_same_seed_gives_the_same_panel():
    assert panel(dips(commission_bps=5.0)).rows == panel_of_dips().rows


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


# Each rule and each path in the quick suite, every pair of them in the whole one.
@pytest.mark.parametrize(
    ("key", "keeps_decisions"),
    some(
        list(itertools.product(["rsi2_reversion", "volatility_adaptive_trend"], [False, True])), 3
    ),
)
def test_an_honest_strategy_passes_the_look_ahead_row(key, keeps_decisions):
    result = run(BARS, key, {}, BacktestConfig(**COSTLY, keeps_decisions=keeps_decisions))

    assert leaks.look_ahead(result, BARS, rng()).status is RuleStatus.PASS


def test_a_rule_that_indexes_tomorrow_is_caught():
    def decide(features, i, state):
        ahead = features.bars.close[min(i + 1, len(BARS) - 1)] > features.bars.close[i]
        return long_flat.propose(features, i, int(ahead), "PEEK")

    spec = replace(sma_cross.SPEC, key="peeking", decide=decide, targets=None)

    row = leaks.look_ahead(run(BARS, spec), BARS, rng())

    assert row.status is RuleStatus.FAIL


def test_free_trading_is_warned_about():
    row = charges.costs_included(dips())

    assert row.status is RuleStatus.WARN
    assert "never free" in row.sentence


def test_a_run_without_a_trade_fails_and_says_so():
    found = panel(run(BARS, "donchian_breakout", {"entry_bars": 400, "exit_bars": 400}))

    statuses = {row.key: row.status for row in found.rows}
    assert statuses["ENOUGH_TRADES"] is RuleStatus.FAIL
    assert statuses["NULL_SHARPE"] is RuleStatus.FAIL
    assert found.nulls is None


def test_cost_break_even_is_the_cost_at_which_nothing_is_left():
    result = dips(commission_bps=5.0)

    row = {row.key: row for row in panel_of_dips().rows}["COST_BREAK_EVEN"]

    gross = sum(trip.pnl + trip.commission for trip in result.round_trips)
    traded = sum(fill.notional for fill in result.fills[: 2 * len(result.round_trips)])
    assert row.numbers["paid_bps"] == pytest.approx(5.0)
    assert row.numbers["break_even_bps"] == pytest.approx(gross / traded * 1e4)


@cache
def shorts(borrow_bps_per_day):
    """Every twenty bars of a falling market, ten short."""
    falling = tape([(100.0 * 0.999**k,) * 4 for k in range(200)])
    rule = by_hand(lambda features, i, state: Proposal(-0.5 if i % 20 < 10 else 0.0, 0.0, "SHORT"))
    costs = CostModel(commission_bps=1.0, borrow_bps_per_day=borrow_bps_per_day)
    return run(falling, rule, {}, BacktestConfig(cost_model=costs)), falling


@pytest.mark.parametrize("borrow_bps_per_day", [0.0, 50.0])
def test_trades_earn_what_the_equity_earns_borrow_included(borrow_bps_per_day):
    result, _ = shorts(borrow_bps_per_day)

    assert result.quantity[-1] == 0.0
    assert len(result.round_trips) == 10
    pnl = sum(trip.pnl for trip in result.round_trips)
    assert pnl == pytest.approx(result.final_equity - result.config.cash)


def test_a_short_that_its_borrow_ruins_cannot_bear_its_costs():
    kept, ruined = (charges.break_even(shorts(rate)[0], ()) for rate in (0.0, 50.0))

    assert (kept.status, ruined.status) == (RuleStatus.PASS, RuleStatus.FAIL)


def test_a_rerun_of_a_short_borrows_at_the_same_rate():
    result, bars = shorts(50.0)

    assert Reruns(result, bars, 1).baseline.sharpe_ratio == pytest.approx(
        result.metrics["sharpe_ratio"]
    )


def test_losing_after_the_best_trades_are_removed_is_shown():
    result = dips(commission_bps=5.0)

    row = {row.key: row for row in panel_of_dips().rows}["BEST_TRADES"]

    pnls = sorted(trip.pnl for trip in result.round_trips)
    assert row.numbers["pnl_without"] == pytest.approx(sum(pnls[:-5]))


def monthly_gains(*gains):
    """A run that made one of `gains` in each calendar month from January 1970 on."""
    days = [f"1970-{i + 1:02d}-{day:02d}" for i in range(len(gains)) for day in (1, 15, 28)]
    times = np.array(days, "datetime64[ns]").astype(np.int64)
    shares = np.ravel([(1.0, 1.0 + gain / 2.0, 1.0 + gain) for gain in gains])
    before = np.repeat(np.cumprod([1.0, *(1.0 + gain for gain in gains[:-1])]), 3)
    return replace(
        dips(), closed_at=times, equity=dips().config.cash * before * shares, round_trips=winners()
    )


def winners():
    """Ten trades of which each gained."""
    return tuple(replace(dips().round_trips[0], pnl=10.0) for _ in range(10))


def test_a_result_that_one_month_carries_is_warned_about():
    row = without_best(monthly_gains(-0.10, 0.50, -0.10))

    assert row.status is RuleStatus.WARN
    assert row.numbers["total_return"] == pytest.approx(0.9 * 1.5 * 0.9 - 1.0)
    assert row.numbers["best_month_return"] == pytest.approx(0.50)
    assert row.numbers["return_without_best_month"] == pytest.approx(0.9 * 0.9 - 1.0)
    assert "The account returned +21.5%; without its best month, Feb 1970, it is -19.0%." in (
        row.sentence
    )


def test_a_result_that_many_months_made_passes_without_its_best_one():
    assert without_best(monthly_gains(0.10, 0.50, 0.10)).status is RuleStatus.PASS


def test_a_result_of_one_month_is_that_month():
    row = without_best(monthly_gains(0.10))

    assert (row.status, row.numbers["return_without_best_month"]) == (RuleStatus.WARN, 0.0)


def test_a_perfect_edge_beats_random_entries():
    noise = np.random.default_rng(5).standard_normal(900)
    # Falls are always followed by a rise: buying dips must look skillful.
    steps = np.where(np.arange(900) % 6 == 4, -0.03, np.where(np.arange(900) % 6 == 5, 0.035, 0.0))
    close = 100.0 * np.exp(np.cumsum(steps + 0.001 * noise))
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

    found = run(bars, "rsi2_reversion", {}, BacktestConfig(commission_bps=2.0))
    nulls = random_entries(found, bars, rng(), n_draws=30)

    assert chance.null_win_rate(found, nulls).numbers["p"] < 0.05
    assert chance.null_sharpe(found, nulls).status is RuleStatus.PASS
    shuffled = shuffles.shuffled_bars(found, bars, rng()).rows
    assert [row.status for row in shuffled] == [RuleStatus.PASS, RuleStatus.PASS]


def test_a_name_keeps_its_capital_inside_the_verdict():
    titles = ("Sharpe ratio against shuffled bars", "Deflated Sharpe ratio", "Enough trades")

    assert [in_sentence(title) for title in titles] == [
        "Sharpe ratio against shuffled bars", "deflated Sharpe ratio", "enough trades",
    ]  # fmt: skip
