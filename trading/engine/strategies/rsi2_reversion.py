"""Two-day RSI reversion with an exit that does not look at the trade's own profit.

INPUT    closes
OUTPUT   long after a sharp dip until the price is back above its short average
LOOKBACK max(rsi_bars, exit_bars - 1, trend_bars - 1) bars

Exact rule. At the close of bar t, while flat: buy if RSI(rsi_bars) < entry_level and
close <= SMA(exit_bars), and, with trend_bars > 0, close > SMA(trend_bars). While long: sell if
close > SMA(exit_bars), or after max_bars closes in the position (the entry bar counts as one; 0
switches the limit off). Traded at the open of bar t + 1, all cash in, everything out.
"""

from __future__ import annotations

import numpy as np

from marketdata.types import Bars
from trading.engine import loops
from trading.engine.indicators import rsi, sma
from trading.engine.kernels import IntArray
from trading.engine.regimes import regimes_of
from trading.engine.rules import DIP, ENTER_DIP, LEAVE_DIP
from trading.engine.state import StrategyState
from trading.engine.strategies import long_flat
from trading.engine.strategies.base import (
    FLOAT,
    INT,
    Features,
    Narrative,
    Parameter,
    Params,
    Proposal,
    StrategySpec,
)
from trading.engine.strategies.tables import reasons

REASONS = reasons(NO_SETUP="RECOVERED", HOLDING_LIMIT="RECOVERED")


def warm_up(params: Params) -> int:
    """Return the first index with every value."""
    averages = max(int(params["exit_bars"]), int(params["trend_bars"])) - 1
    return max(int(params["rsi_bars"]), averages)


def prepare(bars: Bars, params: Params) -> Features:
    """Compute RSI, exit average and trend average (-1 where the filter is off)."""
    trend_bars = int(params["trend_bars"])
    arrays = {
        "rsi": rsi(bars.close, int(params["rsi_bars"])),
        "exit_mean": sma(bars.close, int(params["exit_bars"])),
        "trend_mean": sma(bars.close, trend_bars) if trend_bars else np.full(len(bars), -1.0),
    }
    regimes = regimes_of(bars)
    is_trend_up = (arrays["trend_mean"] < 0.0) | (bars.close > arrays["trend_mean"])
    is_dip = arrays["rsi"] < float(params["entry_level"])
    is_entry = is_dip & (bars.close <= arrays["exit_mean"]) & is_trend_up
    is_exit = bars.close > arrays["exit_mean"]
    signals = ENTER_DIP * is_entry + LEAVE_DIP * is_exit
    table = long_flat.table(signals, regimes, params, REASONS, int(params["max_bars"]))
    return Features(bars, params, regimes, warm_up(params), arrays, table)


def targets(features: Features, first: int) -> IntArray:
    """Return 1 for each bar whose close says long."""
    arrays = features.arrays
    return loops.reversion_targets_nb(
        arrays["rsi"],
        features.bars.close,
        arrays["exit_mean"],
        arrays["trend_mean"],
        float(features.params["entry_level"]),
        int(features.params["max_bars"]),
        first,
    )


def decide(features: Features, i: int, state: StrategyState) -> Proposal:
    """Ask the compiled rule about one bar."""
    arrays = features.arrays
    target = loops.reversion_next_nb(
        state.quantity > 0.0,
        state.bars_held,
        arrays["rsi"][i],
        features.bars.close[i],
        arrays["exit_mean"][i],
        arrays["trend_mean"][i],
        float(features.params["entry_level"]),
        int(features.params["max_bars"]),
    )
    return long_flat.propose(features, i, state, target, "DIP" if target else "RECOVERED", DIP)


def narrate(features: Features, i: int, state: StrategyState, proposal: Proposal) -> Narrative:
    """Say what the dip measures and where the exit lies."""
    close = float(features.bars.close[i])
    strength = float(features.arrays["rsi"][i])
    mean = float(features.arrays["exit_mean"][i])
    level = float(features.params["entry_level"])
    limit = int(features.params["max_bars"])
    n_rsi, n_exit = features.params["rsi_bars"], features.params["exit_bars"]
    if state.quantity > 0.0:
        place = "above" if close > mean else "not above"
        reason = (
            f"close {close:,.2f} is {place} its {n_exit}-bar average {mean:,.2f} after "
            f"{state.bars_held} of {limit or 'unlimited'} bars"
        )
        would_change = f"a close {'at or below' if close > mean else 'above'} {mean:,.2f}"
    else:
        place = "below" if strength < level else "not below"
        reason = f"RSI({n_rsi}) {strength:.1f} is {place} the entry level {level:g}"
        would_change = f"RSI({n_rsi}) {'at or above' if strength < level else 'below'} {level:g}"
    return Narrative(
        reason=reason,
        would_change=would_change,
        inputs={"close": close, "rsi": strength, "exit_mean": mean},
        parameters=long_flat.parameter_lines(features),
        sizing=long_flat.sizing_lines(features, i, proposal),
    )


SPEC = StrategySpec(
    key="rsi2_reversion",
    name="RSI(2) reversion",
    summary="Buys a sharp short dip and sells when the price is back above its 5-bar average.",
    when_it_fails=(
        "Long one-way falls: dips keep coming and there is no stop. After costs, small wins in "
        "calm markets can be worth less than the trades cost."
    ),
    parameters=(
        Parameter("rsi_bars", INT, 2, "Changes averaged by the RSI", 1, 50, 1, unit="bars"),
        Parameter(
            "entry_level", FLOAT, 10.0, "Buy below this RSI", 0.5, 50.0, 0.5, unit="RSI points"
        ),
        Parameter("exit_bars", INT, 5, "Sell above the mean of so many closes", 1, 100, 1),
        Parameter("max_bars", INT, 10, "Sell after so many bars; 0 = no limit", 0, 250, 1),
        Parameter("trend_bars", INT, 0, "Buy only above this average; 0 = always", 0, 500, 1),
        *long_flat.SIZING_PARAMETERS,
    ),
    warm_up=warm_up,
    prepare=prepare,
    decide=decide,
    narrate=narrate,
    targets=targets,
)
