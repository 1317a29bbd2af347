"""A paused strategy adds nothing and goes on getting out: the same step, one more condition."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from trading.engine.breaker import LEVELS
from trading.engine.costs import CostModel
from trading.engine.execution import Blotter
from trading.engine.market import ExecutionTerms, market_of
from trading.engine.planning import Plan, StepContext, without_additions
from trading.engine.state import StrategyState, start
from trading.engine.step import prepare, step
from trading.engine.strategies import STRATEGIES, strategy_get
from trading.engine.types import DecisionAction
from trading.tests.engine.laws import length, some
from trading.tests.engine.walks import random_walk, tape

KEYS = sorted(STRATEGIES)
BARS = random_walk(3, length(420, quick=320))
GROWING = random_walk(5, 320)
START = 260
RISING = tape([(price,) * 4 for price in (1.0, 1.0, 2.0, 3.0, 4.0, 5.0)])
PARAMS = {"fast": 1, "slow": 2}
COSTS = CostModel()


@cache
def features_of(key, bars):
    parameters = {"protection": "resting"} if key == "volatility_adaptive_trend" else {}
    return prepare(bars, key, parameters)


def played(key, pauses=frozenset(), bars=BARS):
    """Run bar by bar, paused on some bars: what was held, decided, filled and remembered."""
    features = features_of(key, bars)
    context = StepContext(strategy_get(key), COSTS, 1.0, allows_all_cash=False)
    market = market_of(bars, features.regimes.codes, COSTS)
    blotter, held, decisions, states = Blotter(start(100_000.0)), [], [], []
    for i in range(START, len(bars)):
        blotter.trade(i, market, ExecutionTerms(COSTS, quantity_step=1.0))
        now = replace(context, is_paused=i in pauses)
        outcome = step(features, i, blotter.state, now)
        blotter.state = outcome.state
        blotter.submit(outcome.order_intent, i)
        held.append(blotter.state.quantity)
        decisions.append(outcome.decision)
        states.append(outcome.state)
    return np.array(held), decisions, blotter, states


@cache
def free(key, bars=BARS):
    return played(key, bars=bars)


@pytest.mark.parametrize("key", KEYS)
def test_a_strategy_that_is_paused_while_it_holds_gets_out_as_if_it_were_not(key):
    held, _, blotter, states = free(key)
    entered = int(np.flatnonzero(held)[0])
    left = entered + int(np.flatnonzero(held[entered:] == 0.0)[0])
    pauses = frozenset(range(START + entered, len(BARS)))

    paused, _, stopped, kept = played(key, pauses)

    assert kept[: left + 1] == states[: left + 1]
    assert stopped.fills == blotter.fills[: len(stopped.fills)]
    assert not paused[left:].any()


def test_an_increase_is_withheld_and_a_reduction_is_not():
    key = "volatility_adaptive_trend"
    _, decided, _, _ = free(key, GROWING)
    first = next(d for d in decided if d.action is DecisionAction.INCREASE)

    held, decisions, _, _ = played(key, frozenset(range(first.bar, len(GROWING))), GROWING)

    paused = decisions[first.bar - START :]
    assert f"paused: increase of {first.target_quantity - held[first.bar - START]:,.0f} units" in (
        paused[0].reason
    )
    assert paused[0].action is DecisionAction.HOLD
    assert np.all(np.diff(held[first.bar - START :]) <= 0.0)
    assert held[first.bar - START] > 0.0
    assert held[-1] == 0.0


@pytest.mark.parametrize("key", KEYS)
def test_a_strategy_that_is_paused_while_flat_never_holds(key):
    held, decisions, blotter, _ = played(key, frozenset(range(len(BARS))))

    assert not held.any()
    assert blotter.fills == []
    wanted = [d for d in free(key)[1] if d.action is DecisionAction.ENTER_LONG]
    withheld = [d for d in decisions if d.blocked_by == "PAUSED"]
    assert len(withheld) >= len(wanted) > 0
    for decision in some(withheld, 3):
        assert decision.action is DecisionAction.NO_TRADE
        assert "paused: entry of " in decision.reason


def test_the_first_withheld_entry_is_the_one_a_free_strategy_orders():
    key = "volatility_adaptive_trend"
    first = next(d for d in free(key)[1] if d.action is DecisionAction.ENTER_LONG)

    _, decisions, _, _ = played(key, frozenset(range(len(BARS))))

    decision = decisions[first.bar - START]
    units = f"{first.target_quantity:,.0f} units"
    assert decision.reason.endswith(f"; paused: entry of {units} withheld.")
    assert {line.label: line.value for line in decision.sizing}["withheld"] == first.target_quantity
    assert decision.would_change.startswith("What would have changed it: the strategy resumed; ")
    because = {line.name: line for line in decision.parameters}["entries"]
    assert (because.base, because.now) == ("allowed", "withheld")
    assert "exits, stops, targets, limits and breaker stay managed" in because.because


def test_the_breaker_goes_on_while_paused_and_sells_what_is_held():
    features = prepare(BARS, "volatility_adaptive_trend")
    context = StepContext(strategy_get("volatility_adaptive_trend"), is_paused=True)
    close = float(BARS.close[300])
    held = StrategyState(cash=0.0, equity=900.0 * close, quantity=900.0, entry_kind="TREND")
    seen = step(features, 299, held, context).state

    outcome = step(features, 300, seen.changed(quantity=600.0), context)

    assert outcome.state.breaker.name == LEVELS[-1]
    assert outcome.decision.action is DecisionAction.EXIT
    assert outcome.decision.blocked_by == "BREAKER"
    assert outcome.order_intent.closes_position


def test_one_that_is_not_paused_says_nothing_of_it():
    features = prepare(RISING, "sma_cross", PARAMS)

    outcome = step(features, 3, start(100.0), StepContext(strategy_get("sma_cross")))

    assert outcome.decision.action is DecisionAction.ENTER_LONG
    assert "entries" not in {line.name for line in outcome.decision.parameters}
    assert "withheld" not in {line.label for line in outcome.decision.sizing}


def test_all_cash_is_withheld_as_the_units_it_would_buy():
    features = prepare(RISING, "sma_cross", PARAMS)
    context = StepContext(strategy_get("sma_cross"), quantity_step=1.0, is_paused=True)

    outcome = step(features, 3, start(90.0), context)

    assert outcome.order_intent is None
    assert outcome.state.pending_kind == ""
    assert outcome.decision.target_quantity == 0.0
    assert "paused: entry of 30 units withheld" in outcome.decision.reason


@pytest.mark.parametrize(
    ("held", "target", "action", "kept", "withheld"),
    [
        (0.0, 5.0, DecisionAction.NO_TRADE, 0.0, 5.0),
        (0.0, -5.0, DecisionAction.NO_TRADE, 0.0, -5.0),
        (3.0, 5.0, DecisionAction.HOLD, 3.0, 2.0),
        (-3.0, -5.0, DecisionAction.HOLD, -3.0, -2.0),
        (5.0, 3.0, DecisionAction.REDUCE, 3.0, 0.0),
        (-5.0, -3.0, DecisionAction.REDUCE, -3.0, 0.0),
        (5.0, 0.0, DecisionAction.EXIT, 0.0, 0.0),
        (5.0, -2.0, DecisionAction.EXIT, 0.0, -2.0),
        (-5.0, 2.0, DecisionAction.EXIT, 0.0, 2.0),
    ],
)
def test_a_pause_keeps_of_a_plan_what_makes_the_position_smaller(
    held, target, action, kept, withheld
):
    plan = Plan(
        action if not withheld else DecisionAction.INCREASE, target, target - held, None, True
    )

    found = without_additions(plan, held)

    assert (found.action, found.target_quantity, found.delta) == (action, kept, kept - held)
    assert found.withheld == withheld
    assert found.blocked_by == ("PAUSED" if withheld else None)
    assert found.uses_all_cash is not bool(withheld)


def test_bars_that_nobody_stepped_count_for_the_holding_limit():
    features = prepare(RISING, "sma_cross", PARAMS)
    context = StepContext(strategy_get("sma_cross"))
    at = [int(one) for one in RISING.closed_at]
    held = StrategyState(
        cash=0.0, equity=10.0, quantity=5.0, entry_bar=1, entry_at=at[1], bars_held=1,
        last_bar_at=at[1],
    )  # fmt: skip

    away = step(features, 4, held, context).state
    present = step(features, 2, held, context).state

    assert (present.bars_held, away.bars_held) == (2, 4)
