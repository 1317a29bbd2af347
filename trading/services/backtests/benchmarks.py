"""What a run is laid beside: holding what it trades, cash, or holding another instrument.

The verdict always compares with holding what was traded, so that no kinder line can be chosen.
"""

from __future__ import annotations

import numpy as np

from elson.common.errors import DomainError
from marketdata.types import Bars, FloatArray
from trading.engine.backtest import BacktestRun
from trading.engine.nulls import charged_rates

CASH = "CASH"


class BenchmarkInvalid(DomainError):
    """The benchmark has no price where the run begins."""


def benchmark_equity(
    run: BacktestRun, choice: str, bars: Bars | None, held: FloatArray
) -> FloatArray:
    """Return the chosen line on the run's bars, beginning with its cash.

    `held` is holding what was traded, taken without a choice. Another instrument is bought at its
    close known at the run's first bar, pays the run's costs once, and is marked at its last close
    known at each bar. Raises BenchmarkInvalid when it has none at the first bar.
    """
    if not choice:
        return held
    cash = float(run.config.cash)
    if choice == CASH or bars is None:
        return np.full(run.equity.shape[0], cash)
    at = np.searchsorted(bars.closed_at, run.closed_at, side="right") - 1
    if at[0] < 0:
        raise BenchmarkInvalid(
            "BENCHMARK_INVALID",
            f"Benchmark {choice} has no bar at or before the first bar of the run.",
            field="benchmark",
        )
    rates, worse = charged_rates(run.config.costs, run.costs, run.regime_codes[:1])
    closes = bars.close[at]
    paid = (1.0 + float(rates[0])) * (1.0 + worse)
    equity: FloatArray = cash * closes / (float(closes[0]) * paid)
    equity[0] = cash
    return equity
