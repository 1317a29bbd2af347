"""Names, marks and limits that every page of backtests writes alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trading.engine.strategies import STRATEGIES
from trading.services.backtests.benchmarks import CASH
from trading.services.bindings import takes_model

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MARKS = {"PASS": "ok", "WARN": "warn", "FAIL": "crit", "NOT_APPLICABLE": "info"}


def model_words(strategy_key: str, settings_used: Mapping[str, Any]) -> str:
    """Say which model decided; "" for rules that take none and results from before it was kept."""
    if not takes_model(strategy_key) or "model" not in settings_used:
        return ""
    model = settings_used["model"]
    if not model:
        return "rule without a model"
    return f"model {model['number']} ({str(model['kind']).lower()} {model['content_hash'][:8]})"


def caution_words(strategy_key: str, params: Mapping[str, Any]) -> str:
    """Say what the strategy has to say of these parameters; "" for nothing."""
    spec = STRATEGIES.get(strategy_key)
    if spec is None or spec.caution is None:
        return ""
    return spec.caution({**spec.defaults, **params})


def exit_words(rule: str) -> str:
    """Say in words which rule ended a trade."""
    return rule.replace("_", " ").lower().capitalize() or "—"


def benchmark_words(backtest: Any) -> str:
    """Name the line a run is laid beside."""
    if backtest.benchmark == CASH:
        return "Cash"
    return f"Holding {backtest.benchmark}" if backtest.benchmark else "Buy and hold"
