"""Compare the four figures of a sweep: final equity, orders, drawdown, Sharpe ratio."""

from __future__ import annotations

import numpy as np

from elson.benchmarks.harness import ResultsDiffer
from trading.engine.kernels import FloatArray
from trading.engine.sweep import SweepResult

TOLERANCE = 1e-9
NAMES = ("final equity", "orders", "max drawdown", "Sharpe ratio")


def sweep_figures(result: SweepResult) -> FloatArray:
    """Return the four columns of our sweep."""
    columns = (result.final_equity, result.n_orders, result.max_drawdown, result.sharpe_ratio)
    return np.column_stack(columns)


def figures_check(
    ours: FloatArray, theirs: FloatArray, label: str, *, sharpe_years: float = 1.0
) -> None:
    """Refuse any order more or less and any figure off by more than 1e-9 of itself.

    `sharpe_years` turns the peer's year into ours: the peer's Sharpe ratio is multiplied by it.
    """
    if ours.shape != theirs.shape:
        raise ResultsDiffer(f"{label} has {theirs.shape[0]} results, Elson {ours.shape[0]}")
    scaled = theirs * np.array([1.0, 1.0, 1.0, sharpe_years])
    limits = np.abs(scaled) * np.array([TOLERANCE, 0.0, TOLERANCE, TOLERANCE])
    # Without an order there is no ratio: ours is NaN, vectorbt's infinite.
    is_undefined = np.zeros(ours.shape, dtype=np.bool_)
    is_undefined[:, 3] = (ours[:, 1] == 0.0) & np.isnan(ours[:, 3])
    # The Sharpe ratio of a path near zero return is a difference of nearly equal numbers.
    limits[:, 3] += 1e-12
    is_off = ~(np.abs(ours - scaled) <= limits) & ~is_undefined
    if is_off.any():
        row, column = np.argwhere(is_off)[0]
        raise ResultsDiffer(
            f"{label} differs in {NAMES[column]} of combination {row}: "
            f"{scaled[row, column]!r}, Elson {ours[row, column]!r} ({int(is_off.sum())} differ)"
        )
