"""What the hybrid strategy says about a decision: rule, model, contributions, size.

INPUT    features, the state and the proposal of one bar; the models bound to the strategy
OUTPUT   sentences and numbers; nothing here decides
LOOKBACK none beyond the features
"""

from __future__ import annotations

import math

import numpy as np

from trading.engine import hybrid
from trading.engine.adaptive import AdaptiveBase, adapt, explain, own_values, switched_off
from trading.engine.counts import counted
from trading.engine.explanation import ParameterNow, SizingLine
from trading.engine.learning.fitted import EXACT_TERMS, Contributions, Models
from trading.engine.sizing import volatility_target_weight
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features, Narrative, Params, Proposal, in_regimes
from trading.engine.strategies.hybrid_gate import NOT_ASKED
from trading.engine.strategies.tables import OFF, breaker_parameters
from trading.engine.types import RegimeCode

N_NAMED = 3
LEAST_VETO, MOST_VETO = 0.0, 0.9
# `step` writes one line for the breaker; its limits are no part of the rule.
BREAKER_NAMES = frozenset(parameter.key for parameter in breaker_parameters(OFF))


def narrate(
    features: Features,
    i: int,
    state: StrategyState,
    proposal: Proposal,
    models: Models = (),
) -> Narrative:
    """Write down which rules passed, what the model said and why, and the arithmetic."""
    found = contributions(features, i, models)
    reason = _reason(features, i, state, proposal)
    if proposal.rule in ("DIP", "MODEL_VETO"):
        reason += "; " + _model_sentence(features, i, models, found)
    return Narrative(
        reason=reason,
        would_change=_would_change(features, i, state, proposal),
        inputs=_inputs(features, i, state, found),
        parameters=_parameters(features, i),
        sizing=_sizing(features, i, proposal) if proposal.rule == "DIP" else (),
    )


def contributions(features: Features, i: int, models: Models) -> Contributions | None:
    """Attribute the probability of bar ``i`` to its features; None where no model was asked."""
    if features.arrays["probability"][i] == NOT_ASKED:
        return None
    model = models[int(features.arrays["model"][i])].model
    row = np.array([features.arrays[f"feature:{name}"][i] for name in model.names])
    return model.contributions(row)


def _reason(features: Features, i: int, state: StrategyState, proposal: Proposal) -> str:
    close = float(features.bars.close[i])
    strength = float(features.arrays["rsi"][i])
    position = float(features.arrays["range_position"][i])
    level, share = features.params["entry_level"], float(features.params["range_share"])
    limit, stop, target = state.holding_limit, state.stop_price or 0.0, state.target_price or 0.0
    place = f"close in the lowest {position:.0%} of the bar"
    sentences = {
        "DIP": f"RSI(2) {strength:.1f} is below {level:g} and the {place}",
        "MODEL_VETO": f"RSI(2) {strength:.1f} is below {level:g} and the {place}",
        "NOT_TRADABLE": (
            f"RSI(2) {strength:.1f} marks a dip, but a round trip costs "
            f"{_cost_share(features, i):.0%} of an ATR or the class is not traded"
        ),
        "NO_SETUP": (
            f"no dip: RSI(2) {strength:.1f} (below {level:g} wanted), close at {position:.0%} of "
            f"the bar's range (below {share:.0%} wanted)"
        ),
        "DIP_HELD": (
            f"close {close:,.2f} less the cost of selling is not above {target:,.2f} yet, "
            f"{state.bars_held} of {counted(limit, 'bar')} held"
        ),
        "PROFIT": f"close {close:,.2f} wins after costs on {state.avg_entry_price:,.2f} paid",
        "STOP": f"close {close:,.2f} is at or below the stop {stop:,.2f}",
        "HOLDING_LIMIT": f"{counted(state.bars_held, 'bar')} held, the limit is {limit}",
    }
    return sentences[proposal.rule]


def _model_sentence(features: Features, i: int, models: Models, found: Contributions | None) -> str:
    if found is None:
        return _fallback_sentence(features, i, models)
    probability = float(features.arrays["probability"][i])
    threshold = float(features.arrays["threshold"][i])
    word = "below" if probability < threshold else "not below"
    model = models[int(features.arrays["model"][i])].model
    named = ", ".join(f"{name} {value:+.3f}" for name, value in found.largest(N_NAMED))
    return (
        f"model {model.content_hash[:8]} gives P(win) {probability:.1%}, {word} the veto at "
        f"{threshold:.1%}; largest contributions ({found.method}): {named}"
    )


def _fallback_sentence(features: Features, i: int, models: Models) -> str:
    if int(features.arrays["model"][i]) >= 0:
        return "the model was not asked: a feature is unknown; the rule decided alone"
    if not models:
        return "fallback rules in use: no model decides, the rule decided alone"
    first = str(np.datetime64(models[0].valid_from, "ns").astype("datetime64[D]"))
    return (
        f"fallback rules in use: the first model is in force from {first}, the rule decided alone"
    )


def _would_change(features: Features, i: int, state: StrategyState, proposal: Proposal) -> str:
    level = features.params["entry_level"]
    threshold = float(features.arrays["threshold"][i])
    if proposal.rule == "NO_SETUP":
        share = float(features.params["range_share"])
        return f"RSI(2) below {level:g} with a close in the lowest {share:.0%} of the bar"
    if proposal.rule == "NOT_TRADABLE":
        return "a cheaper or wider-moving instrument"
    if proposal.rule == "MODEL_VETO":
        return f"a probability of {threshold:.1%} or more"
    if proposal.rule == "DIP":
        return f"RSI(2) at or above {level:g}, or a probability below the veto"
    if proposal.rule == "DIP_HELD":
        seen = "trade" if state.rests_protection else "close"
        stop = f", or a {seen} at or below {state.stop_price:,.2f}" if state.stop_price else ""
        return f"a {seen} that wins after costs{stop}"
    return "a close between stop and profit, before the limit"


