"""One bar at a time gives what the whole series gives."""

import numpy as np
import pytest

from trading.engine import online
from trading.engine.backtest import BacktestConfig, run
from trading.engine.costs import CostModel
from trading.engine.positions import fill_nb
from trading.engine.strategies import resolve_params, strategy_get
from trading.engine.types import AssetClass
from trading.tests.engine.walks import random_walk

SPEC = strategy_get("volatility_adaptive_trend")
BARS = random_walk(41, 700, 0.008)
COSTS = CostModel(5.0, 2.0, AssetClass.EQUITY)
VARIANTS = [{}, {"breaker": "off"}, {"trail_atr": 3.0, "blend_bars": 3, "blend_share": 0.25}]


def replay(params):
    """Feed the bars one by one; return fills and the features after each bar."""
    live = online.online_trend(
        params, bars_per_year=BARS.bars_per_year, cash=100_000.0, costs=COSTS, quantity_step=1.0
    )
    fills, features, delta, rate = [], [], 0.0, 0.0
    for i in range(len(BARS)):
        if delta:
            cash, opened = float(live.cells.memory[0]), float(BARS.open[i])
            slippage = COSTS.slippage_rate
            quantity, price, fee = fill_nb(delta, cash, opened, rate, slippage, 1.0, False)
            if quantity:
                live.book(quantity, price, fee)
                fills.append((i, quantity, price, fee))
        bar = (float(BARS.high[i]), float(BARS.low[i]), float(BARS.close[i]))
        delta = live.step(int(BARS.closed_at[i]), *bar)
        features.append(live.cells.carried.copy())
        rate = COSTS.commission_rate(int(live.cells.carried[online.CODE]))
    return fills, np.array(features)


@pytest.mark.parametrize("extra", VARIANTS)
def test_the_incremental_step_trades_as_the_backtest(extra):
    params = resolve_params(SPEC, extra)
    config = BacktestConfig(
        commission_bps=5.0, slippage_bps=2.0, cost_preset=AssetClass.EQUITY, quantity_step=1.0
    )

    fills, _ = replay(params)

    result = run(BARS, SPEC, extra, config)
    expected = [(f.bar, f.signed_quantity, f.price, f.commission) for f in result.fills]
    assert len(fills) > 50
    np.testing.assert_allclose(fills, expected, rtol=1e-9)


def test_incremental_features_equal_the_batch():
    params = resolve_params(SPEC, {"blend_bars": 3, "blend_share": 0.25})
    batch = SPEC.prepare(BARS, params)

    _, found = replay(params)

    for cell, expected in (
        (online.TREND_MEAN, batch.arrays["trend_mean"]),
        (online.EXIT_MEAN, batch.arrays["exit_mean"]),
        (online.ATR, batch.arrays["atr"]),
        (online.RSI, batch.arrays["rsi"]),
        (online.VOLATILITY, batch.regimes.volatility),
        (online.PERCENTILE, batch.regimes.percentile),
        (online.HELD_CODE, batch.regimes.settled_codes.astype(float)),
    ):
        known = slice(batch.first, None)
        np.testing.assert_allclose(found[known, cell], expected[known], rtol=1e-9)
