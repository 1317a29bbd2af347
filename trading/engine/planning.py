"""From a wanted weight to an order: quantities of one bar, under lot size, cash and blocks.

INPUT    a proposal, the state, the costs and lot size
OUTPUT   what to hold and what to order for the next bar
LOOKBACK none
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from trading.engine.costs import CostModel
from trading.engine.own_limits import NO_LIMITS, AccountView, Cut, OwnLimits
from trading.engine.rules import BLOCKS, plan_nb
from trading.engine.schedule import is_too_soon, is_withheld, schedule_of
from trading.engine.state import StrategyState
from trading.engine.strategies.base import Features, Proposal, StrategySpec
from trading.engine.types import DecisionAction, OrderIntent, OrderSide

NO_COSTS = CostModel()
# Why a strategy may add nothing: it is paused; others sold all, or a part, of its position.
PAUSED, FRESH_SIGNAL, SOLD_BY_HAND = "PAUSED", "FRESH_SIGNAL", "SOLD_BY_HAND"
# Its schedule: the clock, or an addition too few bars ago.
OFF_SCHEDULE, TOO_SOON = "OFF_SCHEDULE", "TOO_SOON"
# What leaves nothing of a wish beside `rules.BLOCKS`, as a decision names it.
NO_SLOT, NO_SIZE = "NO_SLOT", "NO_SIZE"


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
    tick_size : float
        Prices of resting orders are rounded to a multiple, away from the market; 0 for any price.
    explains : bool
        False leaves the decision out, for backtests that do not keep them.
    allows_all_cash : bool
        False sizes all-in rules at the close as well, for runners that must name a quantity.
    correlation : float
        Mean correlation with what else is held (`correlation.mean_correlation`), for the circuit
        breaker; NaN where not known.
    watched_equity : float
        Equity by which the circuit breaker measures losses, currency; NaN for the book's own. A
        book that is a share of an account has the account's: a smaller share is no loss.
    own_result : float
        What such a book has made by itself, currency, by which the breaker counts losing trips; NaN
        for its equity.
    limits : OwnLimits
        What the strategy limits itself to; its wishes are cut to them.
    account : AccountView or None
        The account around the strategy's own book, which the limits are measured against as well.
    measures_book : bool
        False measures the limits against ``account`` alone, where the book is only a share of it.
    is_paused : bool
        True withholds entries and increases; exits, stops, targets, holding limits and the circuit
        breaker go on as ever.
    has_slot : bool
        Whether the account leaves room for one more position.
    """

    spec: StrategySpec
    costs: CostModel = NO_COSTS
    quantity_step: float = 0.0
    tick_size: float = 0.0
    explains: bool = True
    allows_all_cash: bool = True
    correlation: float = math.nan
    watched_equity: float = math.nan
    own_result: float = math.nan
    limits: OwnLimits = NO_LIMITS
    account: AccountView | None = None
    measures_book: bool = True
    is_paused: bool = False
    has_slot: bool = True


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a wish went through: as the rule made it, behind the breaker, behind own limits.

    `allowed` is what is left at the end, `cut` says what the strategy's own limits took, `factor`
    is the share of a size the breaker leaves, 0 to 1, `withheld_by` why nothing may be added.
    """

    proposal: Proposal
    guarded: Proposal
    allowed: Proposal
    cut: Cut
    factor: float
    withheld_by: str | None

    @property
    def stop(self) -> str | None:
        """Return what left nothing of a wish, as a decision names it."""
        if self.proposal.kind and self.proposal.target_weight == 0.0:
            return NO_SIZE
        if self.proposal.target_weight != 0.0 and self.guarded.target_weight == 0.0:
            return "BREAKER"
        return self.cut.rule if self.cut.rule and self.cut.weight == 0.0 else None


@dataclass(frozen=True, slots=True)
class Plan:
    """Quantities of one bar: what is wanted, what is left after rounding and blocks.

    `withheld` is what was kept from being added (see `withholding`), signed units; 0 for nothing.
    """

    action: DecisionAction
    target_quantity: float
    delta: float
    blocked_by: str | None
    uses_all_cash: bool
    withheld: float = 0.0


def plan_of(
    features: Features, i: int, proposal: Proposal, state: StrategyState, context: StepContext
) -> Plan:
    """Return what a proposal comes to at the close of bar ``i``.

    It is above thirty lines because `plan_nb` takes what it needs one by one.
    """
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
        return Plan(action, state.quantity, 0.0, BLOCKS[block], False)
    if state.is_flat and not context.has_slot:
        return Plan(DecisionAction.NO_TRADE, 0.0, 0.0, NO_SLOT, False)
    uses_all_cash = takes_all_cash and context.allows_all_cash
    return Plan(_action(state.quantity, target), target, delta, BLOCKS[block], uses_all_cash)


def views_limited(
    close: float, proposal: Proposal, state: StrategyState, context: StepContext
) -> tuple[tuple[str, AccountView], ...]:
    """Return what a strategy's own limits measure a wish against, each by its name.

    Parameters
    ----------
    close : float
        Price per unit.
    proposal : Proposal
        The wish; a position that it leaves as it is, is measured against nothing.
    state, context
        As `step` decides with them.

    Returns
    -------
    tuple of (str, AccountView)
        The strategy's own book, then the account around it; empty without limits.
    """
    is_left_alone = state.quantity != 0.0 and not proposal.rebalances
    if context.limits.is_empty or is_left_alone:
        return ()
    book = AccountView(
        state.equity, abs(state.quantity) * close, state.quantity, state.day_start_equity
    )
    views = (("its own book", book),) if context.measures_book else ()
    return views if context.account is None else (*views, ("the account", context.account))


def withholding(state: StrategyState, context: StepContext) -> str | None:
    """Return why a strategy may add nothing to what it holds; None where it may.

    Examples
    --------
    >>> from trading.engine.state import start
    >>> from trading.engine.strategies import strategy_get
    >>> context = StepContext(strategy_get("sma_cross"))
    >>> withholding(start(1.0).changed(is_overruled=True), context)
    'FRESH_SIGNAL'
    """
    if context.is_paused:
        return PAUSED
    if not state.is_overruled:
        return None
    return FRESH_SIGNAL if state.quantity == 0.0 else SOLD_BY_HAND


def scheduled_out(features: Features, i: int, state: StrategyState) -> str | None:
    """Return why a strategy's schedule lets it add nothing at the close of bar ``i``, or None."""
    schedule = schedule_of(features.params)
    if schedule is None:
        return None
    if is_withheld(features.bars, schedule, i):
        return OFF_SCHEDULE
    return TOO_SOON if is_too_soon(features.bars, schedule, i, state.added_at) else None


