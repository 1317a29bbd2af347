"""The backtest equals vectorbt, its two paths equal each other, and bad requests are refused."""

import json
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, curve_of, run
from trading.engine.costs import CostModel
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.strategies import STRATEGIES
from trading.engine.types import AssetClass, OrderStatus
from trading.tests.engine.laws import BEYOND_REACH, some, stepping
from trading.tests.engine.walks import random_walk, tape

# vectorbt 1.2.0 on seeded random walks: docs/research/vectorbt_equality.py --golden wrote it.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "vectorbt.json").read_text())
SIMPLE = ["donchian_breakout", "rsi2_reversion", "sma_cross"]
BARS = random_walk(12, 420)
COSTLY = {"cost_model": CostModel(5.0, 3.0, AssetClass.EQUITY, preset_slippage=1.0)}


@pytest.mark.parametrize("key", SIMPLE)
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_backtest_equals_vectorbt(key, seed):
    rows = [row for row in GOLDEN if (row["strategy"], row["seed"]) == (key, seed)]
    bars = random_walk(seed, 600)

    for row in rows:
        config = BacktestConfig(
            commission_bps=row["commission_bps"], slippage_bps=row["slippage_bps"]
        )
        result = run(bars, key, row["params"], config)
        assert len(result.orders) == row["orders"]
        assert result.final_equity == pytest.approx(row["final_equity"], rel=1e-9)
        assert result.metrics["max_drawdown"] == pytest.approx(row["max_drawdown"], rel=1e-9)


# Every rule, cost and start in the quick suite, every combination in the whole one.
@pytest.mark.parametrize(
    ("key", "costs", "start_index"), some(list(product(SIMPLE, [{}, COSTLY], [0, 100])), 3)
)
def test_compiled_path_equals_the_stepped_path(key, costs, start_index):
    config = BacktestConfig(start_index=start_index, **costs)

    fast, stepped = run(BARS, key, {}, config), run(BARS, key, {}, stepping(config))

    assert [f.bar for f in fast.fills] == [f.bar for f in stepped.fills]
    np.testing.assert_allclose(fast.equity, stepped.equity, rtol=1e-12)
    np.testing.assert_allclose(
        [t.pnl for t in fast.round_trips], [t.pnl for t in stepped.round_trips], rtol=1e-9
    )
    assert [t.regime for t in fast.round_trips] == [t.regime for t in stepped.round_trips]


@pytest.mark.parametrize("key", SIMPLE)
def test_the_compiled_path_ends_in_the_state_of_the_step(key):
    for n_bars in (250, 300, len(BARS)):
        bars = BARS.slice(0, n_bars)

        fast = run(bars, key)
        stepped = run(bars, key, {}, stepping(BacktestConfig()))

        assert fast.final_state.to_dict() == pytest.approx(stepped.final_state.to_dict(), abs=1e-9)


@pytest.mark.parametrize("key", sorted(STRATEGIES))
def test_cash_and_position_explain_equity_at_every_bar(key):
    result = run(BARS, key, {}, BacktestConfig(quantity_step=1.0, **COSTLY))

    rebuilt = result.cash + result.quantity * BARS.close
    np.testing.assert_allclose(result.equity, rebuilt, rtol=1e-12)
    flows = sum(fill.cash_flow for fill in result.fills)
    assert result.cash[-1] == pytest.approx(100_000.0 + flows)
    assert (result.drawdown <= 0.0).all()
    assert (result.cash >= -1e-6).all()


@pytest.mark.parametrize("key", sorted(STRATEGIES))
def test_regime_rows_add_up_to_the_run(key):
    result = run(BARS, key, {}, BacktestConfig(**COSTLY))

    for table in (result.by_regime, result.by_absolute_regime):
        assert sum(row["n"] for row in table.values()) == len(result.round_trips)
        assert sum(row["time_share"] for row in table.values()) == pytest.approx(1.0)
        total = sum(trip.pnl for trip in result.round_trips)
        assert sum(row["pnl"] for row in table.values()) == pytest.approx(total)


@pytest.mark.parametrize("key", sorted(STRATEGIES))
def test_same_request_gives_the_same_numbers(key):
    once, again = (run(BARS, key, {}, BacktestConfig(**COSTLY)) for _ in range(2))

    assert once.fills == again.fills
    assert np.array_equal(once.equity, again.equity)


def test_open_position_is_marked_at_the_last_close_and_no_round_trip():
    rows = [(10.0, 10.0, 10.0, 10.0)] * 2 + [(11.0, 11.0, 11.0, 11.0), (12.0, 15.0, 12.0, 15.0)]

    result = run(tape(rows), "sma_cross", {"fast": 1, "slow": 2}, BacktestConfig(cash=120.0))

    assert result.final_equity == 150.0
    assert result.round_trips == ()
    assert result.final_state.quantity == 10.0
    assert result.orders[0].status is OrderStatus.FILLED


