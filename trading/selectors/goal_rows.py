"""The goals of a stored verification as pages write them: in words, with units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from elson.common import formatting

NAMES = {
    "high_win_rate": "Win rate in High",
    "high_win_rate_lower_bound": "Win rate in High, low end of its interval",
    "extreme_win_rate": "Win rate in Extreme",
    "extreme_win_rate_lower_bound": "Win rate in Extreme, low end of its interval",
    "spread_over_regimes": "Spread of the win rate over the regimes",
    "trades_in_smallest_regime": "Round trips in the smallest regime",
    "high_profit_factor": "Profit factor in High",
    "extreme_profit_factor": "Profit factor in Extreme",
    "all_profit_factor": "Profit factor of all",
    "high_expectancy": "Expectancy in High",
    "extreme_expectancy": "Expectancy in Extreme",
    "all_expectancy_double_costs": "Expectancy at twice the costs",
    "high_expectancy_lower_bound": "Expectancy in High, low end of its interval",
    "extreme_expectancy_lower_bound": "Expectancy in Extreme, low end of its interval",
    "all_expectancy_double_costs_lower_bound": "Expectancy at twice the costs, low end",
    "blind_high_win_rate": "Profit-blind win rate in High",
    "blind_extreme_win_rate": "Profit-blind win rate in Extreme",
    "blind_high_excess_lower_bound": "Profit-blind above its null in High, low end",
    "blind_extreme_excess_lower_bound": "Profit-blind above its null in Extreme, low end",
    "blind_high_excess": "Profit-blind above its null in High",
    "blind_extreme_excess": "Profit-blind above its null in Extreme",
    "blind_permutation_p": "Profit-blind, p against shuffled bars",
    "portfolio_sharpe_ratio": "Sharpe ratio of the portfolio",
    "calibration_error_to_075": "Calibration error up to 75 %",
    "calibration_error_all": "Calibration error over all",
    "controls_passed": "Controls passed",
}
RELATIONS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


@dataclass(frozen=True, slots=True)
class GoalRow:
    """One goal: what was found beside what must hold and what would be better."""

    name: str
    value: str
    must: str
    stretch: str
    has_must: bool
    is_met: bool
    is_stretch_met: bool


def goal_rows(goals: Iterable[Mapping[str, Any]]) -> list[GoalRow]:
    """Return the goals of a report in its order; `must` and `stretch` are empty without a limit."""
    return [_row(goal) for goal in goals]


def _row(goal: Mapping[str, Any]) -> GoalRow:
    name = str(goal.get("name", ""))
    return GoalRow(
        name=NAMES.get(name) or formatting.label_of(name),
        value=goal.get("reason") or _text(goal, goal.get("value")),
        must=_limit(goal, "must"),
        stretch=_limit(goal, "stretch"),
        has_must=goal.get("must") is not None,
        is_met=bool(goal.get("met")),
        is_stretch_met=bool(goal.get("met_stretch")),
    )


def _limit(goal: Mapping[str, Any], which: str) -> str:
    limit = goal.get(which)
    if limit is None:
        return ""
    relation = RELATIONS.get(str(goal.get("relation", "")), "")
    return f"{relation} {_text(goal, limit)}".strip()


def _text(goal: Mapping[str, Any], value: float | None) -> str:
    if value is None:
        return formatting.MISSING
    if not math.isfinite(value):
        return "∞"
    match goal.get("unit"):
        case "ratio":
            return formatting.percent(value, 1)
        case "pp":
            return f"{formatting.number(value, 1)} pp"
        case "bps":
            return formatting.basis_points(value)
    # A count is stored as a whole number, its limits as any other number.
    if isinstance(goal.get("value"), int):
        return formatting.quantity(value)
    return formatting.number(value, 3)
