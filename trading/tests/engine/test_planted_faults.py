"""Every check must be able to fail: a fault is planted for each, beside a run without it."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks import chance, charges, leaks, shuffles, stability
from trading.engine.checks.chance import Trials
from trading.engine.checks.reruns import Figures
from trading.engine.costs import CostModel
from trading.engine.nulls import exceedance, random_entries
from trading.engine.strategies import sma_cross
from trading.engine.types import RuleStatus
from trading.tests.engine.laws import length, some
from trading.tests.engine.panels import BARS, COSTLY, KEYS, SHORT, dips, panel, rng
from trading.tests.engine.walks import random_walk, tape


def planted(name, prepare):
    return replace(sma_cross.SPEC, key=name, prepare=prepare)


@pytest.mark.slow
def test_a_rule_that_hangs_on_the_start_of_history_is_caught():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        count_since_start = (np.arange(len(bars)) % 7).astype(float)
        return replace(
            features, arrays={"fast": count_since_start, "slow": np.full(len(bars), 3.0)}
        )

    bars = random_walk(41, 2_200)
    row = leaks.warm_up(run(bars, planted("since_start", prepare)), bars)

    assert row.status is RuleStatus.FAIL
    assert row.numbers["changed_share_longest"] > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("key", some(["sma_cross", "donchian_breakout"], 2))
def test_a_rule_with_a_finite_window_has_enough_warm_up(key):
    bars = random_walk(41, 2_200)

    assert leaks.warm_up(run(bars, key), bars).status is RuleStatus.PASS


def test_a_longer_warm_up_than_the_longest_history_is_judged_by_itself():
    bars = random_walk(41, 2_200)
    spec = replace(sma_cross.SPEC, key="patient", warm_up=lambda params: 1_400)

    row = leaks.warm_up(run(bars, spec), bars)

    assert row.status is RuleStatus.PASS
    assert row.numbers["warm_up_bars"] == 1_400.0


def test_a_rule_that_ranks_over_all_bars_is_caught_by_a_shuffled_future():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        whole_mean = np.full(len(bars), bars.close.mean())
        return replace(features, arrays={"fast": bars.close, "slow": whole_mean})

    result = run(BARS, planted("whole_sample", prepare))

    row = leaks.shuffled_future(result, BARS, rng())

    assert row.status is RuleStatus.FAIL


def test_an_honest_rule_is_blind_to_a_shuffled_future():
    row = leaks.shuffled_future(dips(**COSTLY), BARS, rng())

    assert row.status is RuleStatus.PASS


def test_short_trades_stand_beside_random_short_entries():
    found = run(BARS, SHORT, {}, BacktestConfig(**COSTLY))
    nulls = random_entries(found, BARS, rng(), n_draws=30)

    rows = [chance.null_win_rate(found, nulls), chance.null_sharpe(found, nulls)]

    assert all(f"of {len(found.round_trips)} trades won" in row.sentence for row in rows[:1])
    assert all(0.0 < row.numbers["p"] <= 1.0 for row in rows)


def test_an_account_with_short_trades_says_why_nothing_is_drawn():
    row = chance.null_win_rate(run(BARS, SHORT), None)

    assert row.status is RuleStatus.NOT_APPLICABLE
    assert "trades are short" in row.sentence


def test_the_cost_of_holding_is_not_taken_for_the_cost_of_trading():
    free = BacktestConfig(cost_model=CostModel(borrow_bps_per_day=5.0))

    row = charges.costs_included(run(BARS, SHORT, {}, free))

    assert row.status is RuleStatus.WARN
    assert row.numbers["cost_total"] > 0.0


@pytest.mark.slow
def test_flipping_coins_is_not_called_skill():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        coin = np.random.default_rng(3).integers(0, 2, 10_000).astype(float)[: len(bars)]
        return replace(features, arrays={"fast": coin, "slow": np.full(len(bars), 0.5)})

    found = run(BARS, planted("coin", prepare), {}, BacktestConfig(commission_bps=10.0))
    rows = [
        chance.null_sharpe(found, random_entries(found, BARS, rng(), n_draws=30)),
        *shuffles.shuffled_bars(found, BARS, rng()).rows,
        chance.deflated_sharpe(found, Trials()),
        charges.break_even(found, charges.cost_curve(found, BARS)),
    ]

    assert all(row.status is not RuleStatus.PASS for row in rows), rows


def test_an_edge_in_the_order_of_days_beats_shuffled_bars():
    # Five rises, then five falls: yesterday tells today, until the days are shuffled.
    close = 100.0 * np.exp(np.cumsum(np.where(np.arange(600) % 10 < 5, 0.01, -0.0099)))
    bars = tape([(a, max(a, b), min(a, b), b) for a, b in itertools.pairwise(close)])

    found = shuffles.shuffled_bars(run(bars, "sma_cross", {"fast": 1, "slow": 2}), bars, rng())

    assert [row.status for row in found.rows] == [RuleStatus.PASS, RuleStatus.PASS]
    assert found.win_rates.shape == found.sharpe_ratios.shape == (shuffles.N_SHUFFLES,)


def test_selling_what_has_recovered_wins_often_on_shuffled_bars_too():
    walk = random_walk(3, 3_000, 0.02)
    found = run(walk, "rsi2_reversion", {})

    random = chance.null_win_rate(found, random_entries(found, walk, rng(), n_draws=40))
    shuffled, _ = shuffles.shuffled_bars(found, walk, rng()).rows

    # Nothing is there to be found, and yet it wins more often than what leaves after as many bars.
    assert found.metrics["win_rate"] > random.numbers["null_median"] + 0.05
    assert random.status is RuleStatus.NOT_APPLICABLE
    assert "the line on shuffled bars does, and counts" in random.sentence
    assert shuffled.numbers["null_median"] == pytest.approx(found.metrics["win_rate"], abs=0.04)
    assert shuffled.status is not RuleStatus.PASS
    assert f"of {len(found.round_trips)} trades won" in shuffled.sentence


def test_a_shuffle_without_a_trade_has_no_win_rate_and_earned_nothing():
    idle = Figures(math.nan, math.nan, 0)

    found = shuffles.judged(Figures(1.0, 0.6, 10), [idle, Figures(0.5, 0.5, 4)])
    none = shuffles.judged(idle, [idle])

    assert (found.win_rates.tolist(), found.sharpe_ratios.tolist()) == ([0.5], [0.0, 0.5])
    assert (found.rows[0].numbers["p"], found.rows[0].numbers["n"]) == (0.5, 1.0)
    assert {row.status for row in none.rows} == {RuleStatus.NOT_APPLICABLE}


def test_a_parameter_on_a_needle_is_caught():
    def prepare(bars, params):
        features = sma_cross.prepare(bars, params)
        is_long = np.concatenate((bars.close[1:] > bars.close[:-1], [False])).astype(float)
        fast = is_long if params["fast"] == 20 else 1.0 - is_long
        return replace(features, arrays={"fast": fast, "slow": np.full(len(bars), 0.5)})

    spec = planted("needle", prepare)

    row = stability.neighborhood(run(BARS, spec, {"fast": 20, "slow": 50}), BARS)

    assert row.status is RuleStatus.WARN
    assert row.numbers["worst"] < 0.0 < row.numbers["sharpe_ratio"]


def test_many_trials_deflate_the_sharpe_ratio():
    result = dips(commission_bps=1.0)

    alone = chance.deflated_sharpe(result, Trials())
    many = chance.deflated_sharpe(result, Trials(n_trials=500, sharpe_std=0.1))

    assert many.numbers["deflated_sharpe_ratio"] < alone.numbers["deflated_sharpe_ratio"]
    assert many.status is RuleStatus.FAIL


@pytest.mark.parametrize(
    ("value", "status"), [(None, "NOT_APPLICABLE"), (0.1, "PASS"), (0.4, "WARN"), (0.7, "FAIL")]
)
def test_overfitting_is_judged_only_where_a_study_chose(value, status):
    assert chance.overfitting(Trials(overfitting=value)).status == status


def test_the_cost_curve_falls_with_the_costs():
    result = dips(**COSTLY)

    curve = charges.cost_curve(result, BARS)

    assert [point.factor for point in curve] == list(charges.FACTORS)
    returns = [point.total_return for point in curve]
    assert returns == sorted(returns, reverse=True)
    assert curve[2].total_return == result.metrics["total_return"]
    assert curve[0].cost_total == 0.0


def test_free_trading_has_no_cost_curve():
    assert charges.cost_curve(dips(), BARS) == ()


@pytest.mark.slow
def test_the_panel_judges_a_run_with_volume_limits_and_impact():
    costs = CostModel(spread_bps=2.0, impact=1.0, commission_minimum=1.0, commission_bps=1.0)
    config = BacktestConfig(cost_model=costs, max_participation=0.001)

    result = run(BARS.slice(0, length(300, quick=200)), "rsi2_reversion", {}, config)

    rows = {row.key: row for row in panel(result, BARS.slice(0, length(300, quick=200))).rows}

    assert rows["LOOK_AHEAD"].status is RuleStatus.PASS
    assert "impact" in rows["COSTS"].sentence


def test_a_run_of_two_bars_is_examined_too():
    bars = BARS.slice(0, 60)
    result = run(bars, "sma_cross", {"fast": 2, "slow": 5}, BacktestConfig(start_index=58))

    assert [row.key for row in panel(result, bars).rows] == KEYS


def test_an_unknown_sharpe_ratio_beats_nobody():
    nulls = random_entries(dips(), BARS, rng(), n_draws=5)
    still = replace(dips(), metrics=dips().metrics | {"sharpe_ratio": math.nan})

    assert chance.null_sharpe(still, nulls).status is RuleStatus.NOT_APPLICABLE
    assert math.isnan(exceedance(math.nan, nulls.sharpe_ratios))
