"""Runs whose trades leave by stops, targets and limits, and levels typed by hand."""

from dataclasses import replace

import numpy as np

from trading.engine import null_kernels
from trading.engine.backtest import BacktestConfig, run
from trading.engine.nulls import trades_of_run
from trading.engine.rules import TREND as TREND_KIND
from trading.engine.types import AssetClass
from trading.tests.engine.laws import length
from trading.tests.engine.walks import random_walk

N_BARS = length(700, quick=420)
BARS = random_walk(5, N_BARS, 0.02)
AT_CLOSE = replace(BARS, exec_price="CLOSE")
COSTS = BacktestConfig(slippage_bps=2.0, cost_preset=AssetClass.EQUITY, tick_size=0.01)
TREND = ("volatility_adaptive_trend", {"trail_atr": 2.0, "target_atr.NORMAL": 1.5, "stop_atr": 1.0})
HYBRID = ("hybrid", {"entry_level": 25.0, "max_bars": 3})
CALM = (
    "volatility_adaptive_trend",
    {"stop_atr": 3.0, "holding_bars": 2, "breaker": "on", "breaker_daily_loss": 0.02},
)
LONG = null_kernels.Terms(1.0, TREND_KIND, 1.0, 1.0)


WAYS = ["resting", "close"]


def protected(way, key, params, bars=BARS, config=COSTS):
    return run(bars, key, {"protection": way, **params}, config)


def resting(key, params, bars=BARS, config=COSTS):
    return protected("resting", key, params, bars, config)


def watched(key, params, bars=BARS, config=COSTS):
    return protected("close", key, params, bars, config)


def own_trades(found, bars):
    """Play the trades of a run from its own entries: what its rule ended, ends in time."""
    trades = trades_of_run(found, bars, found.config.costs.slippage_rate)
    starts = np.array([trip.entry_bar for trip in found.round_trips])
    limits = np.where(trades.is_protected, len(bars), trades.lengths)
    return trades.played(starts, limits, np.arange(len(trades)))


def levels_of(close, **given):
    """Levels on bars whose prices are all their closes, but for what is given."""
    none, zero = np.full(close.shape[0], np.nan), np.zeros(close.shape[0])
    plain = null_kernels.Levels(
        close, close, close, close, close, none, none, none, zero, zero,
        np.zeros(close.shape[0], dtype=np.int64), 0.0, 0.0,
        fills_at_close=False, rests=False, keeps_limit=False,
    )  # fmt: skip
    return plain._replace(**given)
