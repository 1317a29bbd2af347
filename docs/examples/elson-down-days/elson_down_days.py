"""Buy after some falling closes in a row, sell after a fixed number of bars.

INPUT    closes
OUTPUT   long with all cash, or flat
LOOKBACK n_falls bars

An example of an own strategy: plain Python, nothing compiled.
"""

from __future__ import annotations

import numpy as np

from marketdata.types import Bars
from trading.engine.regimes import classify
from trading.engine.state import StrategyState
from trading.engine.strategies.base import (
    INT,
    Features,
    Narrative,
    Parameter,
    Params,
    Proposal,
    StrategySpec,
)


def warm_up(params: Params) -> int:
    """Return the first index with every value."""
    return int(params["n_falls"])


def prepare(bars: Bars, params: Params) -> Features:
    """Count falling closes in a row; value at i uses closes 0..i only."""
    falls = np.zeros(len(bars))
    for i in range(1, len(bars)):
        if bars.close[i] < bars.close[i - 1]:
            falls[i] = falls[i - 1] + 1.0
    regimes = classify(bars.close, bars.bars_per_year)
    return Features(bars, params, regimes, warm_up(params), {"falls": falls})


def decide(features: Features, i: int, state: StrategyState) -> Proposal:
    """Look at bar i only; the trade is made on bar i + 1."""
    if state.quantity > 0.0:
        if state.bars_held >= int(features.params["holding_bars"]):
            return Proposal(0.0, 0.0, "HOLDING_LIMIT")
        return Proposal(1.0, 1.0, "HELD", uses_all_cash=True)
    if features.arrays["falls"][i] >= int(features.params["n_falls"]):
        return Proposal(1.0, 1.0, "FALLS", kind="FALLS", uses_all_cash=True)
    return Proposal(0.0, 0.0, "NO_SETUP")


def narrate(features: Features, i: int, state: StrategyState, proposal: Proposal) -> Narrative:
    """Put the decision into words."""
    falls, wanted = int(features.arrays["falls"][i]), int(features.params["n_falls"])
    limit = int(features.params["holding_bars"])
    if state.quantity > 0.0:
        return Narrative(
            reason=f"{state.bars_held} of {limit} bars held",
            would_change=f"the opposite at {limit} bars",
            inputs={"falls": float(falls)},
        )
    return Narrative(
        reason=f"{falls} falling closes in a row, {wanted} are bought",
        would_change=f"a purchase from {wanted} falling closes on",
        inputs={"falls": float(falls)},
    )


SPEC = StrategySpec(
    key="down_days",
    name="Down days",
    summary="Buys after three falling closes in a row and sells two bars later.",
    when_it_fails="Long falls: the fourth falling day follows the third, and there is no stop.",
    parameters=(
        Parameter("n_falls", INT, 3, "Falling closes before a purchase", 1, 10, 1, unit="bars"),
        Parameter("holding_bars", INT, 2, "Bars until the sale", 1, 20, 1, unit="bars"),
    ),
    warm_up=warm_up,
    prepare=prepare,
    decide=decide,
    narrate=narrate,
)
