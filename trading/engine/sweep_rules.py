"""Rules a sweep can run compiled, said as rows of indicators and rows of bits.

INPUT    bars and one column of values per parameter
OUTPUT   a `Prepared` sweep, whose chunks any thread may run
LOOKBACK each indicator's own; the first bar that may decide has all of them defined

Two forms cover every all-in rule so far: `CrossRule` is long while one row lies above another;
`ConditionRule` goes long when all its conditions hold and flat when another one does or time is up.
Each distinct indicator or condition is computed once and shared by all combinations. A strategy
without a rule here is swept through `backtest.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketdata.types import Bars
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.smoothing import rsi_nb
from trading.engine.sweep_kernels import (
    BitArray,
    condition_sweep_nb,
    cross_sweep_nb,
    extreme_table_nb,
    sma_table_nb,
)

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class SeriesTables:
    """Tables of one series and its costs that every combination reads; see `sweep_kernels`."""

    edge_table: FloatArray
    blocks: FloatArray
    levels: IntArray
    start: int
    cash: float


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A rule with its shared rows.

    Attributes
    ----------
    kernel : callable
        A kernel of `sweep_kernels`.
    shared : array
        Rows that combinations refer to.
    own : tuple of arrays
        One row per combination each, handed to the kernel after `shared`.
    warm_ups : int64, shape (n_combinations,)
        First bar with every row defined.
    """

    kernel: Callable[..., None]
    shared: NDArray[Any]
    own: tuple[NDArray[Any], ...]
    warm_ups: IntArray

    def run(self, few: slice, tables: SeriesTables, out: FloatArray) -> None:
        """Write the figures of some combinations into their rows of ``out``."""
        self.kernel(
            self.shared,
            *(array[few] for array in self.own),
            np.maximum(self.warm_ups[few], tables.start),
            tables.start,
            tables.edge_table,
            tables.blocks,
            tables.levels,
            tables.cash,
            out[few],
        )


class SweepRule(Protocol):
    """What `sweep` asks of a rule."""

    def table_bytes(self, columns: Columns, n_bars: int) -> int:
        """Return about how much memory `prepare` takes."""

    def prepare(self, bars: Bars, columns: Columns) -> Prepared:
        """Compute the shared rows of these combinations."""


