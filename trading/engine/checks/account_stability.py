"""Whether an account's result hangs on these exact parameters.

INPUT    a finished portfolio run, what it was made from
OUTPUT   a row: neighboring parameters; the words are those of a single instrument
LOOKBACK see `account_reruns`
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trading.engine.allocation import Allocation
from trading.engine.checks.account_reruns import AccountReruns, Progress
from trading.engine.checks.row import CheckRow, no_trade
from trading.engine.checks.stability import NEIGHBORHOOD, neighborhood_row, neighbors
from trading.engine.portfolio_backtest import PortfolioRun
from trading.engine.shared_account import Leg
from trading.engine.strategies.base import ParameterValue

# Of more neighbors, evenly chosen ones are tried.
MOST_NEIGHBORS = 40


def neighborhood(
    run: PortfolioRun, legs: Sequence[Leg], allocation: Allocation, tell: Progress
) -> CheckRow:
    """Move each number of the parameters by a tenth, one at a time, in all instruments at once."""
    if not run.account.round_trips:
        return no_trade(*NEIGHBORHOOD)
    tried = moved_parameters(legs)
    if not tried:
        return neighborhood_row(math.nan, ())
    reruns = AccountReruns(run, legs, allocation, len(tried))
    found = []
    for k, params in enumerate(tried):
        tell(k / len(tried))
        moved = [
            replace(leg, params=params.get(leg.bars.symbol, leg.params)) for leg in reruns.legs
        ]
        found.append(reruns.figures(moved).sharpe_ratio)
    return neighborhood_row(reruns.baseline.sharpe_ratio, found, reruns.span_words)


def moved_parameters(legs: Sequence[Leg]) -> list[dict[str, dict[str, ParameterValue]]]:
    """Return the neighbors, at most `MOST_NEIGHBORS`: by symbol the parameters that changed.

    A number moves in all instruments of the same strategy together.
    """
    found: dict[tuple[str, str, float], dict[str, dict[str, ParameterValue]]] = {}
    for leg in legs:
        spec, params = leg.resolved()
        for (name, sign), moved in neighbors(spec, params).items():
            found.setdefault((spec.key, name, sign), {})[leg.bars.symbol] = moved
    every = list(found.values())
    if len(every) <= MOST_NEIGHBORS:
        return every
    kept = np.linspace(0, len(every) - 1, MOST_NEIGHBORS).round().astype(int)
    return [every[k] for k in kept]
