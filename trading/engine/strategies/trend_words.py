"""What the volatility-adaptive trend says about a decision: rule, arithmetic, what would change it.

INPUT    features, the state and the proposal of one bar, the base of the adaptive parameters
OUTPUT   sentences and numbers; nothing here decides
LOOKBACK none beyond the features
"""

from __future__ import annotations

import numpy as np

from trading.engine.adaptive import RULES, AdaptiveBase, AdaptiveNow, explain, now_at
from trading.engine.counts import counted
from trading.engine.explanation import ParameterNow, SizingLine
from trading.engine.sizing import volatility_target_weight
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features, Narrative, Proposal
from trading.engine.strategies.trend_rows import BAND_ATR, EXIT_BARS

PULLBACK = "PULLBACK"


def narrate(
    features: Features, i: int, state: StrategyState, proposal: Proposal, base: AdaptiveBase
) -> Narrative:
    """Write down inputs, adaptive parameters, arithmetic and what would have changed it."""
    now = _now(features, i)
    code = int(features.regimes.settled_codes[i])
    params = features.params
    fixed = tuple(
        ParameterNow(name, params[name], params[name], None, None, "fixed: does not adapt")
        for name in (
            "target_volatility",
            "max_weight",
            "pullback_share",
            "no_trade_band",
            "trail_atr",
        )
    )
    return Narrative(
        reason=_reason(features, i, state, now, proposal),
        would_change=_would_change(features, i, state, now, proposal),
        inputs=_inputs(features, i, state),
        parameters=explain(base, now, code) + fixed,
        sizing=_sizing(features, i, now, proposal) if proposal.target_weight else (),
        size_reason=_size_reason(features, i, now),
    )


def _now(features: Features, i: int) -> AdaptiveNow:
    return now_at([features.arrays[name] for name in RULES], i)


def _trend_mean(features: Features, i: int) -> float:
    return float(features.arrays["trend_mean"][i])


