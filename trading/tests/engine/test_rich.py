"""The compiled loop, its uncompiled source and the live runner's step trade the same to the bit."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from trading.engine import rich
from trading.engine.backtest import BacktestConfig, run
from trading.engine.costs import CostModel
from trading.engine.rules import (
    DIP_WEIGHT,
    N_COLUMNS,
    REASONS,
    RuleTable,
    plan_nb,
    round_down_nb,
    rule_next_nb,
)
from trading.engine.strategies import STRATEGIES
from trading.engine.types import AssetClass
from trading.tests.engine.laws import length, stepping
from trading.tests.engine.walks import random_walk, tape

GOLDEN = json.loads((Path(__file__).parent / "golden" / "strategies.json").read_text())
BARS = random_walk(41, 700, 0.008)
WILD = random_walk(8, length(420, quick=300), 0.03)
SMALL = {"sma_cross": {"fast": 5, "slow": 20}, "rsi2_reversion": {"trend_bars": 50}}
CONFIGS = {
    "default": ({}, BacktestConfig()),
    "whole units with costs": (
        {"sizing": "volatility_target"},
        BacktestConfig(
            commission_bps=5.0,
            slippage_bps=2.0,
            cost_preset=AssetClass.EQUITY,
            quantity_step=1.0,
            start_index=40,
        ),
    ),
}
DEAR = BacktestConfig(
    cost_model=CostModel(preset=AssetClass.EQUITY, preset_slippage=1.0), allows_all_cash=False
)
ADAPTIVE = [
    {},
    {"breaker": "off"},
    {"trail_atr": 3.0, "blend_bars": 3, "blend_share": 0.25},
    {"target_atr.NORMAL": 1.5, "target_atr.HIGH": 2.0, "size_factor.EXTREME": 0.1},
    {"size_factor.ADAPTIVE": "off", "lookback_bars.ADAPTIVE": "off", "blend_share": 0.5},
    {"breaker_daily_loss": 0.01, "breaker_drawdown": 0.05, "breaker_loss_streak": 3},
    {"protection": "resting", "stop_atr": 1.0, "trail_atr": 2.0, "target_atr.NORMAL": 1.5},
]


def params_of(key, extra):
    if key == "volatility_adaptive_trend":
        return {"breaker": "off"}
    return {**SMALL.get(key, {}), **extra}


@pytest.mark.parametrize("case", sorted(GOLDEN))
def test_a_strategy_trades_as_it_always_did(case):
    key, name = case.split(", ")
    extra, config = CONFIGS[name]

    result = run(BARS, key, params_of(key, extra), config)

    fills = [[fill.bar, str(fill.side), fill.quantity, fill.price] for fill in result.fills]
    assert [row[:2] for row in fills] == [row[:2] for row in GOLDEN[case]["fills"]]
    numbers = np.array([row[2:] for row in fills])
    np.testing.assert_allclose(numbers, [row[2:] for row in GOLDEN[case]["fills"]], rtol=1e-9)
    assert result.final_equity == pytest.approx(GOLDEN[case]["final_equity"], rel=1e-9)
    assert len(result.round_trips) == GOLDEN[case]["n_round_trips"]


@cache
def both_paths(key, extra, name):
    config = replace(CONFIGS[name][1], allows_all_cash=False)
    params = dict(extra)
    return (
        run(WILD, key, params, config),
        run(WILD, key, params, stepping(config)),
    )


TWINS = [(key, (("sizing", "volatility_target"),)) for key in SMALL]
TWINS += [("donchian_breakout", ()), ("rsi2_reversion", (("max_bars", 3),))]
TWINS += [("volatility_adaptive_trend", tuple(params.items())) for params in ADAPTIVE]


# Every rule under one configuration in the quick suite, under both in the whole one.
PAIRS = [
    pytest.param(*twin, name, marks=[] if k % 2 == j else pytest.mark.slow)
    for k, twin in enumerate(TWINS)
    for j, name in enumerate(sorted(CONFIGS))
]


@pytest.mark.parametrize(("key", "extra", "name"), PAIRS)
def test_the_loop_gives_the_fills_reasons_and_state_of_the_step(key, extra, name):
    compiled, stepped = both_paths(key, extra, name)

    assert len(stepped.fills) > 5
    assert compiled.fills == stepped.fills
    assert compiled.fill_reasons == stepped.fill_reasons
    assert np.array_equal(compiled.equity, stepped.equity)
    assert compiled.final_state == stepped.final_state


def planted(change):
    """The adaptive rule with other features, on the way a plain run takes and step by step."""
    honest = STRATEGIES["volatility_adaptive_trend"]
    spec = replace(
        honest, key="planted", prepare=lambda bars, params: change(honest.prepare(bars, params))
    )
    return [run(WILD, spec, {}, config) for config in (DEAR, stepping(DEAR))]


def test_the_loop_pays_by_the_regimes_of_the_features_as_the_step_does():
    def always_extreme(features):
        extreme = np.full(len(features.bars), 3, dtype=np.int64)
        return replace(features, regimes=replace(features.regimes, codes=extreme))

    compiled, stepped = planted(always_extreme)

    assert stepped.costs.preset > 0.0
    assert compiled.fills == stepped.fills
    assert compiled.costs == stepped.costs
    assert compiled.costs.paid_bps > planted(lambda features: features)[0].costs.paid_bps


def test_a_table_that_sells_short_is_left_to_the_step():
    def mirrored(features):
        rows = np.asfortranarray(features.table.rows * [1, -1, -1, 1, 1, 1, 1, 1])
        return replace(features, table=replace(features.table, rows=rows))

    plain, stepped = planted(mirrored)

    assert min(stepped.quantity) < 0.0
    assert plain.fills == stepped.fills
    assert plain.final_state == stepped.final_state


@pytest.mark.parametrize("weight", [0.0, np.nan, 0.5])
def test_a_table_only_buys_unless_a_weight_is_negative(weight):
    rows = np.full((3, N_COLUMNS), weight)
    short = rows.copy()
    short[1, DIP_WEIGHT] = -0.1

    assert RuleTable(rows).only_buys
    assert not RuleTable(short).only_buys


@pytest.mark.parametrize("params", ADAPTIVE)
def test_the_uncompiled_loop_gives_the_bits_of_the_compiled(params, monkeypatch):
    bars = WILD.until(259)
    config = BacktestConfig(cost_preset=AssetClass.EQUITY, quantity_step=1.0)
    compiled = run(bars, "volatility_adaptive_trend", params, config)
    monkeypatch.setattr(rich, "simulate_rules_nb", rich.simulate_rules_nb.py_func)

    plain = run(bars, "volatility_adaptive_trend", params, config)

    assert plain.fills == compiled.fills
    assert np.array_equal(plain.equity, compiled.equity)
    assert plain.final_state == compiled.final_state


TABLES = list(STRATEGIES.values())


@pytest.mark.parametrize("spec", TABLES, ids=[spec.key for spec in TABLES])
def test_a_shipped_rule_is_a_table(spec):
    features = spec.prepare(WILD, spec.defaults)

    assert features.table.rows.shape == (len(WILD), 8)


@pytest.mark.parametrize(
    ("signals", "kind", "bars_held", "stop", "target", "reason"),
    [
        (0, 0, 0, np.nan, np.nan, "NO_SETUP"),
        (1, 0, 0, np.nan, np.nan, "TREND_UP"),
        (2, 0, 0, np.nan, np.nan, "DIP"),
        (3, 0, 0, np.nan, np.nan, "TREND_UP"),
        (1, 1, 5, 10.0, 12.0, "STOP"),
        (1, 1, 5, 9.0, 9.9, "TARGET"),
        (4, 1, 5, np.nan, np.nan, "TREND_DOWN"),
        (0, 1, 5, np.nan, np.nan, "TREND_UNDECIDED"),
        (1, 2, 99, np.nan, np.nan, "TREND_UP"),
        (8, 2, 1, np.nan, np.nan, "RECOVERED"),
        (0, 2, 7, np.nan, np.nan, "HOLDING_LIMIT"),
        (4, 2, 6, np.nan, np.nan, "DIP"),
    ],
)
def test_one_row_and_what_is_held_give_one_reason(signals, kind, bars_held, stop, target, reason):
    args = (signals, kind, bars_held, 7, 10.0, stop, target, 0.0)

    assert REASONS[rule_next_nb(*args)] == reason
    assert REASONS[rule_next_nb.py_func(*args)] == reason


def test_a_target_must_earn_the_cost_of_leaving():
    free = rule_next_nb(0, 1, 1, 0, 100.0, np.nan, 99.9, 0.0)
    costly = rule_next_nb(0, 1, 1, 0, 100.0, np.nan, 99.9, 0.002)

    assert (REASONS[free], REASONS[costly]) == ("TARGET", "TREND_UNDECIDED")


def test_a_halt_sells_what_is_held_and_says_so():
    closes = [*np.arange(100.0, 190.0), *np.arange(178.0, 200.0)]
    bars = tape([(close, close, close, close) for close in closes])
    params = {"trend_bars": 60, "stop_atr": 6.0}

    result = run(bars, "volatility_adaptive_trend", params)
    kept = run(bars, "volatility_adaptive_trend", params, BacktestConfig(keeps_decisions=True))

    assert result.fill_reasons[:3] == ("TREND_UP", "BREAKER", "TREND_UP")
    halted = [made for made in kept.decisions if made.blocked_by == "BREAKER"]
    assert halted
    assert all(made.target_weight == 0.0 for made in halted)
    assert "daily loss" in halted[0].to_dict()["parameters"]["breaker"]["because"]
    assert "× breaker" in [line.label for line in halted[0].sizing]


@pytest.mark.parametrize(
    ("quantity", "step", "expected"),
    [(12.999, 1.0, 12.0), (-2.5, 1.0, -2.0), (0.3, 0.1, 0.3), (0.123, 0.0, 0.123), (0.9, 1.0, 0.0)],
)
def test_quantities_are_rounded_to_the_lot_in_both_forms(quantity, step, expected):
    assert round_down_nb(quantity, step) == expected
    assert round_down_nb.py_func(quantity, step) == expected


def test_the_plan_is_the_same_compiled_and_not():
    rng = np.random.default_rng(5)
    for _ in range(300):
        weight, held = rng.choice([0.0, 0.4, 0.95, 1.0]), rng.choice([0.0, 3.0, 7.5])
        cash, close = rng.uniform(-50.0, 900.0), rng.uniform(1.0, 200.0)
        args = (weight, held, cash, close, 0.0005, 0.0002, rng.choice([0.0, 0.1, 1.0]), 0.1)
        flags = (bool(rng.integers(2)), bool(rng.integers(2)))
        assert plan_nb(*args, *flags) == plan_nb.py_func(*args, *flags)
