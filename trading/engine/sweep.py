"""Run one strategy with thousands of parameter combinations over one series.

INPUT    bars, a strategy, a grid or a list of parameter points, a `BacktestConfig`
OUTPUT   a `SweepResult`: one column per figure, one row per combination
LOOKBACK the strategy's own; an order decided on bar i meets the prices of bar i + 1

All-in rules with an entry in `sweep_rules.RULES` run compiled, a few microseconds a combination,
with orders equal to those of `backtest.run` and figures equal to rounding; everything else goes
through `backtest.run` itself, one combination at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig, run, runs_compiled
from trading.engine.errors import (
    ConfigInvalid,
    GridTooLarge,
    InsufficientBars,
    ParameterInvalid,
)
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.strategies import StrategySpec, strategy_get
from trading.engine.strategies.base import CHOICE, INT, parameter_convert
from trading.engine.sweep_compiled import compiled_figures
from trading.engine.sweep_kernels import COLUMNS
from trading.engine.sweep_rules import RULES, Columns

MAX_COMBINATIONS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """Figures of every combination; all columns have one float64 per combination.

    Attributes
    ----------
    strategy_key : str
        Which strategy.
    parameters : mapping
        Every parameter's column, defaults included.
    final_equity : currency
        At the last close.
    n_orders, n_round_trips, n_wins : counts
        Filled orders; completed trades; those with a gain after costs.
    max_drawdown : fraction
        In [-1, 0], starting capital counted as a peak.
    sharpe_ratio : ratio
        Annualized as `metrics.sharpe_ratio`; NaN without any variation.
    gross_profit, gross_loss : currency
        Sum of winning (>= 0) and of losing (<= 0) trades.
    cash : float
        Starting capital.
    is_compiled : bool
        Whether the compiled sweep ran it.
    n_skipped : int
        Combinations of the grid that the strategy refuses, for example two equal averages.
    """

    strategy_key: str
    parameters: Columns
    final_equity: FloatArray
    n_orders: FloatArray
    max_drawdown: FloatArray
    sharpe_ratio: FloatArray
    n_round_trips: FloatArray
    n_wins: FloatArray
    gross_profit: FloatArray
    gross_loss: FloatArray
    cash: float
    is_compiled: bool
    n_skipped: int = 0

    def __len__(self) -> int:
        """Return how many combinations there are."""
        return int(self.final_equity.shape[0])

    @property
    def total_return(self) -> FloatArray:
        """Return the gain over the starting capital, as fractions."""
        return self.final_equity / self.cash - 1.0

    @property
    def win_rate(self) -> FloatArray:
        """Return the share of winning trades; NaN without a trade."""
        with np.errstate(invalid="ignore"):
            return self.n_wins / self.n_round_trips

    @property
    def profit_factor(self) -> FloatArray:
        """Return gross profit over gross loss; infinite without a loss, NaN without a trade."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.gross_profit / np.abs(self.gross_loss)

    def ranking(self, column: str) -> IntArray:
        """Return the rows from a column's highest value to its lowest, NaN last, ties in order.

        Examples
        --------
        >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
        >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
        >>> sweep(bars, "sma_cross", {"fast": [1], "slow": [2, 3]}).ranking("final_equity")
        array([0, 1])
        """
        return np.argsort(-getattr(self, column), kind="stable").astype(np.int64)


