"""One decision: the function that the backtest loop and the live runner both call.

INPUT    causal features up to bar i, the strategy's state, the costs and lot size
OUTPUT   the decision in words and numbers, an order wish for bar i + 1 or None, the next state
LOOKBACK whatever the strategy's features need; nothing after bar i is read

Order of one bar, the same everywhere: 1. orders decided on bar i - 1 are filled (the caller books
them with `state.book_fill`); 2. `step` marks the book at the close of bar i, decides, and returns
what to order for bar i + 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from marketdata.types import Bars
from trading.engine.costs import CostModel
from trading.engine.fills import affordable_quantity, market_price
from trading.engine.sizing import round_down
from trading.engine.state import StrategyState, mark
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import (
    Features,
    Narrative,
    Proposal,
    StrategySpec,
    resolve_params,
)
from trading.engine.types import (
    Decision,
    DecisionAction,
    OrderIntent,
    OrderSide,
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
    """

    spec: StrategySpec
    costs: CostModel = NO_COSTS
    quantity_step: float = 0.0
    explains: bool = True
    allows_all_cash: bool = True


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
    proposal = context.spec.decide(features, i, state)
    plan = _plan(features, i, proposal, state, context)
    intent = _intent(features, proposal, plan)
    decision = _decision(features, i, state, context, proposal, plan) if context.explains else None
    if plan.action in (DecisionAction.ENTER_LONG, DecisionAction.ENTER_SHORT):
        state = replace(
            state,
            pending_kind=proposal.kind,
            pending_stop_distance=proposal.stop_distance,
            pending_target_distance=proposal.target_distance,
        )
    elif state.quantity != 0.0 and proposal.kind and proposal.kind != state.entry_kind:
        # The position is judged by another rule from now on (a dip that became a trend).
        state = replace(state, entry_kind=proposal.kind)
    return StepOutcome(decision, intent, state)


def live_step(
    bars_prefix: Bars,
    state: StrategyState,
    context: StepContext,
    params: dict[str, object] | None = None,
) -> StepOutcome:
    """Prepare on everything known so far and decide on its last bar.

    Equal to the backtest's step of that bar, because features never look ahead.

    Parameters
    ----------
    bars_prefix : Bars
        All bars up to and including the one just closed; at least one.
    state : StrategyState
        As stored after the bar before, with the fills of this bar booked.
    context : StepContext
        Strategy, costs, lot size.
    params : dict or None
        The strategy's parameters; missing ones take their default.

    Returns
    -------
    StepOutcome
        See `step`.
    """
    features = context.spec.prepare(bars_prefix, resolve_params(context.spec, params))
    return step(features, len(bars_prefix) - 1, state, context)


def _arrive(features: Features, i: int, state: StrategyState) -> StrategyState:
    """Mark the book at this close and count bars."""
    code = int(features.regimes.settled_codes[i])
    is_same = code == state.regime_code
    return replace(
        mark(state, float(features.bars.close[i])),
        bars_held=state.bars_held + 1 if state.quantity != 0.0 else 0,
        regime_code=code,
        regime_bars=state.regime_bars + 1 if is_same else 1,
        last_bar_at=int(features.bars.closed_at[i]),
    )


def _plan(
    features: Features, i: int, proposal: Proposal, state: StrategyState, context: StepContext
) -> _Plan:
    held = state.quantity
    close = float(features.bars.close[i])
    if proposal.target_weight == 0.0:
        action = DecisionAction.EXIT if held else DecisionAction.NO_TRADE
        return _Plan(action, 0.0, -held, None, False)
    if held and not proposal.rebalances:
        return _Plan(DecisionAction.HOLD, held, 0.0, None, False)
    if state.equity <= 0.0:
        action = DecisionAction.HOLD if held else DecisionAction.NO_TRADE
        return _Plan(action, held, 0.0, "NO_EQUITY", False)
    drift = proposal.target_weight - held * close / state.equity
    if held and abs(drift) <= proposal.no_trade_band:
        blocked_by = "NO_TRADE_BAND" if drift else None
        return _Plan(DecisionAction.HOLD, held, 0.0, blocked_by, False)
    return _trade_plan(features, i, proposal, state, context)


def _trade_plan(
    features: Features, i: int, proposal: Proposal, state: StrategyState, context: StepContext
) -> _Plan:
    held = state.quantity
    close = float(features.bars.close[i])
    wanted = proposal.target_weight * state.equity / close
    target = round_down(wanted, context.quantity_step)
    price = market_price(close, OrderSide.BUY, context.costs.slippage_rate)
    rate = context.costs.commission_rate(int(features.regimes.codes[i]))
    affordable = affordable_quantity(state.cash, price, rate, context.quantity_step)
    blocked_by = None
    if target - held > affordable:
        target = held + affordable
        # An all-in rule always asks for more than commission leaves; that is no block.
        blocked_by = None if proposal.uses_all_cash else "CASH"
    delta = target - held
    if delta == 0.0:
        action = DecisionAction.HOLD if held else DecisionAction.NO_TRADE
        return _Plan(action, held, 0.0, blocked_by or "QUANTITY_STEP", False)
    uses_all_cash = proposal.uses_all_cash and context.allows_all_cash and held == 0.0
    return _Plan(_action(held, target), target, delta, blocked_by, uses_all_cash)


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
}


def _decision(
    features: Features,
    i: int,
    state: StrategyState,
    context: StepContext,
    proposal: Proposal,
    plan: _Plan,
) -> Decision:
    narrative = context.spec.narrate(features, i, state, proposal)
    return Decision(
        action=plan.action,
        bar=i,
        decided_at=int(features.bars.closed_at[i]),
        symbol=features.bars.symbol,
        strategy_key=context.spec.key,
        close=float(features.bars.close[i]),
        regime=regime_of(state.regime_code),
        signal=proposal.signal,
        target_weight=proposal.target_weight,
        target_quantity=plan.target_quantity,
        reason=_sentence(plan, narrative, context),
        would_change=f"What would have changed it: {narrative.would_change}.",
        blocked_by=plan.blocked_by,
        inputs=narrative.inputs,
        parameters=narrative.parameters,
        sizing=narrative.sizing + _quantity_lines(features, i, state, proposal, plan, context),
    )


def _sentence(plan: _Plan, narrative: Narrative, context: StepContext) -> str:
    head = _VERBS[plan.action]
    if plan.delta and plan.uses_all_cash:
        head += " with all cash"
    elif plan.delta:
        digits = ".0f" if context.quantity_step >= 1.0 else ".4f"
        head += f" {abs(plan.delta):,{digits}} units"
    tail = f"; {_BLOCKS[plan.blocked_by]}" if plan.blocked_by else ""
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
