"""Figures of a run that pages show beside the engine's: segments, months, drawdowns, the curve.

Everything here takes arrays and returns plain JSON values; NaN and infinity become null.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elson.common.errors import DomainError
from marketdata.types import Bars
from trading.engine import metrics
from trading.engine.backtest import BacktestRun
from trading.engine.effective import effective_trades
from trading.engine.months import compounded, month_returns
from trading.engine.types import OrderSide, RoundTrip, regime_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CURVE_POINTS = 700  # about one a pixel of the chart, and the page stays below 60 kB
WORST_DRAWDOWNS = 10


class SplitInvalid(DomainError):
    """One side of the split would be empty."""


def plain(value: Any) -> Any:
    """Return plain JSON: no NumPy, no NaN, no infinity."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value if value is None else str(value)


def iso(nanoseconds: int) -> str:
    """Write a bar's close as ISO 8601 UTC."""
    return (
        dt.datetime.fromtimestamp(nanoseconds / 1e9, tz=dt.UTC).isoformat().replace("+00:00", "Z")
    )


def segment(run: BacktestRun, first: int, stop: int) -> dict[str, Any]:
    """Figures of the bars first to stop (exclusive); a trade belongs where its signal bar is."""
    cash = float(run.config.cash)
    opening = float(run.equity[first - 1]) if first else cash
    equity = run.equity[first:stop]
    if not equity.shape[0]:
        return {}
    offset = run.first_bar
    trips = [t for t in run.round_trips if first <= t.signal_bar - offset < stop]
    fills = [f for f in run.fills if first <= f.bar - offset < stop]
    costs = sum(f.commission for f in fills) + _slippage_paid(run, fills)
    return {
        "first_at": iso(int(run.closed_at[first])),
        "last_at": iso(int(run.closed_at[stop - 1])),
        "n_bars": int(equity.shape[0]),
        **equity_figures(equity, opening, run.bars_per_year),
        "exposure": float(np.mean(np.abs(run.exposure[first:stop]))),
        "turnover_per_year": metrics.turnover_per_year(
            [f.notional for f in fills], equity, run.bars_per_year
        ),
        "n_orders": len(fills),
        "cost_total": costs,
        **trade_figures([t.pnl for t in trips], [t.return_ratio for t in trips]),
        "n_effective_trips": effective_trades(trips).value,
        "bars_held_mean": float(np.mean([t.bars_held for t in trips])) if trips else math.nan,
        "cost_share": _cost_share(trips, costs),
    }


def folds(run: BacktestRun, held: FloatArray, n_folds: int) -> list[dict[str, Any]]:
    """Judge equal parts of the run one after another; what was held is carried over their edges.

    Nothing is fitted between them: the parameters were given. None asked for, none returned.
    """
    if not n_folds:
        return []
    edges = np.linspace(0, run.equity.shape[0], n_folds + 1).astype(np.int64).tolist()
    found = []
    for first, stop in pairwise(edges):
        opening = float(held[first - 1]) if first else float(run.config.cash)
        benchmark = benchmark_segment(held[first:stop], opening, run.bars_per_year)
        found.append({**segment(run, first, stop), "benchmark": benchmark})
    return found


def equity_figures(equity: FloatArray, opening: float, bars_per_year: float) -> dict[str, Any]:
    """Return and risk of a piece of an equity curve that began at `opening`."""
    returns = metrics.simple_returns(equity, start=opening)
    interval = metrics.sharpe_interval(returns, bars_per_year)
    deepest = metrics.drawdowns(equity, start=opening)
    return {
        "opening_equity": opening,
        "final_equity": float(equity[-1]),
        "total_return": float(equity[-1]) / opening - 1.0,
        "annual_return": metrics.annual_return(returns, bars_per_year),
        "volatility": metrics.volatility(returns, bars_per_year),
        "sharpe_ratio": metrics.sharpe_ratio(returns, bars_per_year),
        "sharpe_low": interval.low,
        "sharpe_high": interval.high,
        "sortino_ratio": metrics.sortino_ratio(returns, bars_per_year),
        "calmar_ratio": metrics.calmar_ratio(returns, bars_per_year),
        "max_drawdown": float(deepest.min()),
        "longest_drawdown_bars": _longest_under_water(deepest),
    }


def trade_figures(pnls: Sequence[float], ratios: Sequence[float]) -> dict[str, Any]:
    """Count completed trades and say how they ended, from their results and returns."""
    n, n_wins = len(pnls), sum(pnl > 0.0 for pnl in pnls)
    interval = metrics.wilson_interval(n_wins, n)
    return {
        "n_round_trips": n,
        "n_wins": n_wins,
        "win_rate": metrics.hit_rate(pnls),
        "win_rate_low": interval.low if n else math.nan,
        "win_rate_high": interval.high if n else math.nan,
        "profit_factor": metrics.profit_factor(pnls),
        "n_losses": sum(pnl < 0.0 for pnl in pnls),
        "expectancy_bps": metrics.expectancy_bps(ratios),
        "avg_win_bps": metrics.expectancy_bps([r for r in ratios if r > 0.0]),
        "avg_loss_bps": metrics.expectancy_bps([r for r in ratios if r <= 0.0]),
        "best_trade_bps": max(ratios) * 1e4 if ratios else math.nan,
        "worst_trade_bps": min(ratios) * 1e4 if ratios else math.nan,
        "pnl": float(sum(pnls)),
    }


