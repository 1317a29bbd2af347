"""Rows of the list of backtests, from stored results; nothing is computed anew."""

from __future__ import annotations

from typing import Any

from elson.common.templatetags import formats
from trading.selectors.judged import judged_of
from trading.selectors.luck import too_few_for_luck
from trading.selectors.strategies import rule_name
from trading.views.backtest_metrics import cell_of
from trading.views.backtest_words import MARKS

BEATS = {"PASS": "Yes", "WARN": "Barely", "FAIL": "No"}


def list_rows(backtests: Any) -> list[dict[str, Any]]:
    """Return the rows of the list: out-of-sample figures where a part was kept out."""
    return [_list_row(backtest) for backtest in backtests]


def _list_row(backtest: Any) -> dict[str, Any]:
    result = getattr(backtest, "result", None)
    figures = result.metrics if result else {}
    span = result.manifest["data"] if result else {}
    judged = judged_of(backtest)
    shown = judged.figures if judged else {}
    beats = judged.luck if judged else ""
    return {
        "backtest": backtest,
        "symbols": backtest.symbols or [backtest.instrument.symbol],
        "strategy": rule_name(backtest.strategy_key),
        "version": getattr(backtest.version, "number", None),
        "first_on": span.get("first_at", "")[:10] or backtest.start_date,
        "last_on": span.get("last_at", "")[:10] or backtest.end_date,
        "judged": judged,
        "segment": shown,
        "whole": figures.get("all") or {},
        "sharpe": cell_of(shown, "sharpe_ratio", "ratio") or formats.ratio(None),
        "beats_null": BEATS.get(beats, ""),
        "few_for_luck": too_few_for_luck(figures["all"]) if result else None,
        "beats_tone": MARKS.get(beats, ""),
        "verdict_mark": MARKS.get(result.honesty["status"]) if result else "",
        "seconds": backtest.seconds,
        "percent": round(backtest.progress * 100),
    }