def sweep(
    bars: Bars,
    strategy_key: str,
    grid: Mapping[str, Sequence[object]],
    config: BacktestConfig | None = None,
    *,
    n_threads: int = 1,
    max_combinations: int = MAX_COMBINATIONS,
) -> SweepResult:
    """Run every combination of the given values, the last parameter fastest.

    Parameters
    ----------
    bars : Bars
        Longer than the longest warm-up.
    strategy_key : str
        A key of `strategies.STRATEGIES`.
    grid : mapping
        Parameter names to the values to try; missing parameters keep their default. Combinations
        that the strategy's own check refuses are left out and counted in `n_skipped`.
    config : BacktestConfig or None
        As for `backtest.run`; its `progress` is called between chunks and may raise to cancel.
    n_threads : int
        Threads of this process to use, >= 1.
    max_combinations : int
        Refuse larger grids.

    Returns
    -------
    SweepResult
        Deterministic, whatever the number of threads.

    Raises
    ------
    UnknownStrategy, ParameterInvalid, ConfigInvalid
        For a wrong request; nothing has run then.
    GridTooLarge
        With the numbers, before any memory is taken.
    InsufficientBars
        If a combination's warm-up leaves no bar.

    Examples
    --------
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> grid = {"fast": [1, 2], "slow": [2, 3]}
    >>> result = sweep(bars, "sma_cross", grid, BacktestConfig(cash=100.0))
    >>> result.parameters["fast"].tolist(), result.parameters["slow"].tolist(), result.n_skipped
    ([1.0, 1.0, 2.0], [2.0, 3.0, 3.0], 1)
    >>> result.final_equity.tolist()
    [50.0, 25.0, 25.0]
    """
    spec = strategy_get(strategy_key)
    _refuse_huge(grid, max_combinations)
    axes = {name: _converted(spec, name, values) for name, values in grid.items()}
    sizes = [axis.shape[0] for axis in axes.values()]
    indices = np.indices(sizes, dtype=np.int32).reshape(len(sizes), math.prod(sizes))
    points = {name: axis[index] for (name, axis), index in zip(axes.items(), indices, strict=True)}
    columns = _completed(spec, points, math.prod(sizes))
    accepted = np.flatnonzero([not message for message in _refusals(spec, columns)])
    n_refused = math.prod(sizes) - accepted.shape[0]
    if accepted.shape[0] == 0:
        raise ParameterInvalid(f"{spec.key} refuses all {n_refused:,} combinations")
    if n_refused:
        columns = {name: column[accepted] for name, column in columns.items()}
    return _run(bars, spec, columns, config, n_threads, n_refused)


def sweep_points(
    bars: Bars,
    strategy_key: str,
    points: Mapping[str, ArrayLike],
    config: BacktestConfig | None = None,
    *,
    n_threads: int = 1,
) -> SweepResult:
    """Run the combinations given row by row, one column per parameter.

    Parameters
    ----------
    bars, strategy_key, config, n_threads
        As for `sweep`.
    points : mapping
        Parameter names to columns of equal length, >= 1; missing parameters keep their default.

    Returns
    -------
    SweepResult
        In the order given.

    Raises
    ------
    UnknownStrategy, ParameterInvalid, ConfigInvalid, InsufficientBars
        As for `sweep`; a row that the strategy's own check refuses raises.

    Examples
    --------
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = Bars("X", "1d", np.arange(8), price, price, price, price, np.zeros(8))
    >>> sweep_points(bars, "sma_cross", {"fast": [1, 2], "slow": [2, 3]}).n_orders.tolist()
    [2.0, 2.0]
    """
    spec = strategy_get(strategy_key)
    if not points:
        raise ParameterInvalid("there are no points; give at least one parameter with values")
    converted = {name: _converted(spec, name, values) for name, values in points.items()}
    lengths = {name: column.shape[0] for name, column in converted.items()}
    if len(set(lengths.values())) != 1:
        raise ParameterInvalid(f"columns of points differ in length: {lengths}")
    columns = _completed(spec, converted, next(iter(lengths.values())))
    for row, message in enumerate(_refusals(spec, columns)):
        if message:
            raise ParameterInvalid(f"point {row}: {message}")
    return _run(bars, spec, columns, config, n_threads, 0)


def _refuse_huge(grid: Mapping[str, Sequence[object]], max_combinations: int) -> None:
    if not grid:
        raise ParameterInvalid("the grid is empty; give at least one parameter with values")
    n_combinations = math.prod(len(values) for values in grid.values())
    if n_combinations > max_combinations:
        sizes = " × ".join(f"{name} {len(values):,}" for name, values in grid.items())
        raise GridTooLarge(
            f"{n_combinations:,} combinations ({sizes}) are more than the {max_combinations:,} "
            "allowed"
        )


def _converted(spec: StrategySpec, name: str, values: Any) -> NDArray[Any]:
    """Convert and check each distinct value once; numbers become float64, choices text."""
    known = {parameter.key: parameter for parameter in spec.parameters}
    if name not in known:
        raise ParameterInvalid(
            f"{spec.key} has no parameter {name!r}; it has {', '.join(sorted(known))}"
        )
    given = np.asarray(values)
    if given.ndim != 1 or given.shape[0] == 0:
        raise ParameterInvalid(f"parameter {name} of {spec.key} needs a list of at least one value")
    distinct, inverse = np.unique(given, return_inverse=True)
    kind = str if known[name].kind == CHOICE else np.float64
    converted = [parameter_convert(spec.key, known[name], value.item()) for value in distinct]
    return np.array(converted, dtype=kind)[inverse]


