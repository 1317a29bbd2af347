"""Donchian channel breakout, long only.

INPUT    highs, lows, closes
OUTPUT   long from a new high until a new low
LOOKBACK max(entry_bars, exit_bars) bars

Exact rule. At the close of bar t, while flat: buy if close > highest high of the entry_bars bars
*before* t. While long: sell if close < lowest low of the exit_bars bars before t. Traded at the
open of bar t + 1, all cash in, everything out.
"""

from __future__ import annotations

import numpy as np

from marketdata.types import Bars
from trading.engine import loops
from trading.engine.indicators import rolling_max, rolling_min
from trading.engine.kernels import FloatArray, IntArray
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

REASONS = reasons(
    NO_SETUP="INSIDE", TREND_UP="BREAKOUT", TREND_UNDECIDED="BREAKOUT", TREND_DOWN="INSIDE"
)


def warm_up(params: Params) -> int:
    """Return the first index with both channel sides."""
    return max(int(params["entry_bars"]), int(params["exit_bars"]))


def prepare(bars: Bars, params: Params) -> Features:
    """Compute the channel of the bars before each bar."""
    arrays = {
        "upper": _previous(rolling_max(bars.high, int(params["entry_bars"]))),
        "lower": _previous(rolling_min(bars.low, int(params["exit_bars"]))),
    }
    regimes = regimes_of(bars)
    is_above, is_below = bars.close > arrays["upper"], bars.close < arrays["lower"]
    signals = ENTER_TREND * is_above + LEAVE_TREND * is_below
    table = long_flat.table(signals, regimes, params, REASONS)
    return Features(bars, params, regimes, warm_up(params), arrays, table)


def targets(features: Features, first: int) -> IntArray:
    """Return 1 for each bar whose close says long."""
    arrays = features.arrays
    return loops.breakout_targets_nb(features.bars.close, arrays["upper"], arrays["lower"], first)


def decide(features: Features, i: int, state: StrategyState) -> Proposal:
    """Ask the compiled rule about one bar."""
    arrays = features.arrays
    target = loops.breakout_next_nb(
        state.quantity > 0.0, features.bars.close[i], arrays["upper"][i], arrays["lower"][i]
    )
    return long_flat.propose(features, i, target, "INSIDE" if not target else "BREAKOUT")


def narrate(features: Features, i: int, state: StrategyState, proposal: Proposal) -> Narrative:
    """Say where the close stands in the channel."""
    close = float(features.bars.close[i])
    upper, lower = float(features.arrays["upper"][i]), float(features.arrays["lower"][i])
    n_entry, n_exit = features.params["entry_bars"], features.params["exit_bars"]
    if state.quantity > 0.0:
        place = "below" if close < lower else "not below"
        reason = f"close {close:,.2f} is {place} the {n_exit}-bar low {lower:,.2f}"
        would_change = f"a close {'at or above' if close < lower else 'below'} {lower:,.2f}"
    else:
        place = "above" if close > upper else "not above"
        reason = f"close {close:,.2f} is {place} the {n_entry}-bar high {upper:,.2f}"
        would_change = f"a close {'at or below' if close > upper else 'above'} {upper:,.2f}"
    return Narrative(
        reason=reason,
        would_change=would_change,
        inputs={"close": close, "channel_high": upper, "channel_low": lower},
        parameters=long_flat.parameter_lines(features),
        sizing=long_flat.sizing_lines(features, i, proposal),
    )


def _previous(values: FloatArray) -> FloatArray:
    out = np.full(values.shape[0], np.nan)
    out[1:] = values[:-1]
    return out


SPEC = StrategySpec(
    key="donchian_breakout",
    name="Donchian breakout",
    summary="Buys a close above the highest high of 20 bars, sells one below the low of 10.",
    when_it_fails=(
        "Ranges: most breakouts return into the channel and lose a little; a few long trends must "
        "pay for all of them."
    ),
    parameters=(
        Parameter("entry_bars", INT, 20, "Bars of the high to break", 2, 500, 1, unit="bars"),
        Parameter("exit_bars", INT, 10, "Bars of the low that ends it", 2, 500, 1, unit="bars"),
        *long_flat.SIZING_PARAMETERS,
    ),
    warm_up=warm_up,
    prepare=prepare,
    decide=decide,
    narrate=narrate,
    targets=targets,
)
