"""One decision: the function that the backtest loop and the live runner both call.

INPUT    causal features up to bar i, the strategy's state, the costs and lot size
OUTPUT   the decision in words and numbers, an order wish for bar i + 1 or None, the next state
LOOKBACK whatever the strategy's features need; nothing after bar i is read

Order of one bar, the same everywhere: 1. orders decided on bar i - 1 are filled (the caller books
them with `state.book_fill`); 2. `step` marks the book at the close of bar i, decides, and returns
what to order for bar i + 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from marketdata.types import Bars
from trading.engine.breaker import LEVELS, breaker_next, breaker_sentence, config_vector
from trading.engine.costs import CostModel
from trading.engine.rich import trailed_nb
from trading.engine.rules import BLOCKS, BREAKER_REASON, REASONS, plan_nb
from trading.engine.state import StrategyState, worth
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import (
    Features,
    Narrative,
    Proposal,
    StrategySpec,
    resolve_params,
)
from trading.engine.strategies.tables import breaker_config
from trading.engine.types import (
    Decision,
    DecisionAction,
    OrderIntent,
    OrderSide,
    ParameterNow,
    SizingLine,
    regime_of,
)

NO_COSTS = CostModel()


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step needs besides prices and memory.

    Attributes
    ----------
    spec : StrategySpec
        Whose rule.
    costs : CostModel
        Used to keep a purchase within the cash there is.
    quantity_step : float
        Units are rounded down to a multiple; 0 for fractional units.
    explains : bool
        False leaves the decision out, for backtests that do not keep them.
    allows_all_cash : bool
        False sizes all-in rules at the close as well, for runners that must name a quantity.
    correlation : float
        Mean correlation with what else is held (`correlation.mean_correlation`), for the circuit
        breaker; NaN where not known.
    """

    spec: StrategySpec
    costs: CostModel = NO_COSTS
    quantity_step: float = 0.0
    explains: bool = True
    allows_all_cash: bool = True
    correlation: float = math.nan


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Decision (None without explanations), order wish for the next bar, state after this bar."""

    decision: Decision | None
    order_intent: OrderIntent | None
    state: StrategyState


@dataclass(frozen=True, slots=True)
class _Plan:
    """Quantities of one bar: what is wanted, what is left after rounding and blocks."""

    action: DecisionAction
    target_quantity: float
    delta: float
    blocked_by: str | None
    uses_all_cash: bool


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
    state = _arrive(features, i, state)
    if i < features.first:
        decision = _warm_up_decision(features, i, state, context) if context.explains else None
        return StepOutcome(decision, None, state)
    state, factor = _guard(features, i, state, context)
    proposal = context.spec.decide(features, i, state)
    allowed = _allowed(proposal, factor)
    plan = _plan(features, i, allowed, state, context)
    intent = _intent(features, allowed, plan)
    decision = None
    if context.explains:
        decision = _decision(features, i, state, context, proposal, allowed, plan)
    return StepOutcome(decision, intent, _remember(features, i, state, allowed, plan))


def _guard(
    features: Features, i: int, state: StrategyState, context: StepContext
) -> tuple[StrategyState, float]:
    """Move the circuit breaker on, where the strategy has one; return the size it leaves."""
    config = breaker_config(features.params)
    if config is None:
        return state, 1.0
    breaker, factor = breaker_next(
        state.breaker,
        config_vector(config, context.costs.preset),
        int(features.bars.closed_at[i]),
        state.equity,
        quantity=state.quantity,
        volatility=float(features.regimes.volatility[i]),
        percentile=float(features.regimes.percentile[i]),
        correlation=context.correlation,
    )
    return replace(state, breaker=breaker), factor


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


def _remember(
    features: Features, i: int, state: StrategyState, proposal: Proposal, plan: _Plan
) -> StrategyState:
    """Keep what the next bar needs: the entry ordered, the rule that judges, the raised stop."""
    if plan.action in (DecisionAction.ENTER_LONG, DecisionAction.ENTER_SHORT):
        return replace(
            state,
            pending_kind=proposal.kind,
            pending_stop_distance=proposal.stop_distance,
            pending_target_distance=proposal.target_distance,
            pending_cost_rate=proposal.cost_rate,
            pending_holding_limit=proposal.holding_limit,
        )
    if state.quantity == 0.0 or not proposal.kind:
        return state
    if proposal.kind != state.entry_kind:
        # The position is judged by another rule from now on (a dip that became a trend).
        state = replace(state, entry_kind=proposal.kind)
    if proposal.trail_distance is None:
        return state
    stop = trailed_nb(
        math.nan if state.stop_price is None else state.stop_price,
        float(features.bars.close[i]),
        proposal.trail_distance,
    )
    return state if stop == state.stop_price else replace(state, stop_price=stop)


def _arrive(features: Features, i: int, state: StrategyState) -> StrategyState:
    """Mark the book at this close and count bars."""
    code = int(features.regimes.settled_codes[i])
    is_same = code == state.regime_code
    return replace(
        state,
        equity=worth(state, float(features.bars.close[i])),
        bars_held=state.bars_held + 1 if state.quantity != 0.0 else 0,
        regime_code=code,
        regime_bars=state.regime_bars + 1 if is_same else 1,
        last_bar_at=int(features.bars.closed_at[i]),
    )


def _plan(
    features: Features, i: int, proposal: Proposal, state: StrategyState, context: StepContext
) -> _Plan:
    takes_all_cash = proposal.uses_all_cash and state.quantity == 0.0
    target, delta, block = plan_nb(
        proposal.target_weight,
        state.quantity,
        state.cash,
        float(features.bars.close[i]),
        context.costs.commission_rate(int(features.regimes.codes[i])),
        context.costs.slippage_rate,
        context.quantity_step,
        proposal.no_trade_band,
        proposal.rebalances,
        proposal.uses_all_cash,
    )
    if delta == 0.0:
        action = DecisionAction.HOLD if state.quantity else DecisionAction.NO_TRADE
        return _Plan(action, state.quantity, 0.0, BLOCKS[block], False)
    uses_all_cash = takes_all_cash and context.allows_all_cash
    return _Plan(_action(state.quantity, target), target, delta, BLOCKS[block], uses_all_cash)


def _action(held: float, target: float) -> DecisionAction:
    if held == 0.0:
        return DecisionAction.ENTER_LONG if target > 0.0 else DecisionAction.ENTER_SHORT
    if target == 0.0:
        return DecisionAction.EXIT
    return DecisionAction.INCREASE if abs(target) > abs(held) else DecisionAction.REDUCE


def _intent(features: Features, proposal: Proposal, plan: _Plan) -> OrderIntent | None:
    if plan.delta == 0.0:
        return None
    return OrderIntent(
        symbol=features.bars.symbol,
        side=OrderSide.BUY if plan.delta > 0.0 else OrderSide.SELL,
        quantity=abs(plan.delta),
        reason=proposal.rule,
        uses_all_cash=plan.uses_all_cash,
        closes_position=plan.action is DecisionAction.EXIT,
    )


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
}


def _decision(
    features: Features,
    i: int,
    state: StrategyState,
    context: StepContext,
    proposal: Proposal,
    allowed: Proposal,
    plan: _Plan,
) -> Decision:
    narrative = context.spec.narrate(features, i, state, proposal)
    is_halted = proposal.target_weight != 0.0 and allowed.target_weight == 0.0
    blocked_by = "BREAKER" if is_halted else plan.blocked_by
    return Decision(
        action=plan.action,
        bar=i,
        decided_at=int(features.bars.closed_at[i]),
        symbol=features.bars.symbol,
        strategy_key=context.spec.key,
        close=float(features.bars.close[i]),
        regime=regime_of(state.regime_code),
        signal=proposal.signal,
        target_weight=allowed.target_weight,
        target_quantity=plan.target_quantity,
        reason=_sentence(plan, narrative, context, blocked_by),
        would_change=f"What would have changed it: {narrative.would_change}.",
        blocked_by=blocked_by,
        inputs=_inputs(narrative, state, context),
        parameters=narrative.parameters + _breaker_parameters(state),
        sizing=narrative.sizing
        + _breaker_lines(state, proposal, allowed)
        + _quantity_lines(features, i, state, allowed, plan, context),
    )


def _inputs(
    narrative: Narrative, state: StrategyState, context: StepContext
) -> Mapping[str, float | None]:
    """Add the correlation where a breaker has looked at one."""
    if state.breaker is None or math.isnan(context.correlation):
        return narrative.inputs
    return {**narrative.inputs, "correlation": context.correlation}


def _breaker_parameters(state: StrategyState) -> tuple[ParameterNow, ...]:
    if state.breaker is None:
        return ()
    because = breaker_sentence(state.breaker)
    return (ParameterNow("breaker", LEVELS[0], state.breaker.name, None, None, because),)


def _breaker_lines(
    state: StrategyState, proposal: Proposal, allowed: Proposal
) -> tuple[SizingLine, ...]:
    if state.breaker is None or proposal.target_weight == 0.0:
        return ()
    factor = allowed.target_weight / proposal.target_weight
    return (
        SizingLine("× breaker", factor, f"× {factor:g}: {breaker_sentence(state.breaker)}"),
        SizingLine("allowed weight", allowed.target_weight, f"= {allowed.target_weight:.3f}"),
    )


def _sentence(
    plan: _Plan, narrative: Narrative, context: StepContext, blocked_by: str | None
) -> str:
    head = _VERBS[plan.action]
    if plan.delta and plan.uses_all_cash:
        head += " with all cash"
    elif plan.delta:
        digits = ".0f" if context.quantity_step >= 1.0 else ".4f"
        head += f" {abs(plan.delta):,{digits}} units"
    tail = f"; {_BLOCKS[blocked_by]}" if blocked_by else ""
    return f"{head}: {narrative.reason}{tail}."


def _quantity_lines(
    features: Features,
    i: int,
    state: StrategyState,
    proposal: Proposal,
    plan: _Plan,
    context: StepContext,
) -> tuple[SizingLine, ...]:
    if proposal.target_weight == 0.0 or plan.uses_all_cash:
        return ()
    close = float(features.bars.close[i])
    wanted = proposal.target_weight * state.equity / close
    step_text = f", rounded down to {context.quantity_step:g}" if context.quantity_step else ""
    return (
        SizingLine("× equity", state.equity, f"× {state.equity:,.2f} equity"),
        SizingLine("÷ close", close, f"÷ {close:,.2f} close"),
        SizingLine("wanted quantity", wanted, f"= {wanted:,.4f} units"),
        SizingLine("target quantity", plan.target_quantity, f"held after this{step_text}"),
        SizingLine("held quantity", state.quantity, "held now"),
        SizingLine("order quantity", plan.delta, "to buy (+) or sell (−) on the next bar"),
    )


def _warm_up_decision(
    features: Features, i: int, state: StrategyState, context: StepContext
) -> Decision:
    missing = features.first - i
    return Decision(
        action=DecisionAction.WARM_UP,
        bar=i,
        decided_at=int(features.bars.closed_at[i]),
        symbol=features.bars.symbol,
        strategy_key=context.spec.key,
        close=float(features.bars.close[i]),
        regime=regime_of(state.regime_code),
        signal=0.0,
        target_weight=0.0,
        target_quantity=state.quantity,
        reason=f"Warm-up: {i + 1} bars seen, {missing} more needed before the rule is defined.",
        would_change="What would have changed it: nothing but more bars.",
        blocked_by="WARM_UP",
        inputs={"close": float(features.bars.close[i])},
    )
