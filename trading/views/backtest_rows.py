"""Rows of the list of backtests, from stored results; nothing is computed anew."""

from __future__ import annotations

from typing import Any

from elson.common.templatetags import formats
from trading.engine.enough import shortfall
from trading.selectors.luck import luck_of, too_few_for_luck
from trading.selectors.strategies import rule_name
from trading.views.backtest_metrics import cell_of
from trading.views.backtest_words import MARKS

BEATS = {"PASS": "Yes", "WARN": "Barely", "FAIL": "No"}


def list_rows(backtests: Any) -> list[dict[str, Any]]:
    """Return the rows of the list: out-of-sample figures first, empty while there is no result."""
    return [_list_row(backtest) for backtest in backtests]


def _list_row(backtest: Any) -> dict[str, Any]:
    result = getattr(backtest, "result", None)
    figures = result.metrics if result else {}
    span = result.manifest["data"] if result else {}
    outside = figures.get("out_of_sample") or figures.get("all") or {}
    beats = luck_of(figures["all"], result.honesty) if result else ""
    return {
        "backtest": backtest,
        "symbols": backtest.symbols or [backtest.instrument.symbol],
        "strategy": rule_name(backtest.strategy_key),
        "version": getattr(backtest.version, "number", None),
        "first_on": span.get("first_at", "")[:10] or backtest.start_date,
        "last_on": span.get("last_at", "")[:10] or backtest.end_date,
        "segment": outside,
        "sharpe_value": None
        if shortfall(outside, "sharpe_ratio") is not None
        else outside.get("sharpe_ratio"),
        "sharpe": cell_of(outside, "sharpe_ratio", "ratio") or formats.ratio(None),
        "beats_null": BEATS.get(beats, ""),
        "few_for_luck": too_few_for_luck(figures["all"]) if result else None,
        "beats_tone": MARKS.get(beats, ""),
        "verdict_mark": MARKS.get(result.honesty["status"]) if result else "",
        "seconds": _seconds(backtest),
        "percent": round(backtest.progress * 100),
    }


def _seconds(backtest: Any) -> float | None:
    if not (backtest.started_at and backtest.finished_at):
        return None
    return (backtest.finished_at - backtest.started_at).total_seconds()
