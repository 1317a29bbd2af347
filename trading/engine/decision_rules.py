"""Every rule a wish of a strategy went through at one bar: value, limit, and whether it passed.

INPUT    features, state, what the breaker and own limits left, the costs and lot size
OUTPUT   a `RuleResult` per rule that was asked, in the order in which they are asked
LOOKBACK none

They are told, not applied: `step` and `plan_nb` decide, and a test holds both to each other. The
account's own rules are asked later, of the order (`engine.risk`).
"""

from __future__ import annotations

from trading.engine.breaker import breaker_sentence
from trading.engine.explanation import RuleResult
from trading.engine.own_limits import limits_told
from trading.engine.planning import (
    FRESH_SIGNAL,
    NO_SIZE,
    NO_SLOT,
    OFF_SCHEDULE,
    PAUSED,
    SOLD_BY_HAND,
    TOO_SOON,
    Bounds,
    Plan,
    StepContext,
    views_limited,
)
from trading.engine.rules import affordable_nb, round_down_nb
from trading.engine.schedule import moment_text, schedule_of
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features
from trading.engine.types import RuleStatus

PASS, WARN, FAIL = RuleStatus.PASS, RuleStatus.WARN, RuleStatus.FAIL
# What withholds an addition, in the words of rules and of decisions.
WITHHOLDING = {
    PAUSED: "paused",
    FRESH_SIGNAL: "sold by hand, it waits for a fresh signal",
    SOLD_BY_HAND: "a part was sold by hand",
    OFF_SCHEDULE: "outside its schedule",
    TOO_SOON: "too soon by its schedule",
}


def rules_of(
    features: Features,
    i: int,
    state: StrategyState,
    context: StepContext,
    bounds: Bounds,
    plan: Plan,
) -> tuple[RuleResult, ...]:
    """Judge the wish of bar ``i`` by every rule between it and its order.

    Parameters
    ----------
    features, i, state, context
        As `step` decided with them.
    bounds : Bounds
        The wish, and what the breaker and own limits left of it.
    plan : Plan
        What is ordered after all.

    Returns
    -------
    tuple of RuleResult
        FAIL where a rule left nothing of a wish, WARN where it left a part or would bind. Rules
        that do not apply (no breaker, no limits, nothing to buy) are left out.
    """
    return (
        rule_of_warm_up(features, i),
        *_size(bounds),
        *_breaker(state, bounds),
        *_own_limits(features, i, state, context, bounds),
        *_quantities(features, i, state, context, bounds),
        *_slot(state, context, plan),
        *_additions(features, i, bounds.withheld_by, plan),
    )


def rule_of_warm_up(features: Features, i: int) -> RuleResult:
    """Tell whether there are enough bars; counts of bars."""
    seen, needed = i + 1, features.first + 1
    status = PASS if seen >= needed else FAIL
    sentence = f"{seen:,} bars seen, {needed:,} needed before the rule is defined"
    return RuleResult("WARM_UP", status, float(seen), float(needed), "count", sentence)


def _size(bounds: Bounds) -> list[RuleResult]:
    weight = bounds.proposal.target_weight
    if not bounds.proposal.kind and weight == 0.0:
        return []
    status = FAIL if weight == 0.0 else PASS
    sentence = f"its rule asks for {weight:.1%} of its book"
    return [RuleResult(NO_SIZE, status, weight, None, "ratio", sentence)]


def _breaker(state: StrategyState, bounds: Bounds) -> list[RuleResult]:
    if state.breaker is None:
        return []
    wanted, left = bounds.proposal.target_weight, bounds.guarded.target_weight
    sentence = f"circuit breaker {breaker_sentence(state.breaker, state.last_bar_at)}"
    status = WARN if bounds.factor < 1.0 else PASS
    if wanted != 0.0 and left == 0.0:
        status = FAIL
    return [RuleResult("BREAKER", status, bounds.factor, 1.0, "ratio", sentence)]


def _own_limits(
    features: Features, i: int, state: StrategyState, context: StepContext, bounds: Bounds
) -> list[RuleResult]:
    close = float(features.bars.close[i])
    return [
        rule
        for whose, view in views_limited(close, bounds.guarded, state, context)
        for rule in limits_told(
            bounds.guarded.target_weight,
            context.limits,
            view,
            equity=state.equity,
            quantity=state.quantity,
            close=close,
            whose=whose,
        )
    ]