def _cost_share(trips: Sequence[RoundTrip], costs: float) -> float:
    gross_gain = sum(max(trip.pnl + trip.commission, 0.0) for trip in trips)
    return costs / gross_gain if gross_gain > 0.0 else math.nan


def _slippage_paid(run: BacktestRun, fills: Sequence[Any]) -> float:
    """Share of what all fills paid in their prices, by notional."""
    parts = run.costs
    if not parts.notional:
        return 0.0
    in_price = parts.spread + parts.slippage + parts.impact
    return in_price * sum(f.notional for f in fills) / parts.notional


def _longest_under_water(drawdown: FloatArray) -> int:
    longest = current = 0
    for is_under in (drawdown < 0.0).tolist():
        current = current + 1 if is_under else 0
        longest = max(longest, current)
    return longest


def split_index(run: BacktestRun, share: float, day: dt.date | None = None) -> int:
    """Return the first bar that is out of sample; the number of bars when there is no such part.

    A day goes before the share; raises SplitInvalid when it leaves one of the two parts empty.
    """
    n_bars = run.equity.shape[0]
    if day is None:
        return n_bars - int(n_bars * share)
    split = int(np.searchsorted(run.closed_at, np.datetime64(day, "ns").astype(np.int64), "left"))
    if not 0 < split < n_bars:
        first, last = iso(int(run.closed_at[0]))[:10], iso(int(run.closed_at[-1]))[:10]
        raise SplitInvalid(
            "SPLIT_INVALID",
            f"Out of sample from {day} must lie after the first bar of {first} and not after the "
            f"last of {last}.",
            field="out_of_sample_from",
        )
    return split


def daily(run: BacktestRun, benchmark: FloatArray) -> dict[str, Any]:
    """Keep the account and holding at the last bar of each day (UTC), to split them elsewhere."""
    days = run.closed_at.astype("datetime64[ns]").astype("datetime64[D]")
    last = np.flatnonzero(np.append(days[1:] != days[:-1], True))
    return plain(
        {
            "day": days[last].astype(np.int64),
            "equity": np.round(run.equity[last], 6),
            "benchmark": np.round(benchmark[last], 6),
        }
    )


def monthly(run: BacktestRun) -> list[dict[str, Any]]:
    """Return the return of each calendar month (UTC) and year, None where no bar lies."""
    table: dict[int, list[float | None]] = {}
    for year, month, value in month_returns(run.closed_at, run.equity, run.config.cash):
        table.setdefault(year, [None] * 12)[month - 1] = value
    return [
        {
            "year": year,
            "months": row,
            "total": compounded(value for value in row if value is not None),
        }
        for year, row in sorted(table.items())
    ]


@dataclass(frozen=True, slots=True)
class MonthExtremes:
    """Best and worst month as (return, year, index of the month), and what they did to the whole.

    `without_best` is the return of all other months, NaN after a month that lost everything.
    """

    best: tuple[float, int, int]
    worst: tuple[float, int, int]
    n_gained: int
    n: int
    whole: float
    without_best: float


def month_extremes(table: Sequence[Mapping[str, Any]]) -> MonthExtremes | None:
    """Find the extremes of a table of `monthly`; None where it holds no month."""
    cells = [
        (value, row["year"], i)
        for row in table
        for i, value in enumerate(row["months"])
        if value is not None
    ]
    if not cells:
        return None
    best = max(cells)
    whole = math.prod(1.0 + value for value, *_ in cells)
    return MonthExtremes(
        best=best,
        worst=min(cells),
        n_gained=sum(value > 0.0 for value, *_ in cells),
        n=len(cells),
        whole=whole - 1.0,
        without_best=whole / (1.0 + best[0]) - 1.0 if best[0] > -1.0 else math.nan,
    )


def worst_drawdowns(run: BacktestRun, limit: int = WORST_DRAWDOWNS) -> list[dict[str, Any]]:
    """Return the deepest falls from a peak: when they began, turned and ended, and how deep."""
    under = run.drawdown < 0.0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], under.astype(np.int8), [0]))))
    found = []
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        trough = first + int(np.argmin(run.drawdown[first:stop]))
        regime = regime_of(int(run.regime_codes[trough]))
        found.append(
            {
                "started_at": iso(int(run.closed_at[max(first - 1, 0)])),
                "trough_at": iso(int(run.closed_at[trough])),
                "recovered_at": iso(int(run.closed_at[stop])) if stop < under.shape[0] else None,
                "depth": float(run.drawdown[trough]),
                "length_bars": stop - first,
                "regime": str(regime) if regime else None,
            }
        )
    return sorted(found, key=lambda item: item["depth"])[:limit]


