"""Names, marks and limits that every page of backtests writes alike."""

from __future__ import annotations

from typing import Any

from trading.engine.strategies import STRATEGIES
from trading.services.backtests.benchmarks import CASH

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MARKS = {"PASS": "ok", "WARN": "warn", "FAIL": "crit", "NOT_APPLICABLE": "info"}


def strategy_name(key: str) -> str:
    """Return the strategy's name, its key when the strategy is gone."""
    return STRATEGIES[key].name if key in STRATEGIES else key


def exit_words(rule: str) -> str:
    """Say in words which rule ended a trade."""
    return rule.replace("_", " ").lower().capitalize() or "—"


def benchmark_words(backtest: Any) -> str:
    """Name the line a run is laid beside."""
    if backtest.benchmark == CASH:
        return "Cash"
    return f"Holding {backtest.benchmark}" if backtest.benchmark else "Buy and hold"
