"""raptorbt in a process of its own: its batch call uses as many threads as there are cores."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import raptorbt

from elson.benchmarks.peer_scripts.serve import serve

CHUNK = 200
DAYS_PER_YEAR = 252.0
STORE: dict[str, Any] = {}


def load(fees: float, **columns: str) -> dict[str, Any]:
    """Take the bars: opened, high, low, close, volume, closed_at."""
    STORE.update({name: np.load(path) for name, path in columns.items()})
    STORE["config"] = raptorbt.BacktestConfig(
        initial_capital=100_000.0,
        fees=fees,
        slippage=0.0,
        fill_timing="next_bar_open",
        periods_per_year=DAYS_PER_YEAR,
    )
    return {}


def load_means(means: str) -> dict[str, Any]:
    """Take the averages, shape (n_windows, n_bars)."""
    STORE["means"] = np.load(means)
    return {}


def cross(points: str) -> dict[str, Any]:
    """Sweep moving-average crosses; points are pairs of rows."""
    rows, means = np.load(points).astype(int), STORE["means"]
    began = time.perf_counter()
    parts = []
    for at in range(0, len(rows), CHUNK):
        few = rows[at : at + CHUNK]
        items = []
        for number, (fast, slow) in enumerate(few):
            is_long = means[fast] > means[slow]
            items.append(raptorbt.BatchSingleItem(str(number), is_long, ~is_long))
        results = raptorbt.batch_single_backtest(
            STORE["closed_at"],
            STORE["opened"],
            STORE["high"],
            STORE["low"],
            STORE["close"],
            STORE["volume"],
            items,
            config=STORE["config"],
        )
        parts.append(np.array([figures(result.metrics) for _, result in results]))
    return {"seconds": time.perf_counter() - began, "figures": np.concatenate(parts)}


def figures(metrics: Any) -> tuple[float, float, float, float]:
    """Return final equity, orders, drawdown, Sharpe ratio."""
    n_orders = 2 * metrics.total_closed_trades + metrics.total_open_trades
    return metrics.end_value, n_orders, -metrics.max_drawdown_pct / 100.0, metrics.sharpe_ratio


if __name__ == "__main__":
    serve({"load": load, "load_means": load_means, "cross": cross})
