"""Replay a strategy over history with the same step the live runner uses.

INPUT    bars, a strategy with parameters, a `BacktestConfig`
OUTPUT   a `BacktestRun`: orders, fills, round trips, equity, regimes, figures
LOOKBACK the strategy's own; an order decided on bar i meets the prices of bar i + 1

The names below live in one module each: `config`, `result`, `paths`, `replay`.
"""

from trading.engine.backtest.config import BacktestConfig, Progress
from trading.engine.backtest.paths import has_plain_table, is_compiled, reads_table, runs_compiled
from trading.engine.backtest.replay import Curve, curve_of, decisions_at, equity_of, run
from trading.engine.backtest.result import BacktestRun

__all__ = [
    "BacktestConfig",
    "BacktestRun",
    "Curve",
    "Progress",
    "curve_of",
    "decisions_at",
    "equity_of",
    "has_plain_table",
    "is_compiled",
    "reads_table",
    "run",
    "runs_compiled",
]