def _inputs(features: Features, i: int, state: StrategyState) -> dict[str, float | None]:
    return {
        "close": float(features.bars.close[i]),
        "trend_mean": _trend_mean(features, i),
        "exit_mean": float(features.arrays["exit_mean"][i]),
        "rsi": _known(features.arrays["rsi"][i]),
        "atr": float(features.arrays["atr"][i]),
        "volatility": float(features.regimes.volatility[i]),
        "volatility_percentile": _known(features.regimes.percentile[i]),
        "stop_price": state.stop_price,
        "bars_held": float(state.bars_held),
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _sizing(
    features: Features, i: int, now: AdaptiveNow, proposal: Proposal
) -> tuple[SizingLine, ...]:
    params = features.params
    target, cap = float(params["target_volatility"]), float(params["max_weight"])
    volatility = float(features.regimes.volatility[i])
    base = volatility_target_weight(target, volatility, cap)
    lines = [
        SizingLine("target volatility", target, f"{target:.0%} a year wanted"),
        SizingLine("volatility", volatility, f"{volatility:.1%} a year now (EWMA)"),
        SizingLine(
            "volatility-target weight",
            base,
            f"{target:.3f} ÷ {volatility:.3f}, at most {cap:g} = {base:.3f}",
        ),
        SizingLine("× size factor", now.size_factor, f"× {now.size_factor:g} for the regime"),
    ]
    if proposal.kind == PULLBACK:
        share = float(params["pullback_share"])
        lines.append(SizingLine("× pullback share", share, f"× {share:g} against the trend"))
    weight = proposal.target_weight
    lines.append(SizingLine("target weight", weight, f"= {weight:.3f} of equity"))
    return tuple(lines)


def _size_reason(features: Features, i: int, now: AdaptiveNow) -> str:
    volatility = float(features.regimes.volatility[i])
    return f"volatility {volatility:.1%} a year, × {now.size_factor:g} for the regime"


def _nothing_wanted(features: Features, i: int, now: AdaptiveNow, proposal: Proposal) -> str:
    """Say why an entry or a position gets no size; empty where it gets some."""
    if proposal.target_weight or not proposal.kind:
        return ""
    if not features.regimes.volatility[i] > 0.0:
        return "the price has not moved: there is no volatility to size by"
    if not now.size_factor:
        return "the size factor of the regime is 0"
    return "dips get a share of 0 of the size"


def _reason(
    features: Features, i: int, state: StrategyState, now: AdaptiveNow, proposal: Proposal
) -> str:
    nothing = _nothing_wanted(features, i, now, proposal)
    return _rule_reason(features, i, state, now, proposal) + (f", but {nothing}" if nothing else "")


def _rule_reason(
    features: Features, i: int, state: StrategyState, now: AdaptiveNow, proposal: Proposal
) -> str:
    close, mean = float(features.bars.close[i]), _trend_mean(features, i)
    strength = float(features.arrays["rsi"][i])
    # Where nothing moved there is no RSI(2), and so no dip.
    is_dip = "is not known and so" if np.isnan(strength) else f"{strength:.1f} is"
    average = f"{now.lookback_bars}-bar average {mean:,.2f}"
    stop, held = state.stop_price, counted(state.bars_held, "bar")
    sentences = {
        "TREND_UP": f"close {close:,.2f} is clearly above its {average}",
        "TREND_UNDECIDED": f"close {close:,.2f} is too near its {average} to call the trend over",
        "TREND_DOWN": f"close {close:,.2f} fell clearly below its {average}",
        "DIP": f"RSI(2) {strength:.1f} marks a dip (bought below {now.entry_threshold:g})",
        "RECOVERED": (
            f"close {close:,.2f} is back above its {EXIT_BARS}-bar average "
            f"{features.arrays['exit_mean'][i]:,.2f}"
        ),
        "TARGET": f"close {close:,.2f} is above the target {state.target_price or 0.0:,.2f}",
        "HOLDING_LIMIT": f"{held} held, the limit now is {now.holding_bars}",
        "STOP": f"close {close:,.2f} is at or below the stop {stop or 0.0:,.2f}",
        "NO_SETUP": (
            f"close {close:,.2f} is not clearly above its {average} and RSI(2) {is_dip} not below "
            f"{now.entry_threshold:g}"
        ),
    }
    if proposal.rule == "DIP" and state.quantity > 0.0:
        return (
            f"the dip has not recovered: close {close:,.2f} is not above its {EXIT_BARS}-bar "
            f"average {features.arrays['exit_mean'][i]:,.2f}, {state.bars_held} of "
            f"{counted(now.holding_bars, 'bar')} held"
        )
    return sentences[proposal.rule]


def _would_change(
    features: Features, i: int, state: StrategyState, now: AdaptiveNow, proposal: Proposal
) -> str:
    band = BAND_ATR * float(features.arrays["atr"][i])
    mean = _trend_mean(features, i)
    exit_mean = float(features.arrays["exit_mean"][i])
    if nothing := _nothing_wanted(features, i, now, proposal):
        return f"a size above zero; {nothing}"
    if proposal.rule == "NO_SETUP":
        return (
            f"an entry on a close above {mean + band:,.2f} or with RSI(2) below "
            f"{now.entry_threshold:g}"
        )
    if state.quantity == 0.0:
        return (
            f"no entry if the close were at or below {mean + band:,.2f} and RSI(2) at or above "
            f"{now.entry_threshold:g}"
        )
    stop = f"{state.stop_price:,.2f}" if state.stop_price is not None else "the stop"
    below = "a trade at or below" if state.rests_protection else "at or below"
    if not proposal.kind:
        return _still_long(features, i, state, now, proposal)
    if proposal.kind == PULLBACK:
        return f"an exit on a close above {exit_mean:,.2f}, or {below} {stop}"
    return f"an exit on a close below {mean - band:,.2f}, or {below} {stop}"


def _still_long(
    features: Features, i: int, state: StrategyState, now: AdaptiveNow, proposal: Proposal
) -> str:
    """Say which closes would have kept a position that is left."""
    band = BAND_ATR * float(features.arrays["atr"][i])
    mean = _trend_mean(features, i)
    exit_mean = float(features.arrays["exit_mean"][i])
    trend, stop = mean + band, state.stop_price or 0.0
    if proposal.rule == "TARGET":
        return f"still long on a close at or below {state.target_price or 0.0:,.2f}"
    if proposal.rule == "RECOVERED":
        return f"still long on a close at or below {exit_mean:,.2f}, or above {trend:,.2f}"
    if proposal.rule == "TREND_DOWN":
        return f"still long on a close at or above {mean - band:,.2f}"
    if proposal.rule == "STOP" and state.entry_kind != PULLBACK:
        return f"still long on a close above {max(stop, mean - band):,.2f}"
    if proposal.rule == "STOP" and state.bars_held < now.holding_bars and stop < exit_mean:
        return (
            f"still long on a close above {stop:,.2f} and at or below {exit_mean:,.2f}, or above "
            f"{max(stop, trend):,.2f}"
        )
    return f"still long on a close above {max(stop, trend):,.2f}"
