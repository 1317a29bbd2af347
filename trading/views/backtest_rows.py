"""Rows of the list of backtests, from stored results; nothing is computed anew."""

from __future__ import annotations

from typing import Any

from trading.views.backtest_words import MARKS, strategy_name


def list_rows(backtests: Any) -> list[dict[str, Any]]:
    """Return the rows of the list: out-of-sample figures first, empty while there is no result."""
    return [_list_row(backtest) for backtest in backtests]


def _list_row(backtest: Any) -> dict[str, Any]:
    result = getattr(backtest, "result", None)
    figures = result.metrics if result else {}
    span = result.manifest["data"] if result else {}
    outside = figures.get("out_of_sample") or figures.get("all") or {}
    checks = {row["key"]: row for row in result.honesty["rows"]} if result else {}
    beats = checks.get("NULL_SHARPE", {}).get("status")
    return {
        "backtest": backtest,
        "symbols": backtest.symbols or [backtest.instrument.symbol],
        "strategy": strategy_name(backtest.strategy_key),
        "version": getattr(backtest.version, "number", None),
        "first_on": span.get("first_at", "")[:10] or backtest.start_date,
        "last_on": span.get("last_at", "")[:10] or backtest.end_date,
        "segment": outside,
        "n_round_trips": figures.get("all", {}).get("n_round_trips"),
        "beats_null": {"PASS": "Yes", "WARN": "Barely", "FAIL": "No"}.get(beats, ""),
        "beats_tone": MARKS.get(beats, ""),
        "verdict_mark": MARKS.get(result.honesty["status"]) if result else "",
        "seconds": _seconds(backtest),
        "percent": round(backtest.progress * 100),
    }


def _seconds(backtest: Any) -> float | None:
    if not (backtest.started_at and backtest.finished_at):
        return None
    return (backtest.finished_at - backtest.started_at).total_seconds()