def _inputs(
    features: Features, i: int, state: StrategyState, found: Contributions | None
) -> dict[str, float | None]:
    arrays = features.arrays
    inputs: dict[str, float | None] = {
        "close": float(features.bars.close[i]),
        "rsi": _known(arrays["rsi"][i]),
        "range_position": _known(arrays["range_position"][i]),
        "atr": _known(arrays["atr"][i]),
        "volatility": _known(features.regimes.volatility[i]),
        "volatility_percentile": _known(features.regimes.percentile[i]),
        "cost_rate": _known(arrays["cost_rate"][i]),
        "is_dip": _known(arrays["is_dip"][i]),
        "is_tradable": _known(arrays["is_tradable"][i]),
        "probability": _asked(arrays["probability"][i]),
        "threshold": _asked(arrays["threshold"][i]),
        "stop_price": state.stop_price,
        "target_price": state.target_price,
        "bars_held": float(state.bars_held),
    }
    if found is not None:
        pairs = zip(found.names, found.values, strict=True)
        inputs |= {f"contribution:{name}": value for name, value in pairs}
        inputs |= {
            "score_base": found.base,
            "score": found.score,
            "score_is_log_odds": float(found.method == EXACT_TERMS),
        }
    return inputs


def _parameters(features: Features, i: int) -> tuple[ParameterNow, ...]:
    """Say what the regime of this bar makes of distances and size."""
    code = int(features.regimes.relative_codes[i])
    settled = int(features.regimes.settled_codes[i])
    base = size_base(features.params)
    followed = [
        line for line in explain(base, adapt(base, settled), settled) if line.name == "size_factor"
    ]
    distances = [
        _distance("take_atr", hybrid.TAKE_ATR, code, "a bounce is taken while it lasts"),
        _distance("stop_atr", hybrid.STOP_ATR, code, "nearer where a fall can go on for weeks"),
    ]
    fixed = [
        ParameterNow(name, value, value, None, None, "fixed: does not adapt")
        for name, value in features.params.items()
        if name not in BREAKER_NAMES and name != "veto_share" and "." not in name
    ]
    return (*followed, *distances, _veto(features.params, code), *fixed)


def size_base(params: Params) -> AdaptiveBase:
    """Collect own sizes per regime and the switch; no other adaptive parameter counts."""
    return AdaptiveBase(own_values=own_values(params), switched_off=switched_off(params))


def _veto(params: Params, code: int) -> ParameterNow:
    """Say which share of its candidates the model refuses in the regime of the signal bar."""
    base = float(params["veto_share"])
    regime = RegimeCode(code).name if code >= 0 else "unknown"
    now = in_regimes(params, "veto_share")[code] if code >= 0 else base
    because = f"{regime} regime: the base value, none is set for it"
    if f"veto_share.{regime}" in params:
        because = f"{regime} regime: you set it to {now:g}, the base is {base:g}"
    return ParameterNow("veto_share", base, now, LEAST_VETO, MOST_VETO, because)


def _distance(
    name: str, table: tuple[float, float, float, float], code: int, why: str
) -> ParameterNow:
    base = table[RegimeCode.NORMAL]
    now = table[code] if code >= 0 else base
    regime = RegimeCode(code).name if code >= 0 else "unknown"
    because = f"{regime} regime of the signal bar: "
    because += "base value" if now == base else f"from {base:g} to {now:g} ATR, {why}"
    return ParameterNow(name, base, now, min(table), max(table), because)


def _sizing(features: Features, i: int, proposal: Proposal) -> tuple[SizingLine, ...]:
    target, cap = (float(features.params[name]) for name in ("target_volatility", "max_weight"))
    volatility = float(features.regimes.volatility[i])
    base = volatility_target_weight(target, volatility, cap)
    factor = adapt(size_base(features.params), int(features.regimes.settled_codes[i])).size_factor
    probability = float(features.arrays["probability"][i])
    known = "no model" if probability == NOT_ASKED else f"P(win) {probability:.1%}"
    weight = proposal.target_weight
    return (
        SizingLine("target volatility", target, f"{target:.0%} a year wanted"),
        SizingLine("volatility", volatility, f"{volatility:.1%} a year now (EWMA)"),
        SizingLine(
            "volatility-target weight",
            base,
            f"{target:.3f} ÷ {volatility:.3f}, at most {cap:g} = {base:.3f}",
        ),
        SizingLine("× size factor", factor, f"× {factor:g} for the regime"),
        SizingLine(
            "× confidence", proposal.signal, f"× {proposal.signal:.3f} by expected value, {known}"
        ),
        SizingLine("target weight", weight, f"= {weight:.3f} of equity"),
    )


def _cost_share(features: Features, i: int) -> float:
    unit = float(features.arrays["atr"][i])
    cost = 2.0 * float(features.arrays["cost_rate"][i]) * float(features.bars.close[i])
    return cost / unit if unit > 0.0 else math.inf


def _asked(value: float) -> float | None:
    return None if value == NOT_ASKED else float(value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
