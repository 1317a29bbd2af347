"""The full table of a backtest's figures: groups, lines, and how each cell is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html

from elson.common import formatting
from elson.common.templatetags import formats
from trading.engine.enough import shortfall

# Group, label, key, how it is written.
METRICS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Return",
        (
            ("Total return", "total_return", "delta"),
            ("Annual return", "annual_return", "pct_signed"),
            ("Final equity", "final_equity", "money"),
        ),
    ),
    (
        "Risk",
        (
            ("Volatility a year", "volatility", "pct"),
            ("Sharpe ratio", "sharpe_ratio", "ratio"),
            ("Sharpe 95% interval", "sharpe", "interval"),
            ("Sortino ratio", "sortino_ratio", "ratio"),
            ("Calmar ratio", "calmar_ratio", "ratio"),
            ("Deepest drawdown", "max_drawdown", "pct_signed"),
            ("Longest drawdown, bars", "longest_drawdown_bars", "qty"),
        ),
    ),
    (
        "Trades",
        (
            ("Orders", "n_orders", "qty"),
            ("Round trips", "n_round_trips", "qty"),
            ("Independent round trips", "n_effective_trips", "one"),
            ("Win rate (95% interval)", "win_rate", "win_rate"),
            ("Profit factor", "profit_factor", "profit_factor"),
            ("Expectancy a trade", "expectancy_bps", "bps"),
            ("Average win", "avg_win_bps", "bps"),
            ("Average loss", "avg_loss_bps", "bps"),
            ("Best trade", "best_trade_bps", "bps"),
            ("Worst trade", "worst_trade_bps", "bps"),
            ("Bars held on average", "bars_held_mean", "one"),
            ("Time invested", "exposure", "share"),
        ),
    ),
    (
        "Costs",
        (
            ("Costs paid", "cost_total", "money"),
            ("Costs, share of gross gains", "cost_share", "share"),
            ("Turnover a year", "turnover_per_year", "times"),
        ),
    ),
)

# Parts of a run in the order they are shown, and what a column is called.
SEGMENTS = (
    ("out_of_sample", "Out of sample"),
    ("in_sample", "In sample"),
    ("all", "Whole span"),
)
# Glossary entries of keys that are not called what the entry is called.
TERMS = {
    "final_equity": "equity",
    "sharpe": "sharpe-ratio",
    "longest_drawdown_bars": "longest-drawdown",
    "n_orders": "round-trip",
    "n_round_trips": "round-trip",
    "n_effective_trips": "effective-number-of-trades",
    "expectancy_bps": "expectancy",
    "avg_win_bps": "expectancy",
    "avg_loss_bps": "expectancy",
    "best_trade_bps": "round-trip",
    "worst_trade_bps": "round-trip",
    "bars_held_mean": "round-trip",
    "cost_total": "cost-share",
    "turnover_per_year": "turnover",
}


def term_of(key: str) -> str:
    """Return the glossary entry that explains a figure."""
    return TERMS.get(key, key.replace("_", "-"))


def metric_groups(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every group of figures, out of sample first, with holding beside."""
    held = with_bars(figures, "all")
    return [
        {
            "title": title,
            "rows": [
                {
                    "label": label,
                    "key": key,
                    "term": term_of(key),
                    "cells": [(word, cell_of(figures[p], key, kind)) for p, word in SEGMENTS],
                    "has_benchmark": key in held,
                    "benchmark": cell_of(held, key, kind) if key in held else formats.ratio(None),
                }
                for label, key, kind in lines
            ],
        }
        for title, lines in METRICS
    ]


def with_bars(figures: dict[str, Any], part: str) -> dict[str, Any]:
    """Return the benchmark's figures of a part with the bars they are of."""
    held = figures["benchmark"][part]
    return held and {**held, "n_bars": figures[part].get("n_bars")}


def cell_of(segment: Mapping[str, Any], key: str, kind: str) -> Any:
    """Write one figure of a segment the way its kind asks for; "" without the segment.

    Where too little is behind it, that is said instead.
    """
    if not segment:
        return ""
    if kind == "interval":
        return (
            interval_words(segment)
            if segment.get("sharpe_low") is not None
            else formats.ratio(None)
        )
    value = segment.get(key)
    n = shortfall(segment, key)
    is_endless = key == "profit_factor" and formatting.has_no_loss(segment)
    if n is not None and (value is not None or is_endless):
        return formats.too_few(n)
    if kind == "win_rate":
        return formats.win_rate(segment["n_wins"], segment["n_round_trips"])
    if kind == "profit_factor":
        return formats.profit_factor(segment)
    if kind == "times":
        return (
            format_html("{}×", formats.ratio(value, 1))
            if value is not None
            else formats.ratio(None)
        )
    writers: dict[str, Any] = {
        "one": lambda v: formats.ratio(v, 1),
        "share": lambda v: formats.pct(v, 0),
    }
    return writers.get(kind, getattr(formats, kind, formats.qty))(value)


def interval_words(segment: Mapping[str, Any]) -> str:
    """Write the interval of the Sharpe ratio."""
    if segment.get("sharpe_low") is None:
        return "interval needs more bars"
    return (
        f"{formatting.ratio(segment['sharpe_low'])} to {formatting.ratio(segment['sharpe_high'])}"
    )
