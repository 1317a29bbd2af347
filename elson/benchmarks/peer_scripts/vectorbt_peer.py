"""vectorbt in a process of its own: four figures for many parameter combinations.

Indicator rows are made (or taken) before the clock starts; signals, simulation and figures are
timed. Combinations go in chunks of 100, the fastest of the sizes tried from 50 to 1,000.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt

from elson.benchmarks.peer_scripts.serve import serve

CHUNK = 100
CASH = 100_000.0
STORE: dict[str, Any] = {}


def load(close: str, opened: str, fees: float, engine: str) -> dict[str, Any]:
    """Take the prices and choose the engine ("rust" or "numba")."""
    vbt.settings["engine"] = engine
    STORE.update(close=pd.Series(np.load(close)), opened=np.load(opened)[:, None], fees=fees)
    return {}


def load_means(windows: list[int]) -> dict[str, Any]:
    """Compute vectorbt's own averages, one column per window."""
    STORE["means"] = vbt.MA.run(STORE["close"].to_numpy(), windows).ma.to_numpy()
    STORE["column"] = {window: k for k, window in enumerate(windows)}
    return {}


def load_rows(**rows: str) -> dict[str, Any]:
    """Take tables of indicator rows, shape (n_rows, n_bars), under their names."""
    STORE.update({name: np.ascontiguousarray(np.load(path).T) for name, path in rows.items()})
    return {}


def cross(points: str) -> dict[str, Any]:
    """Sweep moving-average crosses; points are pairs of windows."""
    means, column = STORE["means"], STORE["column"]
    columns = np.vectorize(column.__getitem__)(np.load(points).astype(int))
    began = time.perf_counter()
    parts = []
    for few in chunks(columns):
        is_long = means[:, few[:, 0]] > means[:, few[:, 1]]
        parts.append(figures(is_long, ~is_long))
    return {"seconds": time.perf_counter() - began, "figures": np.concatenate(parts)}


def reversion(points: str) -> dict[str, Any]:
    """Sweep RSI reversions; points are RSI row, entry level, row of the exit mean."""
    began = time.perf_counter()
    parts = []
    close = STORE["close"].to_numpy()[:, None]
    for few in chunks(np.load(points)):
        is_above = close > STORE["exit_mean"][:, few[:, 2].astype(int)]
        is_defined = ~np.isnan(STORE["exit_mean"][:, few[:, 2].astype(int)])
        is_dip = STORE["rsi"][:, few[:, 0].astype(int)] < few[:, 1]
        parts.append(figures(is_dip & ~is_above & is_defined, is_above))
    return {"seconds": time.perf_counter() - began, "figures": np.concatenate(parts)}


def breakout(points: str) -> dict[str, Any]:
    """Sweep channel breakouts; points are rows of the upper and of the lower channel."""
    began = time.perf_counter()
    parts = []
    close = STORE["close"].to_numpy()[:, None]
    for few in chunks(np.load(points).astype(int)):
        upper, lower = STORE["upper"][:, few[:, 0]], STORE["lower"][:, few[:, 1]]
        parts.append(figures((close > upper) & ~np.isnan(lower), close < lower))
    return {"seconds": time.perf_counter() - began, "figures": np.concatenate(parts)}


def chunks(points: np.ndarray) -> list[np.ndarray]:
    """Split the points into pieces vectorbt handles fastest."""
    return [points[at : at + CHUNK] for at in range(0, len(points), CHUNK)]


def figures(entries: np.ndarray, exits: np.ndarray) -> np.ndarray:
    """Trade at the next open with all cash; final equity, orders, drawdown, Sharpe per column."""
    portfolio = vbt.Portfolio.from_signals(
        STORE["close"],
        entries=shifted(entries),
        exits=shifted(exits),
        price=STORE["opened"],
        size=np.inf,
        fees=STORE["fees"],
        init_cash=CASH,
        accumulate=False,
        freq="1D",
    )
    columns = (
        portfolio.final_value(),
        portfolio.orders.count(),
        portfolio.max_drawdown(),
        portfolio.sharpe_ratio(),
    )
    return np.column_stack([np.asarray(column, dtype=float) for column in columns])


def shifted(signals: np.ndarray) -> np.ndarray:
    """Move signals to the bar after the one that gave them."""
    out = np.zeros_like(signals)
    out[1:] = signals[:-1]
    return out


if __name__ == "__main__":
    serve(
        {
            "load": load,
            "load_means": load_means,
            "load_rows": load_rows,
            "cross": cross,
            "reversion": reversion,
            "breakout": breakout,
        }
    )
