"""Whether a result hangs on these exact parameters.

INPUT    a finished run, its bars
OUTPUT   a row: neighboring parameters
LOOKBACK the whole run
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from marketdata.types import Bars
from trading.engine.backtest import BacktestRun
from trading.engine.checks.reruns import Reruns
from trading.engine.checks.row import CheckRow, no_trade, not_applicable
from trading.engine.strategies.base import Parameter, ParameterValue, Params, StrategySpec
from trading.engine.types import RuleStatus

STEP_SHARE = 0.10
KEPT_GOOD = 0.5
# Key and title of the row.
NEIGHBORHOOD = ("NEIGHBORHOOD", "Neighboring parameters")


def neighborhood(run: BacktestRun, bars: Bars) -> CheckRow:
    """Move each number of the parameters by a tenth, one at a time, up and down."""
    if not run.round_trips:
        return no_trade(*NEIGHBORHOOD)
    tried = neighbors(run.spec, run.params)
    if not tried:
        return neighborhood_row(math.nan, ())
    reruns = Reruns(run, bars, len(tried))
    found = [reruns.figures(reruns.bars, params).sharpe_ratio for params in tried.values()]
    return neighborhood_row(reruns.baseline.sharpe_ratio, found, reruns.span_words)


def neighborhood_row(ours: float, tried: Sequence[float], span: str = "") -> CheckRow:
    """Judge a Sharpe ratio by those of its neighbors; NaN is one that could not be run."""
    if not len(tried):
        return not_applicable(*NEIGHBORHOOD, "The strategy has no number to move.")
    found = np.array(tried)
    found = found[np.isfinite(found)]
    if not found.shape[0] or not math.isfinite(ours):
        return not_applicable(*NEIGHBORHOOD, "No neighbor could be run and traded.")
    worst, median, best = (float(q) for q in np.quantile(found, (0.0, 0.5, 1.0)))
    numbers = {
        "sharpe_ratio": ours, "worst": worst, "median": median, "best": best,
        "n": float(found.shape[0]),
    }  # fmt: skip
    sentence = (
        f"Sharpe {ours:.2f}{span}; with each parameter moved by 10 % "
        f"({found.shape[0]} neighbors) {worst:.2f} to {best:.2f}, {median:.2f} in the middle."
    )
    return CheckRow(*NEIGHBORHOOD, _neighbor_status(ours, worst, median), sentence, numbers)


def _neighbor_status(ours: float, worst: float, median: float) -> RuleStatus:
    if ours <= 0.0 or median <= 0.0:
        return RuleStatus.FAIL
    is_flat = worst > 0.0 and median >= KEPT_GOOD * ours
    return RuleStatus.PASS if is_flat else RuleStatus.WARN


def neighbors(
    spec: StrategySpec, params: Params
) -> dict[tuple[str, float], dict[str, ParameterValue]]:
    """Return, by name and sign, the parameters with one number moved, where its bounds allow it."""
    tried = {}
    for parameter in spec.parameters:
        for sign in (-1.0, 1.0):
            value = _moved(parameter, params[parameter.key], sign)
            if value is not None:
                tried[parameter.key, sign] = {**params, parameter.key: value}
    return tried


def _moved(parameter: Parameter, value: ParameterValue, sign: float) -> ParameterValue | None:
    """Return the value a tenth away, a whole number at least one away; None outside the bounds."""
    if parameter.kind == "CHOICE" or isinstance(value, str) or value == 0:
        return None
    step = abs(float(value)) * STEP_SHARE
    moved: float = float(value) + sign * step
    if parameter.kind == "INT":
        moved = float(value) + sign * max(round(step), 1)
    low = -math.inf if parameter.low is None else parameter.low
    high = math.inf if parameter.high is None else parameter.high
    if not low <= moved <= high:
        return None
    return int(moved) if parameter.kind == "INT" else moved