def trips_as_rows(run: BacktestRun, split: int, bars: Bars | None) -> list[dict[str, Any]]:
    """Write the completed trades down, oldest first, with regime, holding time and segment."""
    return [
        {
            "number": number,
            "side": str(trip.side),
            "signal_at": iso(int(run.closed_at[trip.signal_bar - run.first_bar])),
            "entry_at": iso(trip.entry_at),
            "exit_at": iso(trip.exit_at),
            "quantity": trip.quantity,
            "entry_price": trip.entry_price,
            "exit_price": trip.exit_price,
            "entry_notional": trip.entry_notional,
            "commission": trip.commission,
            "borrow": trip.borrow,
            "pnl": trip.pnl,
            "return_ratio": trip.return_ratio,
            "bars_held": trip.bars_held,
            "regime": str(trip.regime) if trip.regime else None,
            "exit_reason": trip.exit_reason,
            **(excursions(trip, bars) if bars is not None else {}),
            "is_out_of_sample": trip.signal_bar - run.first_bar >= split,
        }
        for number, trip in enumerate(run.round_trips, start=1)
    ]


def excursions(trip: RoundTrip, bars: Bars) -> dict[str, float]:
    """Worst and best price while held, as fractions of the entry price; <= 0 and >= 0.

    The bar of the exit counts with the exit price alone: what followed was not held.
    """
    first, last = trip.entry_bar, max(trip.exit_bar, trip.entry_bar + 1)
    low = min(float(bars.low[first:last].min()), trip.exit_price)
    high = max(float(bars.high[first:last].max()), trip.exit_price)
    if trip.side is OrderSide.SELL:
        low, high = 2.0 * trip.entry_price - high, 2.0 * trip.entry_price - low
    return {
        "mae": min(low / trip.entry_price - 1.0, 0.0),
        "mfe": max(high / trip.entry_price - 1.0, 0.0),
    }


def open_position(run: BacktestRun) -> dict[str, Any] | None:
    """Describe what is still held at the end, marked at the last close; None when flat."""
    state = run.final_state
    quantity = float(run.quantity[-1])
    if state is None or quantity == 0.0:
        return None
    realized = sum(trip.pnl for trip in run.round_trips)
    entry = state.entry_bar - 1 - run.first_bar
    regime = regime_of(int(run.regime_codes[max(entry, 0)]))
    return {
        "quantity": quantity,
        "avg_entry_price": state.avg_entry_price,
        "entry_at": iso(state.entry_at),
        "regime": str(regime) if regime else None,
        # What is not in a completed trade, its entry commission included.
        "pnl": float(run.equity[-1]) - float(run.config.cash) - realized,
    }


def curve(
    run: BacktestRun, benchmark: FloatArray, band: dict[str, FloatArray], split: int
) -> dict[str, Any]:
    """Down-sample equity, drawdown, benchmark and the null's band to one set of bars."""
    chosen = _chosen_bars(run.equity, run.drawdown, CURVE_POINTS)
    columns: dict[str, Any] = {
        "closed_at": [int(t) // 10**9 for t in run.closed_at[chosen]],
        "equity": np.round(run.equity[chosen], 2),
        "drawdown": np.round(run.drawdown[chosen], 6),
        "benchmark": np.round(benchmark[chosen], 2),
        "regime": run.regime_codes[chosen],
        "bars_per_point": max(run.equity.shape[0] / max(chosen.shape[0], 1), 1.0),
        "out_of_sample_from": int(run.closed_at[split]) // 10**9
        if split < len(run.equity)
        else None,
    }
    for name, values in band.items():
        columns[f"null_{name}"] = np.round(values[chosen], 2)
    return plain(columns)


def _chosen_bars(equity: FloatArray, drawdown: FloatArray, limit: int) -> IntArray:
    """Keep highest and deepest bar of each bucket, so that no peak or trough disappears."""
    n_bars = equity.shape[0]
    if n_bars <= limit:
        return np.arange(n_bars)
    kept = {0, n_bars - 1, int(np.argmin(drawdown))}
    for bucket in np.array_split(np.arange(n_bars), limit // 2):
        kept.add(int(bucket[np.argmax(equity[bucket])]))
        kept.add(int(bucket[np.argmin(equity[bucket])]))
    return np.array(sorted(kept), dtype=np.int64)


def benchmark_segment(equity: FloatArray, opening: float, bars_per_year: float) -> dict[str, float]:
    """Return, Sharpe ratio and deepest drawdown of holding the instrument over a span."""
    if not equity.shape[0]:
        return {}
    returns = metrics.simple_returns(equity, start=opening)
    return {
        "total_return": float(equity[-1]) / opening - 1.0,
        "sharpe_ratio": metrics.sharpe_ratio(returns, bars_per_year),
        "max_drawdown": metrics.max_drawdown(equity, start=opening),
    }