def _completed(
    spec: StrategySpec, points: Mapping[str, NDArray[Any]], n_combinations: int
) -> dict[str, NDArray[Any]]:
    return {
        name: points[name] if name in points else np.full(n_combinations, default)
        for name, default in spec.defaults.items()
    }


def _plain(spec: StrategySpec, columns: Columns) -> dict[str, list[Any]]:
    """Return the columns as lists of the kinds that `resolve_params` gives."""
    return {
        parameter.key: columns[parameter.key].astype(np.int64).tolist()
        if parameter.kind == INT
        else columns[parameter.key].tolist()
        for parameter in spec.parameters
    }


def _refusals(spec: StrategySpec, columns: Columns) -> list[str]:
    """Say for each combination why the strategy refuses it, or nothing."""
    lists = _plain(spec, columns)
    n_combinations = len(next(iter(lists.values())))
    messages = [""] * n_combinations
    if spec.check is None:
        return messages
    # Of one set of values only those that vary are renewed: thousands of checks in milliseconds.
    params = {name: values[0] for name, values in lists.items()}
    varying = [name for name in lists if (columns[name] != columns[name][0]).any()]
    rows = (
        zip(*(lists[name] for name in varying), strict=True) if varying else [()] * n_combinations
    )
    for row, values in enumerate(rows):
        params.update(zip(varying, values, strict=True))
        try:
            spec.check(params)
        except ParameterInvalid as error:
            messages[row] = str(error)
    return messages


def _run(
    bars: Bars,
    spec: StrategySpec,
    columns: Columns,
    config: BacktestConfig | None,
    n_threads: int,
    n_skipped: int,
) -> SweepResult:
    config = config or BacktestConfig()
    if n_threads < 1:
        raise ConfigInvalid(f"n_threads {n_threads} must be at least 1")
    if len(bars) - config.start_index < 2:
        raise InsufficientBars(
            f"{bars.symbol}: {len(bars)} bars from start_index {config.start_index} leave "
            f"{max(len(bars) - config.start_index, 0)}; a sweep needs at least 2"
        )
    rule = RULES.get(spec.key)
    sizings = np.unique(columns["sizing"]) if "sizing" in columns else ()
    is_compiled = rule is not None and all(
        runs_compiled(spec, {"sizing": str(sizing)}, config) for sizing in sizings
    )
    if is_compiled and rule is not None:
        table = compiled_figures(bars, rule, columns, config, n_threads)
    else:
        table = _one_by_one(bars, spec, columns, config)
    figures = {name: table[:, k].copy() for k, name in enumerate(COLUMNS)}
    sharpe = figures.pop("sharpe_per_bar") * math.sqrt(bars.bars_per_year)
    return SweepResult(
        strategy_key=spec.key,
        parameters=columns,
        sharpe_ratio=sharpe,
        cash=config.cash,
        is_compiled=is_compiled,
        n_skipped=n_skipped,
        **figures,
    )


def _one_by_one(
    bars: Bars, spec: StrategySpec, columns: Columns, config: BacktestConfig
) -> FloatArray:
    n_combinations = next(iter(columns.values())).shape[0]
    out = np.empty((n_combinations, len(COLUMNS)))
    lists = _plain(spec, columns)
    for row, values in enumerate(zip(*lists.values(), strict=True)):
        result = run(bars, spec.key, dict(zip(lists, values, strict=True)), config)
        pnls = [trip.pnl for trip in result.round_trips]
        out[row] = (
            result.final_equity,
            len(result.orders),
            result.metrics["max_drawdown"],
            result.metrics["sharpe_ratio"] / math.sqrt(bars.bars_per_year),
            len(pnls),
            sum(pnl > 0.0 for pnl in pnls),
            sum(pnl for pnl in pnls if pnl > 0.0),
            sum(pnl for pnl in pnls if pnl <= 0.0),
        )
    return out
