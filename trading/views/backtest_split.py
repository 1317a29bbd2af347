"""A finished backtest split at a day the reader chooses, both sides beside each other."""

from __future__ import annotations

import datetime as dt
from typing import Any

from elson.common.errors import DomainError
from trading.services.backtests.splits import SplitInvalid, split_days, split_figures
from trading.views.backtest_metrics import METRICS, cell_of, term_of
from trading.views.backtest_words import benchmark_words

# What the stored daily values and trades can tell.
SHOWN = frozenset(
    {
        "total_return", "annual_return", "final_equity", "volatility", "sharpe_ratio", "sharpe",
        "sortino_ratio", "calmar_ratio", "max_drawdown", "n_round_trips", "win_rate",
        "profit_factor", "expectancy_bps", "avg_win_bps", "avg_loss_bps", "best_trade_bps",
        "worst_trade_bps",
    }
)  # fmt: skip


def split_context(backtest: Any, text: str) -> dict[str, Any]:
    """Return slider and table of the split at the day in the URL, the run's own without one."""
    result, beside = backtest.result, benchmark_words(backtest)
    bounds = split_days(result)
    if bounds is None:
        return {"split": None}
    first, last = bounds
    own = _own_split(result)
    error = ""
    try:
        day = split_day(result, text)
    except DomainError as refused:
        day, error = split_day(result, ""), refused.message
    context = {
        "first": first, "last": last, "day": day, "own": own, "n_days": (last - first).days,
        "offset": min(max((day - first).days, 0), (last - first).days),
        "beside": beside, "is_intraday": result.manifest["data"]["timeframe"] != "1d",
    }  # fmt: skip
    try:
        figures = split_figures(result, day)
    except DomainError as refused:
        return {"split": context | {"error": error or refused.message, "groups": []}}
    return {
        "split": context | {"error": error, "figures": figures, "groups": _groups(figures, beside)}
    }


def split_day(result: Any, text: str) -> dt.date:
    """Read the day to split at; without one the run's own, or the middle of what can be split.

    Raises SplitInvalid for what is no day.
    """
    if text:
        try:
            return dt.date.fromisoformat(text)
        except ValueError as error:
            sentence = f"“{text[:20]}” is not a day; write it like 2015-01-31."
            raise SplitInvalid("SPLIT_INVALID", sentence, field="split") from error
    # Whatever the day, a result without daily values is refused where it is split.
    first, last = split_days(result) or (dt.date.min, dt.date.min)
    return _own_split(result) or first + (last - first) / 2


def _own_split(result: Any) -> dt.date | None:
    outside = result.metrics["out_of_sample"]
    return dt.date.fromisoformat(outside["first_at"][:10]) if outside else None


def _groups(figures: dict[str, Any], beside: str) -> list[dict[str, Any]]:
    """Write the lines: in sample, out of sample, and the benchmark over the same two."""
    inside, outside = figures["in_sample"], figures["out_of_sample"]
    parts = {
        "In sample": inside,
        "Out of sample": outside,
        f"{beside}, in sample": inside["benchmark"] | {"n_bars": inside["n_bars"]},
        f"{beside}, out of sample": outside["benchmark"] | {"n_bars": outside["n_bars"]},
    }
    return [
        {
            "title": title,
            "rows": [
                {
                    "label": label,
                    "term": term_of(key),
                    "key": key,
                    "cells": [(name, _cell(part, key, kind)) for name, part in parts.items()],
                }
                for label, key, kind in lines
                if key in SHOWN
            ],
        }
        for title, lines in METRICS
        if any(key in SHOWN for _, key, _ in lines)
    ]


def _cell(part: dict[str, Any], key: str, kind: str) -> Any:
    """Leave empty what a benchmark does not have: it makes no trades."""
    names = {"sharpe": "sharpe_low"}
    return cell_of(part, key, kind) if names.get(key, key) in part else ""