@dataclass(frozen=True, slots=True)
class CrossRule:
    """Long while the mean over one parameter's closes lies above the mean over another's."""

    fast: str
    slow: str

    def table_bytes(self, columns: Columns, n_bars: int) -> int:
        """Return the size of one row of means per distinct window."""
        return 8 * n_bars * int(self._windows(columns)[0].shape[0])

    def prepare(self, bars: Bars, columns: Columns) -> Prepared:
        """Compute one row of means per distinct window."""
        windows, inverse = self._windows(columns)
        table = np.empty((windows.shape[0], len(bars)))
        sma_table_nb(bars.close, windows, table)
        rows = np.ascontiguousarray(inverse.reshape(2, -1).T)
        return Prepared(cross_sweep_nb, table, (rows,), windows[rows].max(axis=1) - 1)

    def _windows(self, columns: Columns) -> tuple[IntArray, IntArray]:
        both = np.concatenate([columns[self.fast], columns[self.slow]]).astype(np.int64)
        windows, inverse = np.unique(both, return_inverse=True)
        return windows, inverse


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds or not at each close.

    Attributes
    ----------
    parameters : tuple of str
        What it depends on.
    holds : callable
        From bars and distinct values, shape (n_distinct, n_parameters) in ascending order, to
        booleans, shape (n_distinct, n_bars).
    warm_up : callable
        From the same values to the first bar at which each is defined.
    """

    parameters: tuple[str, ...]
    holds: Callable[[Bars, FloatArray], NDArray[np.bool_]]
    warm_up: Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """Long when every condition of `enter` holds, flat when `leave` does or after `max_bars`."""

    enter: tuple[Condition, ...]
    leave: Condition
    max_bars: str | None = None

    def table_bytes(self, columns: Columns, n_bars: int) -> int:
        """Return the size of a row of indicator values per distinct condition."""
        return (
            8
            * n_bars
            * sum(int(_distinct(condition, columns)[0].shape[0]) for condition in self._conditions)
        )

    def prepare(self, bars: Bars, columns: Columns) -> Prepared:
        """Compute one row of bits per distinct condition."""
        parts, rows, warm_ups, n_rows = [], [], [], 0
        for condition in self._conditions:
            values, inverse = _distinct(condition, columns)
            parts.append(_packed(condition.holds(bars, values)))
            rows.append(inverse + n_rows)
            warm_ups.append(condition.warm_up(values)[inverse])
            n_rows += values.shape[0]
        n_combinations = rows[0].shape[0]
        limits = np.zeros(n_combinations, dtype=np.int64)
        if self.max_bars is not None:
            limits[:] = columns[self.max_bars]
        return Prepared(
            condition_sweep_nb,
            np.concatenate(parts),
            (np.column_stack(rows), limits),
            np.max(warm_ups, axis=0).astype(np.int64),
        )

    @property
    def _conditions(self) -> tuple[Condition, ...]:
        return (*self.enter, self.leave)


def _distinct(condition: Condition, columns: Columns) -> tuple[FloatArray, IntArray]:
    table = np.column_stack([columns[name] for name in condition.parameters])
    values, inverse = np.unique(table, axis=0, return_inverse=True)
    return values, inverse.reshape(-1)


def _packed(holds: NDArray[np.bool_]) -> BitArray:
    """Pack one bit per bar, the first bar lowest, into whole 64-bit words."""
    n_rows, n_bars = holds.shape
    out = np.zeros((n_rows, (n_bars + 63) // 64 * 8), dtype=np.uint8)
    packed = np.packbits(holds, axis=1, bitorder="little")
    out[:, : packed.shape[1]] = packed
    return out.view("<u8").astype(np.uint64, copy=False)


def _means(bars: Bars, windows: FloatArray) -> FloatArray:
    out = np.empty((windows.shape[0], len(bars)))
    sma_table_nb(bars.close, windows.astype(np.int64), out)
    return out


def _rsi_below(bars: Bars, values: FloatArray) -> NDArray[np.bool_]:
    out = np.empty((values.shape[0], len(bars)), dtype=np.bool_)
    for window in np.unique(values[:, 0]):
        is_window = values[:, 0] == window
        out[is_window] = rsi_nb(bars.close, int(window), np.nan) < values[is_window, 1:]
    return out


def _above_trend(bars: Bars, values: FloatArray) -> NDArray[np.bool_]:
    out = np.ones((values.shape[0], len(bars)), dtype=np.bool_)
    is_on = values[:, 0] > 0.0
    out[is_on] = bars.close > _means(bars, values[is_on, 0])
    return out


def _above_channel(bars: Bars, values: FloatArray) -> NDArray[np.bool_]:
    rows = np.empty((values.shape[0], len(bars)))
    extreme_table_nb(bars.high, values[:, 0].astype(np.int64), 1.0, rows)
    return bars.close > rows


def _below_channel(bars: Bars, values: FloatArray) -> NDArray[np.bool_]:
    rows = np.empty((values.shape[0], len(bars)))
    extreme_table_nb(bars.low, values[:, 0].astype(np.int64), -1.0, rows)
    return bars.close < rows


def _mean_warm_up(values: FloatArray) -> FloatArray:
    return values[:, 0] - 1.0


def _channel_warm_up(values: FloatArray) -> FloatArray:
    return values[:, 0]


ABOVE_EXIT_MEAN = Condition(
    ("exit_bars",), lambda bars, values: bars.close > _means(bars, values[:, 0]), _mean_warm_up
)
NOT_ABOVE_EXIT_MEAN = Condition(
    ("exit_bars",), lambda bars, values: bars.close <= _means(bars, values[:, 0]), _mean_warm_up
)

RULES: Mapping[str, SweepRule] = {
    "sma_cross": CrossRule("fast", "slow"),
    "rsi2_reversion": ConditionRule(
        enter=(
            Condition(("rsi_bars", "entry_level"), _rsi_below, _channel_warm_up),
            NOT_ABOVE_EXIT_MEAN,
            Condition(("trend_bars",), _above_trend, _mean_warm_up),
        ),
        leave=ABOVE_EXIT_MEAN,
        max_bars="max_bars",
    ),
    "donchian_breakout": ConditionRule(
        enter=(Condition(("entry_bars",), _above_channel, _channel_warm_up),),
        leave=Condition(("exit_bars",), _below_channel, _channel_warm_up),
    ),
}
