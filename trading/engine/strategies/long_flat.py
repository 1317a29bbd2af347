"""What the three simple long-or-flat rules share: sizing mode and its words.

INPUT    the rule's 0/1 target
OUTPUT   a `Proposal`, all cash or by volatility target
LOOKBACK none
"""

from __future__ import annotations

import numpy as np

from trading.engine.explanation import ParameterNow, SizingLine
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.loops import signal_rows_nb
from trading.engine.regimes import RegimeSeries
from trading.engine.rules import KINDS, TREND, RuleTable
from trading.engine.sizing import volatility_target_weight
from trading.engine.strategies.base import CHOICE, FLOAT, Features, Parameter, Params, Proposal

ALL_IN = "all_in"
VOLATILITY_TARGET = "volatility_target"

SIZING_PARAMETERS = (
    Parameter(
        "sizing",
        CHOICE,
        ALL_IN,
        "All in buys with all cash; volatility target holds the wanted volatility / volatility",
        choices=(ALL_IN, VOLATILITY_TARGET),
    ),
    Parameter(
        "target_volatility",
        FLOAT,
        0.15,
        "Wanted volatility of the position a year, read only with sizing by volatility target",
        low=0.01,
        high=1.0,
        step=0.01,
        unit="ratio",
    ),
)


def propose(
    features: Features,
    i: int,
    target: int,
    rule: str,
    kind: int = TREND,
) -> Proposal:
    """Turn a 0/1 target into a proposal under the chosen sizing."""
    is_all_in = features.params["sizing"] == ALL_IN
    if target == 0:
        return Proposal(0.0, 0.0, rule, uses_all_cash=is_all_in)
    weight = 1.0 if is_all_in else target_weight(features, i)
    return Proposal(weight, 1.0, rule, kind=KINDS[kind], uses_all_cash=is_all_in)


def weights(regimes: RegimeSeries, params: Params) -> FloatArray:
    """Return the weight of a position at each bar, as `propose` gives it."""
    if params["sizing"] == ALL_IN:
        return np.ones(regimes.volatility.shape[0])
    out = np.zeros(regimes.volatility.shape[0])
    is_known = regimes.volatility > 0.0
    np.divide(float(params["target_volatility"]), regimes.volatility, out=out, where=is_known)
    return np.minimum(out, 1.0)


def table(
    signals: IntArray,
    regimes: RegimeSeries,
    params: Params,
    reasons: tuple[str, ...],
    max_bars: int = 0,
) -> RuleTable:
    """Return the table of a rule: its signal bits, one weight for both kinds, no stops."""
    rows = signal_rows_nb(signals, weights(regimes, params), max_bars)
    return RuleTable(rows, uses_all_cash=params["sizing"] == ALL_IN, reasons=reasons)


def target_weight(features: Features, i: int) -> float:
    """Return the volatility-target weight at bar ``i``, at most 1."""
    volatility = float(features.regimes.volatility[i])
    return volatility_target_weight(float(features.params["target_volatility"]), volatility)


def sizing_lines(features: Features, i: int, proposal: Proposal) -> tuple[SizingLine, ...]:
    """Write down how the weight came about."""
    if proposal.target_weight == 0.0:
        return ()
    if proposal.uses_all_cash:
        text = "all cash at the fill, commission included"
        return (SizingLine("target weight", 1.0, text),)
    target = float(features.params["target_volatility"])
    volatility = float(features.regimes.volatility[i])
    return (
        SizingLine("target volatility", target, f"{target:.0%} a year wanted"),
        SizingLine("volatility", volatility, f"{volatility:.1%} a year now (EWMA)"),
        SizingLine(
            "target weight",
            proposal.target_weight,
            f"{target:.3f} ÷ {volatility:.3f}, at most 1 = {proposal.target_weight:.3f}",
        ),
    )


def parameter_lines(features: Features) -> tuple[ParameterNow, ...]:
    """List the fixed parameters; none of them follows the regime."""
    return tuple(
        ParameterNow(name, value, value, None, None, "fixed: this strategy does not adapt")
        for name, value in features.params.items()
    )
