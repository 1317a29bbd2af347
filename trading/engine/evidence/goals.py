"""The goals of protocol vol-robustness-v1: what must hold, what would be better.

INPUT    the tables of one run
OUTPUT   one line per goal with its value, its must, its stretch and whether they are met
LOOKBACK none
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AT_LEAST = ">="
AT_MOST = "<="
ABOVE = ">"
# Why a profit factor has no value though there are trades.
NO_LOSING_TRADE = "no losing trade"
# Why any other figure has none.
NO_TRADE = "no trade"
NO_PREDICTION = "no prediction"
ONE_MONTH = "trades of one month only"
REGIME_WITHOUT_TRADE = "a regime without a trade"


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the goals' table.

    Attributes
    ----------
    name : str
        Stable name, also what is printed when it is missed.
    path : str
        Where the value stands in the report; dots go down.
    relation : str
        ``>=``, ``<=`` or ``>``.
    must, stretch : float or None
        Limits in the value's unit; None is no limit. A stretch given as a path is read from the
        report.
    unit : str
        ``ratio`` (a share, printed in percent), ``pp``, ``bps`` or empty.
    """

    name: str
    path: str
    relation: str
    must: float | None
    stretch: float | str | None = None
    unit: str = ""


GOALS: tuple[Goal, ...] = (
    Goal("high_win_rate", "regimes.HIGH.win_rate", AT_LEAST, 0.70, 0.731, "ratio"),
    Goal("high_win_rate_lower_bound", "regimes.HIGH.ci.0", AT_LEAST, 0.67, None, "ratio"),
    Goal("extreme_win_rate", "regimes.EXTREME.win_rate", AT_LEAST, 0.68, 0.731, "ratio"),
    Goal("extreme_win_rate_lower_bound", "regimes.EXTREME.ci.0", AT_LEAST, 0.63, None, "ratio"),
    Goal("spread_over_regimes", "spread_pp", AT_MOST, 5.0, 3.0, "pp"),
    Goal("trades_in_smallest_regime", "smallest_n", AT_LEAST, 150.0),
    Goal("high_profit_factor", "regimes.HIGH.profit_factor", AT_LEAST, 1.15, 1.3),
    Goal("extreme_profit_factor", "regimes.EXTREME.profit_factor", AT_LEAST, 1.15, 1.3),
    Goal("all_profit_factor", "all.profit_factor", AT_LEAST, 1.15, 1.3),
    Goal("high_expectancy", "regimes.HIGH.expectancy_bps", ABOVE, 0.0, None, "bps"),
    Goal("extreme_expectancy", "regimes.EXTREME.expectancy_bps", ABOVE, 0.0, None, "bps"),
    Goal("all_expectancy_double_costs", "all.expectancy_2x_bps", ABOVE, 0.0, None, "bps"),
    Goal(
        "high_expectancy_lower_bound", "regimes.HIGH.expectancy_ci_bps.0", ABOVE, None, 0.0, "bps"
    ),
    Goal(
        "extreme_expectancy_lower_bound",
        "regimes.EXTREME.expectancy_ci_bps.0",
        ABOVE,
        None,
        0.0,
        "bps",
    ),
    Goal(
        "all_expectancy_double_costs_lower_bound",
        "all.expectancy_2x_ci_bps.0",
        ABOVE,
        None,
        0.0,
        "bps",
    ),
    Goal(
        "blind_high_win_rate", "profit_blind.regimes.HIGH.win_rate", AT_LEAST, 0.60, 0.62, "ratio"
    ),
    Goal(
        "blind_extreme_win_rate",
        "profit_blind.regimes.EXTREME.win_rate",
        AT_LEAST,
        0.58,
        0.61,
        "ratio",
    ),
    Goal(
        "blind_high_excess_lower_bound",
        "profit_blind.regimes.HIGH.excess_ci.0",
        ABOVE,
        0.0,
        None,
        "ratio",
    ),
    Goal(
        "blind_extreme_excess_lower_bound",
        "profit_blind.regimes.EXTREME.excess_ci.0",
        ABOVE,
        0.0,
        None,
        "ratio",
    ),
    Goal("blind_high_excess", "profit_blind.regimes.HIGH.excess", AT_LEAST, None, 0.06, "ratio"),
    Goal(
        "blind_extreme_excess", "profit_blind.regimes.EXTREME.excess", AT_LEAST, None, 0.08, "ratio"
    ),
    Goal("blind_permutation_p", "profit_blind.n2.pooled.p", AT_MOST, 0.05, 0.01),
    Goal(
        "portfolio_sharpe_ratio",
        "portfolio.sharpe_ratio",
        AT_LEAST,
        0.45,
        "portfolio.always_long.sharpe_ratio",
    ),
    Goal("calibration_error_to_075", "calibration.ece", AT_MOST, 0.03),
    Goal("calibration_error_all", "calibration.ece_all", AT_MOST, None, 0.03),
    Goal("controls_passed", "controls.n_passed", AT_LEAST, 3.0),
)