def without_additions(plan: Plan, held: float, because: str = PAUSED) -> Plan:
    """Keep of a plan what makes a position smaller; what it would add is withheld.

    Parameters
    ----------
    plan : Plan
        As if nothing were withheld.
    held : float
        Signed units held.
    because : str
        What withholds it, see `withholding`.

    Returns
    -------
    Plan
        The same where it adds nothing. One that turns a position around still ends it: what lies
        on the other side is withheld.

    Examples
    --------
    >>> wanted = Plan(DecisionAction.INCREASE, 150.0, 30.0, None, False)
    >>> kept = without_additions(wanted, 120.0)
    >>> kept.action.value, kept.delta, kept.withheld
    ('HOLD', 0.0, 30.0)
    """
    target = plan.target_quantity
    most = held if target * held > 0.0 else 0.0
    kept = target if abs(target) <= abs(most) else most
    if kept == target:
        return plan
    action = DecisionAction.EXIT
    if kept == held:
        action = DecisionAction.HOLD if held else DecisionAction.NO_TRADE
    return replace(
        plan,
        action=action,
        target_quantity=kept,
        delta=kept - held,
        blocked_by=because,
        uses_all_cash=False,
        withheld=target - kept,
    )


def _action(held: float, target: float) -> DecisionAction:
    if held * target < 0.0 or held == 0.0:
        # Also where one order ends a position and opens another on the other side.
        return DecisionAction.ENTER_LONG if target > 0.0 else DecisionAction.ENTER_SHORT
    if target == 0.0:
        return DecisionAction.EXIT
    return DecisionAction.INCREASE if abs(target) > abs(held) else DecisionAction.REDUCE


def intent_of(features: Features, proposal: Proposal, plan: Plan) -> OrderIntent | None:
    """Return the order wish of a plan; None where nothing is to be traded."""
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
