"""Which tab of a finished backtest shows what."""

from __future__ import annotations

from typing import Any

from trading.engine.strategies import STRATEGIES
from trading.selectors.parameter_words import choice_words, parameter_label, term_label
from trading.views.backtest_costs import cost_context
from trading.views.backtest_metrics import metric_groups
from trading.views.backtest_overview import overview_context
from trading.views.backtest_words import benchmark_words, caution_words, model_words

OWN_LIMIT = "Own limit: nothing is added beyond it"
TABS = (
    ("overview", "Overview"),
    ("trades", "Trades"),
    ("chart", "Chart"),
    ("metrics", "Metrics"),
    ("costs", "Costs"),
    ("parameters", "Parameters"),
    ("log", "Log"),
    ("sheet", "Tear sheet"),
)


def result_context(backtest: Any, tab: str) -> dict[str, Any]:
    """Return what one tab of a finished run shows."""
    result = backtest.result
    context = {"result": result, "figures": result.metrics, "honesty": result.honesty}
    context["benchmark"] = benchmark_words(backtest)
    context["caution"] = caution_words(backtest.strategy_key, result.manifest["params"])
    context["model"] = model_words(backtest.strategy_key, result.manifest["settings"])
    makers = {
        "overview": overview_context,
        "metrics": lambda row: {"groups": metric_groups(row.result.metrics)},
        "costs": cost_context,
        "parameters": lambda row: {"parameters": parameter_rows(row)},
        "log": lambda row: {"log": row.log},
        "sheet": lambda row: (
            overview_context(row)
            | {"groups": metric_groups(row.result.metrics), "parameters": parameter_rows(row)}
        ),
    }
    return context | makers.get(tab, lambda row: {})(backtest)


def parameter_rows(backtest: Any) -> list[dict[str, Any]]:
    """Return what the run was done with, each value beside the strategy's own."""
    spec = STRATEGIES.get(backtest.strategy_key)
    known = {p.key: p for p in spec.parameters} if spec else {}
    return [
        {
            "name": name,
            "label": parameter_label(name),
            "value": choice_words(name, value),
            "default": choice_words(name, known[name].default) if name in known else "",
            "is_default": name in known and known[name].default == value,
            "meaning": known[name].meaning if name in known else "",
        }
        for name, value in backtest.result.manifest["params"].items()
    ] + [
        {
            "name": name,
            "label": term_label(name),
            "value": choice_words(name, value),
            "default": "",
            "is_default": False,
            "meaning": OWN_LIMIT,
        }
        for name, value in backtest.limits.items()
    ]
