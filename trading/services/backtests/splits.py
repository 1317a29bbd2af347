"""A stored result split at another day: both sides beside each other, and beside holding.

The verdict stays with the split that was chosen before the run: moving it afterwards is looking.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from trading.engine.effective import effective_number
from trading.models import BacktestResult
from trading.services.backtests.statistics import (
    SplitInvalid,
    benchmark_segment,
    equity_figures,
    plain,
    trade_figures,
)

DAYS_PER_YEAR = 365.25
FEWEST_DAYS = 2


def split_days(result: BacktestResult) -> tuple[dt.date, dt.date] | None:
    """Return the first and last day a split may fall on; None for results without daily values."""
    days = result.daily.get("day", [])
    if len(days) < 2 * FEWEST_DAYS:
        return None
    return _date(days[FEWEST_DAYS]), _date(days[-FEWEST_DAYS])


def split_figures(result: BacktestResult, day: dt.date) -> dict[str, Any]:
    """Return in-sample and out-of-sample figures of the account and of holding.

    From the last bar of each day; a trade belongs where its signal was. Raises SplitInvalid for a
    day outside the span, and for a result that was stored without daily values.
    """
    bounds = split_days(result)
    if bounds is None:
        raise SplitInvalid(
            "SPLIT_INVALID", "This result holds no daily values; run it again.", field="split"
        )
    if not bounds[0] <= day <= bounds[1]:
        raise SplitInvalid(
            "SPLIT_INVALID",
            f"Split {day} must lie between {bounds[0]} and {bounds[1]}.",
            field="split",
        )
    days = np.array(result.daily["day"], dtype=np.int64)
    at = int(np.searchsorted(days, (day - dt.date(1970, 1, 1)).days, "left"))
    spans = {"in_sample": (0, at), "out_of_sample": (at, days.shape[0])}
    return plain(
        {name: _part(result, days, name == "out_of_sample", span) for name, span in spans.items()}
    )


def _part(
    result: BacktestResult, days: np.ndarray, is_outside: bool, span: tuple[int, int]
) -> dict[str, Any]:
    first, stop = span
    equity, held = (np.array(result.daily[name]) for name in ("equity", "benchmark"))
    cash = float(result.metrics["all"]["opening_equity"])
    opening, held_opening = (
        float(column[first - 1]) if first else cash for column in (equity, held)
    )
    per_year = _days_per_year(result, days)
    boundary = _date(days[span[0] if is_outside else span[1]]).isoformat()
    trips = [
        trip for trip in result.round_trips if (trip["signal_at"][:10] >= boundary) == is_outside
    ]
    return {
        "first_on": _date(days[first]),
        "last_on": _date(days[stop - 1]),
        "n_bars": stop - first,
        **equity_figures(equity[first:stop], opening, per_year),
        **trade_figures([trip["pnl"] for trip in trips], [trip["return_ratio"] for trip in trips]),
        "n_effective_trips": _effective(trips),
        "benchmark": benchmark_segment(held[first:stop], held_opening, per_year),
    }


def _effective(trips: list[dict[str, Any]]) -> float:
    """Return what stored trades are worth in independent ones."""
    ordered = sorted(trips, key=lambda trip: (trip["entry_at"], trip["exit_at"]))
    returns = [trip["return_ratio"] for trip in ordered]
    entries, exits = (
        np.array([trip[name].rstrip("Z") for trip in ordered], "datetime64[ns]").astype(np.int64)
        for name in ("entry_at", "exit_at")
    )
    return effective_number(returns, entries, exits).value


def _days_per_year(result: BacktestResult, days: np.ndarray) -> float:
    """Daily bars keep their own count, so that figures equal those of the run."""
    told = result.manifest["data"]
    if told["timeframe"] == "1d":
        return float(told["bars_per_year"])
    return days.shape[0] / max(float(days[-1] - days[0]) / DAYS_PER_YEAR, 1.0 / DAYS_PER_YEAR)


def _date(day: Any) -> dt.date:
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(day))
