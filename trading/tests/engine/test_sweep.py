"""A sweep equals the backtest of each combination and vectorbt; wrong requests are refused."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine import kernels, sweep_compiled, sweep_kernels
from trading.engine.backtest import BacktestConfig, run
from trading.engine.costs import CostModel
from trading.engine.errors import (
    ConfigInvalid,
    GridTooLarge,
    InsufficientBars,
    ParameterInvalid,
    UnknownStrategy,
)
from trading.engine.strategies import STRATEGIES
from trading.engine.sweep import sweep, sweep_points
from trading.engine.sweep_rules import RULES
from trading.engine.types import AssetClass
from trading.tests.engine.laws import examples, some
from trading.tests.engine.walks import random_walk

# vectorbt 1.2.0 on seeded random walks: docs/research/vectorbt_equality.py --golden wrote it.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "vectorbt.json").read_text())
BARS = random_walk(12, 420)
GRIDS = {
    "sma_cross": {"fast": [2, 5, 20], "slow": [3, 30, 60]},
    "rsi2_reversion": {
        "rsi_bars": [2, 3],
        "entry_level": [35.5],
        "exit_bars": [1, 5],
        "max_bars": [0, 1],
        "trend_bars": [0, 50],
    },
    "donchian_breakout": {"entry_bars": [2, 17, 55], "exit_bars": [2, 10]},
}
COSTS = {
    "free": {},
    "flat": {"commission_bps": 5.0, "slippage_bps": 3.0},
    "by range": {"cost_model": CostModel(spread_bps=4.0, range_share=0.1)},
    "by regime": {"cost_preset": AssetClass.CRYPTO},
    "slippage by regime": {"cost_model": CostModel(preset=AssetClass.CRYPTO, preset_slippage=1.0)},
}


def params_of(result, row):
    return {name: column[row].item() for name, column in result.parameters.items()}


def assert_rows_equal_runs(result, bars, config, rows=None):
    for row in range(len(result)) if rows is None else rows:
        alone = run(bars, result.strategy_key, params_of(result, row), config)
        assert result.n_orders[row] == len(alone.orders)
        assert result.n_round_trips[row] == len(alone.round_trips)
        for name in ("final_equity", "max_drawdown", "sharpe_ratio", "win_rate", "profit_factor"):
            figure = getattr(result, name)[row]
            assert figure == pytest.approx(alone.metrics[name], rel=1e-9, nan_ok=True), name


# Every cost and either start in the quick suite, every pair of them in the whole one.
STARTS_AND_COSTS = [
    pytest.param(
        start, costs, id=f"{name}, {start}", marks=[] if k % 2 == (start > 0) else pytest.mark.slow
    )
    for start in (0, 111)
    for k, (name, costs) in enumerate(COSTS.items())
]


@pytest.mark.parametrize(("start_index", "costs"), STARTS_AND_COSTS)
@pytest.mark.parametrize("key", RULES)
def test_each_row_equals_the_backtest_of_its_combination(key, costs, start_index):
    config = BacktestConfig(start_index=start_index, **costs)

    result = sweep(BARS, key, GRIDS[key], config)

    assert result.is_compiled
    # Another part of the grid under each cost, so that the four quick cases meet all of it.
    rows = some(range(len(result)), 4, first=list(COSTS.values()).index(costs))
    assert_rows_equal_runs(result, BARS, config, rows)


@given(
    seed=st.integers(0, 10_000),
    n_bars=st.integers(70, 200),
    fast=st.integers(1, 60),
    slow=st.integers(2, 60),
)
@examples(25)
def test_rows_equal_backtests_on_any_walk(seed, n_bars, fast, slow):
    bars = random_walk(seed, n_bars)
    config = BacktestConfig(commission_bps=7.0)

    result = sweep(bars, "sma_cross", {"fast": [fast], "slow": [slow, slow + 1, 61]}, config)

    assert_rows_equal_runs(result, bars, config)


@pytest.mark.parametrize("key", RULES)
def test_sweep_equals_vectorbt(key):
    for row in (row for row in GOLDEN if row["strategy"] == key):
        config = BacktestConfig(
            commission_bps=row["commission_bps"], slippage_bps=row["slippage_bps"]
        )
        points = {name: [value] for name, value in row["params"].items()}

        result = sweep_points(random_walk(row["seed"], row["n_bars"]), key, points, config)

        assert result.n_orders[0] == row["orders"]
        assert result.final_equity[0] == pytest.approx(row["final_equity"], rel=1e-9)
        assert result.max_drawdown[0] == pytest.approx(row["max_drawdown"], rel=1e-9)
        # The peer's year has 365 days.
        assert result.sharpe_ratio[0] * math.sqrt(365 / 252) == pytest.approx(
            row["sharpe_ratio"], rel=1e-9
        )


@pytest.mark.parametrize("key", RULES)
def test_threads_and_parts_change_nothing(key, monkeypatch):
    whole = sweep(BARS, key, GRIDS[key])
    monkeypatch.setattr(sweep_compiled, "MAX_TABLE_BYTES", 4 * 420 * 8)
    monkeypatch.setattr(sweep_compiled, "COMBINATIONS_PER_CHUNK", 2)

    split = sweep(BARS, key, GRIDS[key], n_threads=2)

    assert np.array_equal(whole.final_equity, split.final_equity)
    assert np.array_equal(whole.sharpe_ratio, split.sharpe_ratio, equal_nan=True)


def test_short_blocks_of_a_long_series_change_nothing(monkeypatch):
    whole = sweep(BARS, "sma_cross", GRIDS["sma_cross"])
    monkeypatch.setattr(sweep_compiled, "MAX_BLOCK_BYTES", 2 * 24 * 420)

    bounded = sweep(BARS, "sma_cross", GRIDS["sma_cross"])

    np.testing.assert_allclose(bounded.max_drawdown, whole.max_drawdown, rtol=1e-12)


def test_other_sizings_go_through_the_backtest_itself():
    grid = {"sizing": ["volatility_target"], "target_volatility": [0.1, 0.2], "fast": [5]}

    result = sweep(BARS, "sma_cross", grid)

    assert not result.is_compiled
    assert_rows_equal_runs(result, BARS, BacktestConfig())


def test_a_strategy_without_a_rule_goes_through_the_backtest_itself():
    first = STRATEGIES["volatility_adaptive_trend"].parameters[0]

    result = sweep_points(BARS, "volatility_adaptive_trend", {first.key: [first.default]})

    assert not result.is_compiled
    assert_rows_equal_runs(result, BARS, BacktestConfig())


def test_points_keep_their_order_and_grids_vary_the_last_parameter_fastest():
    grid = sweep(BARS, "donchian_breakout", {"entry_bars": [9, 4], "exit_bars": [3, 8]})
    points = sweep_points(BARS, "donchian_breakout", {"entry_bars": [4, 9], "exit_bars": [8, 3]})

    assert grid.parameters["entry_bars"].tolist() == [9, 9, 4, 4]
    assert grid.parameters["exit_bars"].tolist() == [3, 8, 3, 8]
    assert points.final_equity.tolist() == [grid.final_equity[3], grid.final_equity[0]]


def test_ranking_puts_the_best_first_and_the_undefined_last():
    flat = random_walk(1, 40)
    result = sweep(flat, "rsi2_reversion", {"entry_level": [50.0, 0.5], "exit_bars": [3, 5]})

    order = result.ranking("sharpe_ratio")

    sharpe = result.sharpe_ratio[order]
    n_defined = int(np.sum(~np.isnan(sharpe)))
    assert 0 < n_defined < 4
    assert np.isnan(sharpe[n_defined:]).all()
    assert (np.diff(sharpe[:n_defined]) <= 0.0).all()


def test_a_grid_leaves_out_what_the_strategy_refuses_and_says_how_many():
    result = sweep(BARS, "sma_cross", {"fast": [5, 10], "slow": [5, 10]})

    assert (len(result), result.n_skipped) == (2, 2)


@pytest.mark.parametrize(
    ("grid", "error", "sentence"),
    [
        ({"fast": range(1, 201), "slow": range(201, 401)}, GridTooLarge, "40,000 combinations"),
        ({"fast": range(1, 201), "slow": range(201, 401)}, GridTooLarge, "fast 200 × slow 200"),
        ({}, ParameterInvalid, "empty"),
        ({"fast": []}, ParameterInvalid, "at least one value"),
        ({"speed": [1]}, ParameterInvalid, "no parameter 'speed'"),
        ({"fast": [1.5]}, ParameterInvalid, "whole number"),
        ({"fast": [float("nan")]}, ParameterInvalid, "finite"),
        ({"fast": [0]}, ParameterInvalid, "at least 1"),
        ({"fast": [7], "slow": [7]}, ParameterInvalid, "refuses all 1"),
        ({"slow": [900]}, InsufficientBars, "899 bars of warm-up"),
    ],
)
def test_a_wrong_grid_is_refused_by_name_and_numbers(grid, error, sentence):
    with pytest.raises(error, match=sentence):
        sweep(BARS, "sma_cross", grid, max_combinations=10_000)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ({}, "no points"),
        ({"fast": [1, 2], "slow": [3]}, "differ in length"),
        ({"fast": [1, 9], "slow": [3, 9]}, "point 1: fast and slow are both 9"),
    ],
)
def test_wrong_points_are_refused(points, sentence):
    with pytest.raises(ParameterInvalid, match=sentence):
        sweep_points(BARS, "sma_cross", points)


def test_wrong_settings_are_refused():
    grid = GRIDS["sma_cross"]

    with pytest.raises(UnknownStrategy):
        sweep(BARS, "nonsense", grid)
    with pytest.raises(ConfigInvalid, match="n_threads 0"):
        sweep(BARS, "sma_cross", grid, n_threads=0)
    with pytest.raises(InsufficientBars, match="leave 1"):
        sweep(BARS, "sma_cross", grid, BacktestConfig(start_index=419))


def test_progress_reaches_one_and_may_cancel(monkeypatch):
    monkeypatch.setattr(sweep_compiled, "COMBINATIONS_PER_CHUNK", 3)
    shares = []
    sweep(
        BARS,
        "sma_cross",
        GRIDS["sma_cross"],
        BacktestConfig(progress=lambda _, s: shares.append(s)),
    )

    def cancel(phase, share):
        raise KeyboardInterrupt

    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with pytest.raises(KeyboardInterrupt):
        sweep(BARS, "sma_cross", GRIDS["sma_cross"], BacktestConfig(progress=cancel))


# --- kernels: twins of their own source and of plain ones --------------------------------------


def tables(n_levels=9):
    rates = np.full(len(BARS), 5e-4)
    return (
        sweep_kernels.edge_table_nb(BARS.open, BARS.close, rates, rates / 5),
        sweep_kernels.block_table_nb(BARS.close, n_levels),
        sweep_kernels.level_table_nb(len(BARS), n_levels),
    )


@pytest.mark.parametrize("key", RULES)
def test_compiled_sweep_gives_the_bits_of_its_source(key):
    columns = sweep(BARS, key, GRIDS[key]).parameters
    prepared = RULES[key].prepare(BARS, columns)
    compiled, source = np.empty((len(prepared.warm_ups), 8)), np.empty((len(prepared.warm_ups), 8))

    for kernel, out in ((prepared.kernel, compiled), (prepared.kernel.py_func, source)):
        kernel(prepared.shared, *prepared.own, prepared.warm_ups, 0, *tables(), 1e5, out)

    assert np.array_equal(compiled, source, equal_nan=True)


@pytest.mark.parametrize(
    "name", ["edge_table_nb", "block_table_nb", "level_table_nb", "fold_nb", "edges_nb"]
)
def test_compiled_part_gives_the_bits_of_its_source(name):
    rates = np.full(len(BARS), 5e-4)
    edges = np.array([3, 4, 9, 60, 200, 400], dtype=np.int64)
    words = np.array([0b1011, 2**63, 2**63 - 1], dtype=np.uint64)
    arguments = {
        "edge_table_nb": lambda: ((BARS.open, BARS.close, rates, rates / 5), None),
        "block_table_nb": lambda: ((BARS.close, 9), None),
        "level_table_nb": lambda: ((420, 9), None),
        "fold_nb": lambda: fold_arguments(edges),
        "edges_nb": lambda: edge_arguments(words),
    }[name]
    kernel = getattr(sweep_kernels, name)
    answers = []
    for function in (kernel, kernel.py_func):
        given, out = arguments()
        answer = function(*given)
        answers.append(out if out is not None else answer)

    assert np.array_equal(answers[0], answers[1], equal_nan=True)


def fold_arguments(edges):
    out = np.empty(8)
    return (edges, 5, 0, *tables(), 1e5, out), out


def edge_arguments(words):
    out = np.zeros(200, dtype=np.int64)
    return (words, 1, 150, out), out


def test_edges_are_the_changes_of_the_bits():
    is_long = np.random.default_rng(1).random(300) < 0.3
    words = np.packbits(np.append(is_long, np.zeros(20)).astype(bool), bitorder="little")
    edges = np.empty(364, dtype=np.int64)

    n_edges = sweep_kernels.edges_nb(words.view("<u8"), 70, 250, edges)

    inside = np.where(np.arange(300) >= 70, is_long, False)
    expected = np.flatnonzero(np.diff(np.concatenate(([0], inside[:251].astype(int)))))
    assert edges[:n_edges].tolist() == expected.tolist()


def test_table_of_means_is_the_mean_kernel_to_the_bit():
    windows = np.array([1, 2, 50, 420, 421], dtype=np.int64)
    out = np.empty((5, 420))

    sweep_kernels.sma_table_nb(BARS.close, windows, out)

    for row, window in zip(out, windows, strict=True):
        assert np.array_equal(row, kernels.sma_nb(BARS.close, window), equal_nan=True)


@pytest.mark.parametrize(
    ("sign", "kernel"), [(1.0, kernels.rolling_max_nb), (-1.0, kernels.rolling_min_nb)]
)
def test_table_of_extremes_is_the_rolling_kernel_one_bar_later(sign, kernel):
    windows = np.array([1, 2, 3, 7, 8, 9, 64, 100, 419, 420], dtype=np.int64)
    out = np.empty((10, 420))

    sweep_kernels.extreme_table_nb(BARS.close, windows, sign, out)

    for row, window in zip(out, windows, strict=True):
        assert np.array_equal(row[1:], kernel(BARS.close, window)[:-1], equal_nan=True)
        assert np.isnan(row[0])