def _quantities(
    features: Features, i: int, state: StrategyState, context: StepContext, bounds: Bounds
) -> list[RuleResult]:
    """Judge what `plan_nb` judges: equity, the no-trade band, cash, the smallest step."""
    allowed, held = bounds.allowed, state.quantity
    if allowed.target_weight == 0.0 or (held != 0.0 and not allowed.rebalances):
        return []
    close = float(features.bars.close[i])
    equity = state.cash + held * close
    sentence = f"equity of its book {equity:,.2f}"
    status = PASS if equity > 0.0 else FAIL
    found = [RuleResult("NO_EQUITY", status, equity, 0.0, "money", sentence)]
    if status is FAIL:
        return found
    drift = allowed.target_weight - held * close / equity
    if held != 0.0:
        band = allowed.no_trade_band
        is_within = abs(drift) <= band
        verb = "lies within" if is_within else "exceeds"
        sentence = f"the difference of {abs(drift):.1%} {verb} the no-trade band of {band:.1%}"
        status = FAIL if is_within and drift != 0.0 else PASS
        found.append(RuleResult("NO_TRADE_BAND", status, abs(drift), band, "ratio", sentence))
        if is_within:
            return found
    return found + _units(features, i, state, context, allowed.target_weight * equity / close,
                          takes_all_cash=allowed.uses_all_cash)  # fmt: skip


def _units(
    features: Features,
    i: int,
    state: StrategyState,
    context: StepContext,
    wanted: float,
    *,
    takes_all_cash: bool,
) -> list[RuleResult]:
    """Judge units: what cash buys, and whether anything is left after rounding down."""
    step, held = context.quantity_step, state.quantity
    target = round_down_nb(wanted, step)
    price = float(features.bars.close[i]) * (1.0 + context.costs.slippage_rate)
    rate = context.costs.commission_rate(int(features.regimes.codes[i]))
    affordable = affordable_nb(state.cash, price, rate, step)
    found, asked = [], target - held
    if asked > 0.0:
        status, words = PASS, "within"
        if asked > affordable and not takes_all_cash:
            status, words = (WARN if affordable > 0.0 else FAIL), "more than"
        sentence = f"{asked:,.4f} units to buy are {words} the {affordable:,.4f} cash buys"
        if takes_all_cash:
            sentence = f"it buys with all cash: {min(asked, affordable):,.4f} units at this close"
        found.append(RuleResult("CASH", status, asked, affordable, "units", sentence))
    if step:
        change = wanted - held
        # With all cash that does not buy one step `plan_nb` names the step, not the cash.
        is_left = affordable > 0.0 if takes_all_cash and asked > 0.0 else asked != 0.0
        status = PASS if is_left or change == 0.0 else FAIL
        sentence = f"{abs(change):,.4f} units of change, in steps of {step:g}"
        found.append(RuleResult("QUANTITY_STEP", status, abs(change), step, "units", sentence))
    return found


def _slot(state: StrategyState, context: StepContext, plan: Plan) -> list[RuleResult]:
    if context.has_slot or not state.is_flat:
        return []
    status = FAIL if plan.blocked_by == NO_SLOT else WARN
    return [RuleResult(NO_SLOT, status, 0.0, 1.0, "count", "every place of the account is taken")]


def _additions(features: Features, i: int, because: str | None, plan: Plan) -> list[RuleResult]:
    """Judge whether it may add: not paused, nothing sold by hand that still binds, on schedule."""
    if because is None:
        found = [RuleResult(PAUSED, PASS, 0.0, None, "units", "it may enter and add: not paused")]
        if schedule_of(features.params) is not None:
            sentence = f"{moment_text(features.bars, i)} is within its schedule"
            found.append(RuleResult(OFF_SCHEDULE, PASS, 0.0, None, "units", sentence))
        return found
    withheld = abs(plan.withheld)
    status = FAIL if withheld else WARN
    words = f"{withheld:,.4f} units withheld" if withheld else "it adds nothing; nothing was asked"
    sentence = f"{WITHHOLDING[because]}: {words}"
    return [RuleResult(because, status, withheld, 0.0, "units", sentence)]
