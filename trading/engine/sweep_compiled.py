"""Run the combinations of a compiled rule in chunks over threads.

INPUT    bars, a rule, one column per parameter, a `BacktestConfig`
OUTPUT   float64 table, one row of `sweep_kernels.COLUMNS` per combination
LOOKBACK the rule's own

Memory stays bounded: combinations are split until the indicator rows of each part fit
`MAX_TABLE_BYTES`, and the block tables of long series stop at `MAX_BLOCK_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig
from trading.engine.costs import commission_rates, price_rates
from trading.engine.errors import InsufficientBars
from trading.engine.kernels import FloatArray
from trading.engine.regimes import regimes_of
from trading.engine.sweep_kernels import COLUMNS, block_table_nb, edge_table_nb, level_table_nb
from trading.engine.sweep_rules import Columns, Prepared, SeriesTables, SweepRule

MAX_TABLE_BYTES = 64 * 2**20
MAX_BLOCK_BYTES = 64 * 2**20
COMBINATIONS_PER_CHUNK = 250


def compiled_figures(
    bars: Bars, rule: SweepRule, columns: Columns, config: BacktestConfig, n_threads: int
) -> FloatArray:
    """Return the figures of every combination.

    Parameters
    ----------
    bars : Bars
        Longer than the longest warm-up.
    rule : SweepRule
        What to run.
    columns : mapping
        Parameter names to columns of equal length.
    config : BacktestConfig
        Costs, cash and start; `progress` is called after each chunk and may raise to cancel.
    n_threads : int
        >= 1.

    Returns
    -------
    float64, shape (n_combinations, len(COLUMNS))
        The same for any number of threads.

    Raises
    ------
    InsufficientBars
        If a combination's warm-up leaves no bar.
    """
    tables = _tables(bars, config)
    n_combinations = next(iter(columns.values())).shape[0]
    out = np.empty((n_combinations, len(COLUMNS)))
    with ThreadPoolExecutor(n_threads) as threads:
        for part in _parts(rule, columns, len(bars), 0, n_combinations):
            prepared = rule.prepare(bars, {name: column[part] for name, column in columns.items()})
            _check_warm_up(prepared, len(bars))
            waiting = [
                threads.submit(prepared.run, few, tables, out[part])
                for few in _chunks(part.stop - part.start)
            ]
            try:
                for number, future in enumerate(waiting, start=1):
                    future.result()
                    if config.progress is not None:
                        done = min(part.start + number * COMBINATIONS_PER_CHUNK, part.stop)
                        config.progress("Sweeping", done / n_combinations)
            except BaseException:
                for future in waiting:
                    future.cancel()
                raise
    return out


def _tables(bars: Bars, config: BacktestConfig) -> SeriesTables:
    n_bars = len(bars)
    costs = config.costs
    codes = np.full(n_bars, -1, dtype=np.int64)
    if costs.preset is not None:
        codes = regimes_of(bars).codes
    rates = commission_rates(costs, codes)
    worse = price_rates(costs, codes, bars.high, bars.low, bars.close)
    n_levels = max(1, min(n_bars.bit_length(), MAX_BLOCK_BYTES // (24 * n_bars)))
    return SeriesTables(
        edge_table=edge_table_nb(bars.exec_prices, bars.close, rates, worse),
        blocks=block_table_nb(bars.close, n_levels),
        levels=level_table_nb(n_bars, n_levels),
        start=config.start_index,
        cash=float(config.cash),
    )


def _chunks(n_combinations: int) -> Iterator[slice]:
    for at in range(0, n_combinations, COMBINATIONS_PER_CHUNK):
        yield slice(at, at + COMBINATIONS_PER_CHUNK)


def _check_warm_up(prepared: Prepared, n_bars: int) -> None:
    longest = int(prepared.warm_ups.max())
    if longest >= n_bars:
        raise InsufficientBars(
            f"the slowest of these parameters needs {longest} bars of warm-up, found {n_bars} bars"
        )


def _parts(rule: SweepRule, columns: Columns, n_bars: int, begin: int, end: int) -> Iterator[slice]:
    """Halve the combinations until the table of each part fits its limit."""
    part = {name: column[begin:end] for name, column in columns.items()}
    if end - begin == 1 or rule.table_bytes(part, n_bars) <= MAX_TABLE_BYTES:
        yield slice(begin, end)
        return
    middle = (begin + end) // 2
    yield from _parts(rule, columns, n_bars, begin, middle)
    yield from _parts(rule, columns, n_bars, middle, end)
