"""One decision: the function that the backtest loop and the live runner both call.

INPUT    causal features up to bar i, the strategy's state, the costs and lot size
OUTPUT   the decision in words and numbers, an order wish for bar i + 1 or None, the next state
LOOKBACK whatever the strategy's features need; nothing after bar i is read

Order of one bar, the same everywhere: 1. orders decided on bar i - 1 are filled, then those that
rest for the position (see `engine.protection`; the caller books both with `state.book_fill`);
2. `step` marks the book at the close of bar i, decides, and returns what to order for bar i + 1 and
a state whose stop and target are those that rest from then on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from marketdata.types import Bars
from trading.engine.breaker import breaker_next
from trading.engine.decision_words import (
    decision_of,
    warm_up_decision,
    with_outside,
    with_protection,
)
from trading.engine.explanation import Decision
from trading.engine.market import DAY_NS
from trading.engine.own_limits import Cut, cut_to_limits
from trading.engine.planning import (
    Bounds,
    Plan,
    StepContext,
    intent_of,
    plan_of,
    scheduled_out,
    views_limited,
    withholding,
    without_additions,
)
from trading.engine.positions import trailed_nb
from trading.engine.rules import BREAKER_REASON, REASONS, STOP_REACHED
from trading.engine.schedule import schedule_of
from trading.engine.state import StrategyState, worth
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import Features, Proposal, resolve_params
from trading.engine.strategies.tables import breaker_limits
from trading.engine.types import DecisionAction, OrderIntent

ADDITIONS = (DecisionAction.ENTER_LONG, DecisionAction.ENTER_SHORT, DecisionAction.INCREASE)
# What is left of a position whose stop was met goes, whatever the rule says by now.
STOPPED = Proposal(0.0, 0.0, REASONS[STOP_REACHED])


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step leaves.

    Attributes
    ----------
    decision : Decision or None
        None without explanations.
    order_intent : OrderIntent or None
        Wish for the next bar; None for no change, be it that all is well or that nothing may be.
    state : StrategyState
        After this bar.
    target_weight : float
        What is to be held, behind breaker and limits, as a share of equity: tells a wish for
        nothing from a wish to keep what is held.
    """

    decision: Decision | None
    order_intent: OrderIntent | None
    state: StrategyState
    target_weight: float = 0.0


def prepare(bars: Bars, strategy_key: str, params: dict[str, object] | None = None) -> Features:
    """Check the parameters and compute a strategy's causal arrays.

    Raises
    ------
    UnknownStrategy, ParameterInvalid
        Naming what there is and what was given.
    """
    spec = strategy_get(strategy_key)
    return spec.prepare(bars, resolve_params(spec, params))


def step(features: Features, i: int, state: StrategyState, context: StepContext) -> StepOutcome:
    """Decide at the close of bar ``i``.

    Parameters
    ----------
    features : Features
        From ``context.spec.prepare``; only values at ``i`` and before are read.
    i : int
        Bar just closed, 0 <= i < n_bars.
    state : StrategyState
        After booking the fills of bar ``i``.
    context : StepContext
        Strategy, costs, lot size.

    Returns
    -------
    StepOutcome
        See there. Calling it twice with the same arguments gives the same answer.

    Notes
    -----
    Cost is a few microseconds without, a few dozen with the explanation.
    """
    outside = state.outside
    state = _arrive(features, i, state, context)
    if i < features.first:
        decision = warm_up_decision(features, i, state, context) if context.explains else None
        return StepOutcome(with_outside(decision, outside, state), None, state)
    state, factor = _guard(features, i, state, context)
    proposal = STOPPED if state.is_stopped else context.spec.decide(features, i, state)
    state = _freed(state, proposal)
    guarded = _allowed(proposal, factor)
    cut = _cut(features, i, guarded, state, context)
    allowed = _within(guarded, cut)
    plan = plan_of(features, i, allowed, state, context)
    withheld_by = withholding(state, context) or scheduled_out(features, i, state)
    if withheld_by:
        plan = without_additions(plan, state.quantity, withheld_by)
    intent = intent_of(features, allowed, plan)
    after = _remember(features, i, state, allowed, plan)
    decision = None
    if context.explains:
        bounds = Bounds(proposal, guarded, allowed, cut, factor, withheld_by)
        decision = decision_of(features, i, state, context, bounds, plan)
        decision = with_protection(decision, after, allowed, context.tick_size)
        decision = with_outside(decision, outside, state)
    return StepOutcome(decision, intent, after, allowed.target_weight)


def _guard(
    features: Features, i: int, state: StrategyState, context: StepContext
) -> tuple[StrategyState, float]:
    """Move the circuit breaker on, where the strategy has one; return the size it leaves."""
    limits = breaker_limits(features.params, features.bars, context.costs)
    if limits is None:
        return state, 1.0
    watched = context.watched_equity
    breaker, factor = breaker_next(
        state.breaker,
        limits,
        int(features.bars.closed_at[i]),
        state.equity if math.isnan(watched) else watched,
        quantity=state.quantity,
        volatility=float(features.regimes.volatility[i]),
        percentile=float(features.regimes.percentile[i]),
        correlation=context.correlation,
        own=context.own_result,
    )
    return state.changed(breaker=breaker), factor


