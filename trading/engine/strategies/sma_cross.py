"""Moving-average cross.

INPUT    closes
OUTPUT   fully invested while SMA(fast) > SMA(slow), else flat
LOOKBACK slow - 1 bars

Exact rule. At the close of bar t: long if both averages are defined and SMA(fast) > SMA(slow),
flat otherwise (also while they are equal). A change is traded at the open of bar t + 1 (at its
close for series with exec_price CLOSE). Entry uses all cash including commission, fractional units;
exit sells everything. A position still open at the end is marked at the last close.
"""

from __future__ import annotations

import numpy as np

from marketdata.types import Bars
from trading.engine import loops
from trading.engine.errors import ParameterInvalid
from trading.engine.indicators import sma
from trading.engine.kernels import IntArray
from trading.engine.regimes import regimes_of
from trading.engine.rules import ENTER_TREND, LEAVE_TREND
from trading.engine.state import StrategyState
from trading.engine.strategies import long_flat
from trading.engine.strategies.base import (
    INT,
    Features,
    Narrative,
    Parameter,
    Params,
    Proposal,
    StrategySpec,
)
from trading.engine.strategies.tables import reasons

REASONS = reasons(NO_SETUP="BELOW", TREND_UP="ABOVE", TREND_UNDECIDED="ABOVE", TREND_DOWN="BELOW")


def warm_up(params: Params) -> int:
    """Return the first index with both averages."""
    return max(int(params["fast"]), int(params["slow"])) - 1


def prepare(bars: Bars, params: Params) -> Features:
    """Compute both averages and the regimes."""
    arrays = {
        "fast": sma(bars.close, int(params["fast"])),
        "slow": sma(bars.close, int(params["slow"])),
    }
    regimes = regimes_of(bars)
    is_above = arrays["fast"] > arrays["slow"]
    signals = np.where(is_above, ENTER_TREND, LEAVE_TREND)
    table = long_flat.table(signals, regimes, params, REASONS)
    return Features(bars, params, regimes, warm_up(params), arrays, table)


def targets(features: Features, first: int) -> IntArray:
    """Return 1 for each bar whose close says long."""
    out = loops.sma_cross_targets_nb(features.arrays["fast"], features.arrays["slow"])
    out[:first] = 0
    return out


def decide(features: Features, i: int, state: StrategyState) -> Proposal:
    """Want all or nothing."""
    is_above = features.arrays["fast"][i] > features.arrays["slow"][i]
    return long_flat.propose(features, i, int(is_above), "ABOVE" if is_above else "BELOW")


def narrate(features: Features, i: int, state: StrategyState, proposal: Proposal) -> Narrative:
    """Say where the averages stand."""
    fast, slow = float(features.arrays["fast"][i]), float(features.arrays["slow"][i])
    n_fast, n_slow = features.params["fast"], features.params["slow"]
    gap = fast / slow - 1.0
    place = "above" if fast > slow else "not above"
    return Narrative(
        reason=(
            f"the {n_fast}-bar average {fast:,.2f} is {place} the {n_slow}-bar average "
            f"{slow:,.2f} ({gap:+.2%})"
        ),
        would_change=(
            f"the opposite if the {n_fast}-bar average were "
            f"{'at or below' if fast > slow else 'above'} {slow:,.2f}"
        ),
        inputs={"close": float(features.bars.close[i]), "sma_fast": fast, "sma_slow": slow},
        parameters=long_flat.parameter_lines(features),
        sizing=long_flat.sizing_lines(features, i, proposal),
    )


def caution(params: Params) -> str:
    """Say of a fast mean longer than the slow one what the rule then does."""
    fast, slow = params["fast"], params["slow"]
    if int(fast) < int(slow):
        return ""
    return (
        f"The fast mean has {fast} bars and the slow one {slow}: so the rule is invested while "
        "prices turn down, and in cash while they turn up."
    )


def check(params: Params) -> None:
    """Refuse two averages of the same length."""
    if params["fast"] == params["slow"]:
        fault = ParameterInvalid(f"fast and slow are both {params['fast']}; they must differ")
        fault.parameter = "fast"
        raise fault


SPEC = StrategySpec(
    key="sma_cross",
    name="Moving-average cross",
    summary="Fully invested while the fast average is above the slow one, in cash otherwise.",
    when_it_fails=(
        "Sideways markets: the averages cross back and forth and every cross costs money. "
        "Sudden falls: the averages turn weeks after the top."
    ),
    parameters=(
        Parameter("fast", INT, 20, "Length of the fast mean", low=1, high=500, step=1, unit="bars"),
        Parameter(
            "slow", INT, 50, "Length of the slow mean", low=2, high=1_000, step=1, unit="bars"
        ),
        *long_flat.SIZING_PARAMETERS,
    ),
    warm_up=warm_up,
    prepare=prepare,
    decide=decide,
    narrate=narrate,
    targets=targets,
    check=check,
    caution=caution,
)
