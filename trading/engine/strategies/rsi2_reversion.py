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
from trading.engine.counts import counted
from trading.engine.indicators import rsi, sma
from trading.engine.kernels import IntArray
from trading.engine.regimes import regimes_of
from trading.engine.rules import ENTER_DIP, LEAVE_DIP, REASONS
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
from trading.engine.strategies.tables import propose


def warm_up(params: Params) -> int:
    """Return the first index with every value."""
    averages = max(int(params["exit_bars"]), int(params["trend_bars"])) - 1
    return max(int(params["rsi_bars"]), averages)


def prepare(bars: Bars, params: Params) -> Features:
    """Compute RSI, exit average and trend average (-1 where the filter is off).

    While the price has never moved the RSI is NaN, and so no dip.
    """
    trend_bars = int(params["trend_bars"])
    arrays = {
        "rsi": rsi(bars.close, int(params["rsi_bars"]), still=np.nan),
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


def narrate(features: Features, i: int, state: StrategyState, proposal: Proposal) -> Narrative:
    """Say what the dip measures, where the exit lies, and what blocks an entry or keeps a trade."""
    words = _held_words if state.quantity > 0.0 else _flat_words
    reason, would_change = words(features, i, state)
    strength = float(features.arrays["rsi"][i])
    inputs: dict[str, float | None] = {
        "close": float(features.bars.close[i]),
        "rsi": None if np.isnan(strength) else strength,
        "exit_mean": float(features.arrays["exit_mean"][i]),
    }
    if features.params["trend_bars"]:
        inputs["trend_mean"] = float(features.arrays["trend_mean"][i])
    return Narrative(
        reason=reason,
        would_change=would_change,
        inputs=inputs,
        parameters=long_flat.parameter_lines(features),
        sizing=long_flat.sizing_lines(features, i, proposal),
    )


def _held_words(features: Features, i: int, state: StrategyState) -> tuple[str, str]:
    close, mean = float(features.bars.close[i]), float(features.arrays["exit_mean"][i])
    limit, average = int(features.params["max_bars"]), _average(features, i)
    is_over = limit > 0 and state.bars_held >= limit
    held = counted(state.bars_held, "bar")
    if limit:
        held = f"{state.bars_held} of {counted(limit, 'bar')}"
    if close > mean:
        rest = " and a later limit" if is_over else ""
        reason = f"close {close:,.2f} is above its {average} after {held}"
        return reason, f"still long on a close at or below {mean:,.2f}{rest}"
    reason = f"close {close:,.2f} is not above its {average}"
    if is_over:
        return (
            f"{counted(state.bars_held, 'bar')} held, the limit is {limit}; {reason}",
            "a later limit",
        )
    return f"{reason} after {held}", f"an exit on a close above {mean:,.2f}"


def _flat_words(features: Features, i: int, state: StrategyState) -> tuple[str, str]:
    """Name each condition of an entry: those that hold, or those that do not and block it."""
    found = _conditions(features, i)
    met = [(yes, wanted) for is_met, yes, _, wanted in found if is_met]
    unmet = [(no, wanted) for is_met, _, no, wanted in found if not is_met]
    reason = " and ".join(words for words, _ in unmet or met)
    if unmet and met:
        reason = f"{' and '.join(words for words, _ in met)}, but {reason}"
    if unmet:
        return reason, f"an entry with {' and '.join(wanted for _, wanted in unmet)}"
    return reason, f"no entry without {' and '.join(wanted for _, wanted in met)}"


def _conditions(features: Features, i: int) -> list[tuple[bool, str, str, str]]:
    """Return whether each condition of an entry holds, in words if so, if not, and as a wish."""
    params, close = features.params, float(features.bars.close[i])
    strength, level = float(features.arrays["rsi"][i]), float(params["entry_level"])
    mean, trend = float(features.arrays["exit_mean"][i]), float(features.arrays["trend_mean"][i])
    name = f"RSI({params['rsi_bars']})"
    value = "is not known before the price moves, and" if np.isnan(strength) else f"{strength:.1f}"
    found = [
        (
            strength < level,
            f"{name} {value} is below the entry level {level:g}",
            f"{name} {value} is not below the entry level {level:g}",
            f"{name} below {level:g}",
        ),
        (
            close <= mean,
            f"close {close:,.2f} is at or below its {_average(features, i)}",
            f"close {close:,.2f} is above its {_average(features, i)}",
            f"a close at or below {mean:,.2f}",
        ),
    ]
    if params["trend_bars"]:
        average = f"its {params['trend_bars']}-bar average {trend:,.2f}"
        found.append(
            (
                close > trend,
                f"the close is above {average}",
                f"the close is not above {average}",
                f"a close above {trend:,.2f}",
            )
        )
    return found


def _average(features: Features, i: int) -> str:
    return f"{features.params['exit_bars']}-bar average {features.arrays['exit_mean'][i]:,.2f}"


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
    decide=propose,
    narrate=narrate,
    targets=targets,
)