def _allowed(proposal: Proposal, factor: float) -> Proposal:
    """Return what is left of a proposal under the breaker's size factor."""
    if factor == 1.0 or proposal.target_weight == 0.0:
        return proposal
    return replace(
        proposal,
        target_weight=proposal.target_weight * factor,
        rule=proposal.rule if factor else REASONS[BREAKER_REASON],
        uses_all_cash=False,
    )


def _cut(
    features: Features, i: int, proposal: Proposal, state: StrategyState, context: StepContext
) -> Cut:
    """Cut a wish to the strategy's own limits: of its book, then of the account around it."""
    cut, close = Cut(proposal.target_weight), float(features.bars.close[i])
    for _, view in views_limited(close, proposal, state, context):
        again = cut_to_limits(
            cut.weight,
            context.limits,
            view,
            equity=state.equity,
            quantity=state.quantity,
            close=close,
        )
        cut = again if again.rule else cut
    return cut


def _within(proposal: Proposal, cut: Cut) -> Proposal:
    """Return what is left of a proposal under the strategy's own limits."""
    if not cut.rule:
        return proposal
    return replace(proposal, target_weight=cut.weight, uses_all_cash=False)


def _freed(state: StrategyState, proposal: Proposal) -> StrategyState:
    """End the wait after others sold the position: the next wish to hold something is fresh."""
    if state.is_overruled and state.quantity == 0.0 and proposal.target_weight == 0.0:
        return state.changed(is_overruled=False)
    return state


def _remember(
    features: Features, i: int, state: StrategyState, proposal: Proposal, plan: Plan
) -> StrategyState:
    """Keep what the next bar needs: the entry ordered, the rule that judges, the raised stop."""
    state = _added(features, i, state, plan)
    if plan.action in (DecisionAction.ENTER_LONG, DecisionAction.ENTER_SHORT):
        return state.changed(
            pending_kind=proposal.kind,
            pending_stop_distance=proposal.stop_distance,
            pending_target_distance=proposal.target_distance,
            pending_cost_rate=proposal.cost_rate,
            pending_holding_limit=proposal.holding_limit,
            pending_rests_protection=proposal.rests_protection,
        )
    if state.quantity == 0.0 or not proposal.kind:
        return state
    if proposal.kind != state.entry_kind:
        # The position is judged by another rule from now on (a dip that became a trend).
        state = state.changed(entry_kind=proposal.kind)
    if proposal.trail_distance is None:
        return state
    # The stop of a short position is the mirror image: it only falls.
    sign = 1.0 if state.quantity > 0.0 else -1.0
    stop = sign * trailed_nb(
        math.nan if state.stop_price is None else sign * state.stop_price,
        sign * float(features.bars.close[i]),
        proposal.trail_distance,
    )
    return state if stop == state.stop_price else state.changed(stop_price=stop)


def _added(features: Features, i: int, state: StrategyState, plan: Plan) -> StrategyState:
    """Keep when something was added, where a schedule counts the bars since."""
    schedule = schedule_of(features.params)
    if schedule is None or schedule.every_bars <= 1 or plan.action not in ADDITIONS:
        return state
    return state.changed(added_at=int(features.bars.closed_at[i]))


def _arrive(
    features: Features, i: int, state: StrategyState, context: StepContext
) -> StrategyState:
    """Mark the book at this close and count bars, also those nobody stepped.

    What others sold is left to the decision to tell.
    """
    if context.limits.max_daily_loss_ratio is not None:
        state = _day_begun(state, int(features.bars.closed_at[i]))
    code = int(features.regimes.settled_codes[i])
    is_same = code == state.regime_code
    return state.changed(
        equity=worth(state, float(features.bars.close[i])),
        bars_held=_bars_held(features, i, state),
        regime_code=code,
        regime_bars=state.regime_bars + 1 if is_same else 1,
        last_bar_at=int(features.bars.closed_at[i]),
        outside=None,
    )


def _bars_held(features: Features, i: int, state: StrategyState) -> int:
    """Count the closes seen since the entry fill; a strategy that was away for some counts them.

    Otherwise a holding limit would last longer for each bar on which it was out of order.
    """
    if state.quantity == 0.0:
        return 0
    closed_at = features.bars.closed_at
    was_away = i > 0 and 0 < state.last_bar_at < closed_at[i - 1]
    if was_away and state.entry_at > 0:
        return i + 1 - int(np.searchsorted(closed_at[: i + 1], state.entry_at))
    return state.bars_held + 1


def _day_begun(state: StrategyState, closed_at: int) -> StrategyState:
    """Keep the equity at the last close before the market day (UTC)."""
    is_same_day = closed_at // DAY_NS == state.last_bar_at // DAY_NS
    if is_same_day and state.day_start_equity:
        return state
    return replace(state, day_start_equity=state.equity)
