"""A decision in words: what was decided, why, from which numbers, what would have changed it.

INPUT    features, state, proposal and plan of one bar
OUTPUT   a `Decision`
LOOKBACK none
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from trading.engine.adaptive import RULES
from trading.engine.breaker import LEVELS, breaker_sentence
from trading.engine.counts import counted
from trading.engine.decision_rules import WITHHOLDING, rule_of_warm_up, rules_of
from trading.engine.explanation import Decision, ParameterNow, SizingLine
from trading.engine.outside import OutsideSales
from trading.engine.own_limits import Cut
from trading.engine.planning import (
    FRESH_SIGNAL,
    OFF_SCHEDULE,
    PAUSED,
    SOLD_BY_HAND,
    TOO_SOON,
    Bounds,
    Plan,
    StepContext,
    scheduled_out,
)
from trading.engine.protection import level_of, protective_orders
from trading.engine.regimes import N_CONFIRM
from trading.engine.schedule import moment_text, schedule_of
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features, Narrative, Proposal
from trading.engine.types import DecisionAction, regime_of

_VERBS = {
    DecisionAction.ENTER_LONG: "Buy",
    DecisionAction.ENTER_SHORT: "Sell short",
    DecisionAction.EXIT: "Exit",
    DecisionAction.REDUCE: "Reduce",
    DecisionAction.INCREASE: "Increase",
    DecisionAction.HOLD: "Hold",
    DecisionAction.NO_TRADE: "No trade",
    DecisionAction.WARM_UP: "Warm-up",
}

_BLOCKS = {
    "NO_TRADE_BAND": "the weight differs too little to be worth a trade",
    "QUANTITY_STEP": "the size rounds down to no unit",
    "CASH": "cash allows no more",
    "NO_EQUITY": "the book has no equity left",
    "WARM_UP": "too few bars",
    "BREAKER": "the circuit breaker allows nothing",
    "SIZE_LIMIT": "its own limits leave no room",
    "LOSS_LIMIT": "its own daily loss is used up",
    "NO_SLOT": "every place of the portfolio is taken",
    "NO_SIZE": "its size is zero",
}


# What would have to happen before what was withheld is added.
_FIRST = {
    PAUSED: "the strategy resumed",
    FRESH_SIGNAL: "its rule asking for nothing at one close and for an entry at a later one",
    SOLD_BY_HAND: "the end of this position and a new one",
    OFF_SCHEDULE: "a close within its schedule",
    TOO_SOON: "more bars since it last added",
}
ENTRIES = (DecisionAction.ENTER_LONG, DecisionAction.ENTER_SHORT)
BAND = "NO_TRADE_BAND"
STOPPED = Narrative(
    reason="the stop was met, but the volume of the bar was too small for all of it",
    would_change="nothing: what is left goes at the next open",
)


def decision_of(
    features: Features,
    i: int,
    state: StrategyState,
    context: StepContext,
    bounds: Bounds,
    plan: Plan,
) -> Decision:
    """Explain one bar: what the rule wanted, what breaker and own limits left of it."""
    narrative = (
        STOPPED if state.is_stopped else context.spec.narrate(features, i, state, bounds.proposal)
    )
    blocked_by = bounds.stop or plan.blocked_by
    resized = _resized(float(features.bars.close[i]), state, bounds, plan, narrative)
    return Decision(
        action=plan.action,
        bar=i,
        decided_at=int(features.bars.closed_at[i]),
        symbol=features.bars.symbol,
        strategy_key=context.spec.key,
        close=float(features.bars.close[i]),
        regime=regime_of(int(features.regimes.codes[i])),
        signal=bounds.proposal.signal,
        target_weight=bounds.allowed.target_weight,
        target_quantity=plan.target_quantity,
        reason=_sentence(plan, narrative, context, blocked_by, bounds.cut, resized),
        would_change=_would_change(plan, narrative),
        blocked_by=blocked_by,
        inputs=_inputs(narrative, state, context),
        parameters=_regime_parameters(features, i, state, narrative)
        + narrative.parameters
        + _breaker_parameters(state)
        + (_pause_parameters(context) or _schedule_parameters(features, i, state)),
        sizing=narrative.sizing
        + _breaker_lines(state, bounds.proposal, bounds.guarded)
        + _limit_lines(bounds.cut)
        + _quantity_lines(features, i, state, bounds.allowed, plan, context)
        + _pause_lines(plan),
        rules=rules_of(features, i, state, context, bounds, plan),
    )


def with_outside(
    decision: Decision | None, outside: OutsideSales | None, state: StrategyState
) -> Decision | None:
    """Add what others sold before a decision; ``state`` is the one it was made in."""
    if decision is None or outside is None:
        return decision
    because = outside.sentence(state.quantity, is_overruled=state.is_overruled)
    line = ParameterNow("position", outside.held, state.quantity, None, None, because)
    return replace(
        decision,
        reason=f"{decision.reason} {because[0].upper()}{because[1:]}.",
        parameters=(line, *decision.parameters),
    )


def with_protection(
    decision: Decision, state: StrategyState, proposal: Proposal, tick_size: float
) -> Decision:
    """Add what rests at the market after a decision; ``state`` is the one it leaves."""
    if decision.action in ENTRIES and proposal.rests_protection:
        rests = _to_rest(proposal, decision.action)
    else:
        rests = _resting(state, decision.symbol, tick_size)
    if not rests:
        return decision
    lines, parts = zip(*rests, strict=True)
    words = "; ".join(parts)
    return replace(
        decision,
        reason=f"{decision.reason} {words.capitalize()}.",
        parameters=decision.parameters + lines,
    )


def _to_rest(proposal: Proposal, action: DecisionAction) -> list[tuple[ParameterNow, str]]:
    """Say what will rest once an entry is filled, as a line and in words."""
    sides = ("below", "above") if action is DecisionAction.ENTER_LONG else ("above", "below")
    parts = (("stop", proposal.stop_distance), ("target", proposal.target_distance))
    return [
        (
            _line(f"{part}_distance", distance, f"that far {side} the entry, from its fill on"),
            f"a {part} will rest {distance:,.2f} {side} the entry price once it is filled",
        )
        for (part, distance), side in zip(parts, sides, strict=True)
        if distance is not None
    ]


def _resting(state: StrategyState, symbol: str, tick_size: float) -> list[tuple[ParameterNow, str]]:
    """Say what rests from this close on, as a line and in words."""
    entry, rests = state.avg_entry_price, []
    for order in protective_orders(state, symbol, tick_size):
        level = level_of(order)
        side = "below" if level < entry else "above"
        because = f"{abs(level - entry):,.2f} {side} the entry at {entry:,.2f}, filled inside a bar"
        line = _line(order.client_order_id.lower(), level, because)
        rests.append((line, f"{line.name} {level:,.2f} rests: {because}"))
    return rests


def _line(name: str, value: float, because: str) -> ParameterNow:
    return ParameterNow(name, value, value, None, None, because)


def _inputs(
    narrative: Narrative, state: StrategyState, context: StepContext
) -> Mapping[str, float | None]:
    """Add the correlation where a breaker has looked at one."""
    if state.breaker is None or math.isnan(context.correlation):
        return narrative.inputs
    return {**narrative.inputs, "correlation": context.correlation}


def _regime_parameters(
    features: Features, i: int, state: StrategyState, narrative: Narrative
) -> tuple[ParameterNow, ...]:
    """Name the settled regime where adaptive parameters follow another than that of the bar."""
    code = int(features.regimes.codes[i])
    if code == state.regime_code or not any(line.name in RULES for line in narrative.parameters):
        return ()
    bar, settled = (str(regime_of(one) or "UNKNOWN") for one in (code, state.regime_code))
    because = f"the bar is {bar}; what adapts follows a fall only after {N_CONFIRM} bars"
    return (ParameterNow("regime_followed", bar, settled, None, None, because),)


def _breaker_parameters(state: StrategyState) -> tuple[ParameterNow, ...]:
    if state.breaker is None:
        return ()
    because = breaker_sentence(state.breaker, state.last_bar_at)
    return (ParameterNow("breaker", LEVELS[0], state.breaker.name, None, None, because),)


def _breaker_lines(
    state: StrategyState, proposal: Proposal, allowed: Proposal
) -> tuple[SizingLine, ...]:
    if state.breaker is None or proposal.target_weight == 0.0:
        return ()
    factor = allowed.target_weight / proposal.target_weight
    sentence = breaker_sentence(state.breaker, state.last_bar_at)
    return (
        SizingLine("× breaker", factor, f"× {factor:g}: {sentence}"),
        SizingLine("allowed weight", allowed.target_weight, f"= {allowed.target_weight:.3f}"),
    )


def _limit_lines(cut: Cut) -> tuple[SizingLine, ...]:
    if not cut.rule:
        return ()
    return (SizingLine("own limit", cut.weight, f"cut to {cut.weight:.3f}: {cut.because}"),)


def _pause_parameters(context: StepContext) -> tuple[ParameterNow, ...]:
    """Say in each decision of a paused strategy what it still does."""
    if not context.is_paused:
        return ()
    because = "paused: nothing is added; exits, stops, targets, limits and breaker stay managed"
    return (ParameterNow("entries", "allowed", "withheld", None, None, because),)


def _schedule_parameters(
    features: Features, i: int, state: StrategyState
) -> tuple[ParameterNow, ...]:
    """Say in each decision of a strategy with a schedule whether it may add."""
    schedule = schedule_of(features.params)
    if schedule is None:
        return ()
    because = scheduled_out(features, i, state)
    words = WITHHOLDING[because] if because else "within its schedule"
    because_text = f"{moment_text(features.bars, i)} is {words}: {schedule.words}"
    now = "withheld" if because else "allowed"
    return (ParameterNow("entries", "allowed", now, None, None, because_text),)


def _pause_lines(plan: Plan) -> tuple[SizingLine, ...]:
    if not plan.withheld:
        return ()
    units = f"{plan.withheld:+,.4f}".replace("-", "−")
    because = WITHHOLDING[str(plan.blocked_by)]
    return (SizingLine("withheld", plan.withheld, f"{units} units not ordered: {because}"),)


def _withheld(plan: Plan, context: StepContext) -> str:
    """Say what was kept back and why."""
    is_increase = plan.withheld * plan.target_quantity > 0.0
    what = "increase" if is_increase else "entry"
    side = " short" if plan.withheld < 0.0 and not is_increase else ""
    because = WITHHOLDING[str(plan.blocked_by)]
    return f"{because}: {what} of {_units(plan.withheld, context)}{side} withheld"


def _units(quantity: float, context: StepContext) -> str:
    digits = ".0f" if context.quantity_step >= 1.0 else ".4f"
    return f"{abs(quantity):,{digits}} units"


def _would_change(plan: Plan, narrative: Narrative) -> str:
    first = f"{_FIRST[str(plan.blocked_by)]}; " if plan.withheld else ""
    return f"What would have changed it: {first}{narrative.would_change}."


def _resized(
    close: float, state: StrategyState, bounds: Bounds, plan: Plan, narrative: Narrative
) -> str:
    """Say why a position changes its size: the share wanted with its causes, the share held."""
    if plan.action not in (DecisionAction.INCREASE, DecisionAction.REDUCE):
        return ""
    held, wanted = state.quantity * close / state.equity, bounds.allowed.target_weight
    causes = [narrative.size_reason] if narrative.size_reason else []
    if bounds.guarded.target_weight != bounds.proposal.target_weight:
        factor = bounds.guarded.target_weight / bounds.proposal.target_weight
        causes.append(f"× {factor:g} by the circuit breaker")
    because = f" ({', '.join(causes)})" if causes else ""
    return f"{wanted:.1%} of equity is wanted{because} and {held:.1%} held; "


def _sentence(
    plan: Plan,
    narrative: Narrative,
    context: StepContext,
    blocked_by: str | None,
    cut: Cut,
    resized: str,
) -> str:
    head = _VERBS[plan.action]
    if plan.delta and plan.uses_all_cash:
        head += " with all cash"
    elif plan.delta:
        head += f" {_units(plan.delta, context)}"
    tail = f"; {_BLOCKS[blocked_by]}" if blocked_by in _BLOCKS else ""
    if cut.rule:
        tail += f"; cut to {cut.weight:.1%} of its book: {cut.because}"
    if plan.withheld:
        tail += f"; {_withheld(plan, context)}"
    return f"{head}: {resized}{narrative.reason}{tail}."


def _quantity_lines(
    features: Features,
    i: int,
    state: StrategyState,
    proposal: Proposal,
    plan: Plan,
    context: StepContext,
) -> tuple[SizingLine, ...]:
    if proposal.target_weight == 0.0 or plan.uses_all_cash:
        return ()
    close = float(features.bars.close[i])
    wanted = proposal.target_weight * state.equity / close
    kept, order = _order_words(plan, context)
    return (
        SizingLine("× equity", state.equity, f"× {state.equity:,.2f} equity"),
        SizingLine("÷ close", close, f"÷ {close:,.2f} close"),
        SizingLine("wanted quantity", wanted, f"= {wanted:,.4f} units"),
        SizingLine(
            "target quantity",
            plan.target_quantity,
            f"{plan.target_quantity:,.4f} held after this{kept}",
        ),
        SizingLine("held quantity", state.quantity, f"{state.quantity:,.4f} held now"),
        SizingLine("order quantity", plan.delta, order),
    )


def _order_words(plan: Plan, context: StepContext) -> tuple[str, str]:
    """Say why so much is held after this, and what is ordered for it."""
    if plan.delta == 0.0:
        why = ": the difference lies within the no-trade band" if plan.blocked_by == BAND else ""
        return f", as now{why}", "nothing to order"
    rounded = f", rounded down to {context.quantity_step:g}" if context.quantity_step else ""
    signed = f"{plan.delta:+,.4f}".replace("-", "−")
    return rounded, f"{signed} units to buy (+) or sell (−) on the next bar"


def warm_up_decision(
    features: Features, i: int, state: StrategyState, context: StepContext
) -> Decision:
    """Explain a bar before the rule is defined."""
    missing, seen = features.first - i, counted(i + 1, "bar")
    return Decision(
        action=DecisionAction.WARM_UP,
        bar=i,
        decided_at=int(features.bars.closed_at[i]),
        symbol=features.bars.symbol,
        strategy_key=context.spec.key,
        close=float(features.bars.close[i]),
        regime=regime_of(int(features.regimes.codes[i])),
        signal=0.0,
        target_weight=0.0,
        target_quantity=state.quantity,
        reason=f"Warm-up: {seen} seen, {missing} more needed before the rule is defined.",
        would_change="What would have changed it: nothing but more bars.",
        blocked_by="WARM_UP",
        inputs={"close": float(features.bars.close[i])},
        rules=(rule_of_warm_up(features, i),),
    )