def test_close_only_series_trade_at_the_next_close():
    rows = [(10.0, 10.0, 10.0, 10.0)] * 2 + [(11.0, 11.0, 11.0, 11.0), (12.0, 15.0, 12.0, 15.0)]
    opened = tape(rows)
    bars = type(opened)(
        "T",
        "1d",
        opened.closed_at,
        opened.open,
        opened.high,
        opened.low,
        opened.close,
        opened.volume,
        exec_price="CLOSE",
    )

    assert run(bars, "sma_cross", {"fast": 1, "slow": 2}).fills[0].price == 15.0


def test_whole_units_leave_cash_over():
    result = run(BARS, "sma_cross", {}, BacktestConfig(cash=1_000.0, quantity_step=1.0))

    assert all(fill.quantity == int(fill.quantity) for fill in result.fills)
    assert result.cash[result.quantity > 0].min() > 0.0


def test_start_index_trades_nothing_before_it():
    result = run(BARS, "rsi2_reversion", {}, BacktestConfig(start_index=300))

    assert min(fill.bar for fill in result.fills) > 300
    assert result.equity.shape == (len(BARS) - 300,)
    assert result.first_bar == 300


def test_progress_is_reported_and_may_cancel():
    def cancel(phase, share):
        if phase == "Simulating" and share > 0.3:
            raise InterruptedError(phase)

    config = BacktestConfig(progress=cancel, keeps_decisions=True)

    with pytest.raises(InterruptedError, match="Simulating"):
        run(BARS, "sma_cross", {}, config)


def test_progress_never_falls_within_a_phase():
    seen = []
    config = BacktestConfig(
        progress=lambda phase, share: seen.append((phase, share)), keeps_decisions=True
    )

    run(BARS, "sma_cross", {}, config)

    phases = list(dict.fromkeys(phase for phase, _ in seen))
    assert phases == ["Warm-up", "Simulating", "Statistics"]
    shares = [share for phase, share in seen if phase == "Simulating"]
    assert shares == sorted(shares)


def test_equity_is_shown_bar_by_bar_as_it_ends_up():
    seen = []

    def observe(closed_at, equity_at):
        at = np.arange(closed_at.shape[0])
        seen.append((closed_at.copy(), equity_at(at)))

    result = run(BARS, "sma_cross", {}, BacktestConfig(observe=observe, keeps_decisions=True))

    assert len(seen) >= 2
    for closed_at, equity in seen:
        n = closed_at.shape[0] - result.first_bar
        assert np.array_equal(closed_at, BARS.closed_at[: closed_at.shape[0]])
        assert np.array_equal(equity[result.first_bar :], result.equity[: max(n, 0)])


def test_constant_price_trades_nothing_and_has_no_ratio():
    result = run(tape([(5.0, 5.0, 5.0, 5.0)] * 300), "rsi2_reversion", {"entry_level": 0.5})

    assert math.isnan(result.metrics["sharpe_ratio"]) or not result.fills
    assert result.final_equity == pytest.approx(100_000.0)


@pytest.mark.parametrize(
    ("n_bars", "start_index", "words"),
    [
        (1, 0, "1 bars from start_index 0 leave 1; a backtest needs at least 2"),
        (100, 99, "leave 1"),
        (100, 500, "leave 0"),
        (30, 0, "sma_cross needs 49 bars of warm-up with these parameters, found 30 bars"),
    ],
)
def test_too_few_bars_are_refused_with_the_numbers(n_bars, start_index, words):
    with pytest.raises(InsufficientBars, match=words):
        run(BARS.slice(0, n_bars), "sma_cross", {}, BacktestConfig(start_index=start_index))


@pytest.mark.parametrize(
    "settings",
    [{"cash": 0.0}, {"cash": math.nan}, {"quantity_step": -1.0}, {"start_index": -1}],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ConfigInvalid, match=next(iter(settings))):
        BacktestConfig(**settings)


def test_a_regime_dependent_cost_is_charged_by_the_signal_bar():
    result = run(BARS, "sma_cross", {"fast": 2, "slow": 5}, BacktestConfig(**COSTLY))

    for fill, signal in zip(result.fills, result.signal_bars, strict=True):
        rate = result.config.costs.commission_rate(int(result.regime_codes[signal]))
        assert fill.commission == pytest.approx(fill.notional * rate, rel=1e-9)


CHARGED = {
    "plain": BacktestConfig(commission_bps=3.0, start_index=60),
    "whole units": BacktestConfig(cost_preset=AssetClass.EQUITY, quantity_step=1.0),
    "orders by size": BacktestConfig(cost_model=CostModel(impact=0.5), max_participation=1e-6),
    "bar by bar": BacktestConfig(commission_bps=3.0, limits=BEYOND_REACH),
}


@pytest.mark.parametrize(("key", "name"), some(list(product(STRATEGIES, CHARGED)), 3))
def test_the_curve_of_a_search_is_that_of_the_run_with_as_many_trades(key, name):
    bars = random_walk(41, 480, 0.02)
    spec, config = STRATEGIES[key], CHARGED[name]

    curve, found = curve_of(bars, spec, {}, config), run(bars, key, {}, config)

    assert np.array_equal(curve.equity, found.equity)
    assert curve.n_round_trips == len(found.round_trips) > 0
    assert curve.n_wins == sum(trip.pnl > 0.0 for trip in found.round_trips)
