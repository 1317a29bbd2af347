"""Quick sweeps over stored bars: run a grid, keep the best rows, count every combination."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from elson.common.errors import DomainError
from marketdata.selectors import bars_hash, instrument_get
from trading.engine.backtest import BacktestConfig, Progress
from trading.engine.sweep import MAX_COMBINATIONS, SweepResult, sweep
from trading.models import ParameterSweep
from trading.services.backtests.loading import bars_stored

if TYPE_CHECKING:
    from accounts.models import User

RANKINGS = ("sharpe_ratio", "final_equity", "profit_factor", "max_drawdown")
MOST_KEPT = 1_000


class SweepInvalid(DomainError):
    """A sweep asks for something that cannot be ranked or kept."""

    title = "The sweep cannot be run"


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to sweep; grid values as for `trading.engine.sweep.sweep`."""

    strategy_key: str
    symbol: str
    timeframe: str
    grid: Mapping[str, Sequence[Any]]
    cash: Decimal = Decimal(100_000)
    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    start: dt.date | None = None
    end: dt.date | None = None
    ranked_by: str = "sharpe_ratio"
    n_best: int = 50
    n_threads: int = 1
    max_combinations: int = MAX_COMBINATIONS


def sweep_run(
    *, user: User, request: SweepRequest, now: dt.datetime, progress: Progress | None = None
) -> ParameterSweep:
    """Read the bars, run the grid and keep its best rows in one insert.

    Raises SweepInvalid, UnknownSymbol, NoBars, or what the engine refuses; nothing is stored then.
    """
    if request.ranked_by not in RANKINGS:
        names = ", ".join(RANKINGS)
        raise SweepInvalid(
            "SWEEP_INVALID", f"ranked by {request.ranked_by!r}; it must be one of {names}"
        )
    if not 1 <= request.n_best <= MOST_KEPT:
        raise SweepInvalid(
            "SWEEP_INVALID", f"{request.n_best} rows to keep; it must be 1 to {MOST_KEPT:,}"
        )
    bars = bars_stored(
        symbol=request.symbol, timeframe=request.timeframe, start=request.start, end=request.end
    )
    config = BacktestConfig(
        cash=float(request.cash),
        commission_bps=request.commission_bps,
        slippage_bps=request.slippage_bps,
        progress=progress,
    )
    result = sweep(
        bars,
        request.strategy_key,
        request.grid,
        config,
        n_threads=request.n_threads,
        max_combinations=request.max_combinations,
    )
    defined = result.sharpe_ratio[np.isfinite(result.sharpe_ratio)] / math.sqrt(bars.bars_per_year)
    return ParameterSweep.objects.create(
        user=user,
        strategy_key=request.strategy_key,
        instrument=instrument_get(request.symbol),
        timeframe=request.timeframe,
        n_bars=len(bars),
        data_hash=bars_hash(bars),
        grid={name: list(values) for name, values in request.grid.items()},
        cash=request.cash,
        commission_bps=request.commission_bps,
        slippage_bps=request.slippage_bps,
        ranked_by=request.ranked_by,
        n_combinations=len(result),
        n_skipped=result.n_skipped,
        best=_best_rows(result, request),
        sharpe_mean=float(defined.mean()) if defined.size else 0.0,
        sharpe_spread=float(defined.std()) if defined.size else 0.0,
        created_at=now,
    )


def _best_rows(result: SweepResult, request: SweepRequest) -> list[dict[str, Any]]:
    names = (
        "final_equity",
        "total_return",
        "max_drawdown",
        "sharpe_ratio",
        "win_rate",
        "profit_factor",
        "n_orders",
        "n_round_trips",
    )
    columns = {name: getattr(result, name) for name in names}
    return [
        {
            "parameters": {name: result.parameters[name][row].item() for name in request.grid},
            **{name: _number(column[row]) for name, column in columns.items()},
        }
        for row in result.ranking(request.ranked_by)[: request.n_best]
    ]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