def goal_lines(
    report: Mapping[str, Any], *, without: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Judge a report.

    Parameters
    ----------
    report : mapping
        With the tables the goals read.
    without : frozenset of str
        Names of goals that do not apply, such as calibration where there is no model.

    Returns
    -------
    list of dict
        ``name, value, reason, relation, must, stretch, unit, met, met_stretch``. ``met`` is None
        where there is no must. ``reason`` says why there is no value, None where that is not known;
        a must whose value is unknown is not met, but that of a profit factor without a losing trade
        is: it has no bound.
    """
    return [_line(goal, report) for goal in GOALS if goal.name not in without]


def missed_names(lines: list[dict[str, Any]]) -> list[str]:
    """Return the names of the musts that are not met, in the goals' order."""
    return [line["name"] for line in lines if line["must"] is not None and not line["met"]]


def _line(goal: Goal, report: Mapping[str, Any]) -> dict[str, Any]:
    value = _at(report, goal.path)
    reason = _reason(report, goal.path) if value is None else None
    judged = math.inf if reason == NO_LOSING_TRADE else value
    stretch = _at(report, goal.stretch) if isinstance(goal.stretch, str) else goal.stretch
    return {
        "name": goal.name,
        "value": value,
        "reason": reason,
        "relation": goal.relation,
        "must": goal.must,
        "stretch": stretch,
        "unit": goal.unit,
        "met": None if goal.must is None else _holds(judged, goal.relation, goal.must),
        "met_stretch": None if stretch is None else _holds(judged, goal.relation, stretch),
    }


def _reason(report: Mapping[str, Any], path: str) -> str | None:
    """Say why nothing stands at a path: no trade, or too few to draw an interval from."""
    if _has_no_loss(report, path):
        return NO_LOSING_TRADE
    if path == "spread_pp":
        return REGIME_WITHOUT_TRADE
    row = _row_at(report, path)
    if row.get("n") == 0:
        return NO_PREDICTION if path.startswith("calibration.") else NO_TRADE
    return ONE_MONTH if row.get("months") == 1 else None


def _row_at(report: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Return the innermost table row on the way down a path; empty where there is none."""
    steps = path.split(".")
    for depth in range(len(steps) - 1, 0, -1):
        row = _at(report, ".".join(steps[:depth]))
        if isinstance(row, Mapping):
            return row
    return {}


def _has_no_loss(report: Mapping[str, Any], path: str) -> bool:
    """Tell whether a path is that of a profit factor of trades that won and never lost."""
    place, _, name = path.rpartition(".")
    row = _at(report, place) if name == "profit_factor" else None
    return bool(row and row.get("win_rate") and row.get("n_losses") == 0)


def _at(report: Mapping[str, Any], path: str) -> Any:
    found: Any = report
    for step in path.split("."):
        if found is None:
            return None
        found = found[int(step)] if step.isdecimal() else found.get(step)
    return found


def _holds(value: float | None, relation: str, limit: float) -> bool:
    if value is None:
        return False
    if relation == AT_LEAST:
        return value >= limit
    return value <= limit if relation == AT_MOST else value > limit
