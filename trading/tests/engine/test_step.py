"""The live runner's step and the backtest's are the same decision."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.costs import CostModel
from trading.engine.fill_rules import affordable_quantity
from trading.engine.planning import StepContext
from trading.engine.state import StrategyState, book_fill, start
from trading.engine.step import prepare, step
from trading.engine.strategies import STRATEGIES, strategy_get
from trading.engine.strategies.tables import breaker_limits
from trading.engine.types import AssetClass, DecisionAction, Fill, OrderSide
from trading.tests.engine.laws import some
from trading.tests.engine.walks import random_walk, tape

KEYS = sorted(STRATEGIES)
BARS = random_walk(12, 310)
START = 260


@cache
def explained(key):
    return run(BARS, key, {}, BacktestConfig(keeps_decisions=True, quantity_step=1.0))


def replay_live(key, costs, quantity_step):
    """What a live runner does: prefix by prefix, the state through JSON after every bar."""
    context = StepContext(strategy_get(key), costs, quantity_step, allows_all_cash=False)
    state, intent, fills = start(100_000.0), None, []
    for i in range(START, len(BARS)):
        if intent is not None:
            rate = costs.commission_rate(0)
            price = float(BARS.open[i])
            quantity = intent.quantity
            if intent.side is OrderSide.BUY:
                quantity = min(
                    quantity, affordable_quantity(state.cash, price, rate, quantity_step)
                )
            fill = Fill(
                f"backtest-{len(fills) + 1}",
                BARS.symbol,
                intent.side,
                quantity,
                price,
                quantity * price * rate,
                i,
                int(BARS.closed_at[i]),
            )
            fills.append(fill)
            state = book_fill(state, fill)
        # As the runner does: prepared afresh on what is known, decided on the last bar.
        known = prepare(BARS.until(i), context.spec.key)
        outcome = step(known, i, state, context)
        state = StrategyState.from_dict(json.loads(json.dumps(outcome.state.to_dict())))
        intent = outcome.order_intent
    return fills, state


@pytest.mark.parametrize("quantity_step", some([0.0, 1.0], 2, first=1))
@pytest.mark.parametrize("key", KEYS)
def test_replaying_bar_by_bar_gives_the_orders_of_the_backtest(key, quantity_step):
    config = BacktestConfig(
        commission_bps=5.0,
        quantity_step=quantity_step,
        start_index=START,
        allows_all_cash=False,
    )

    fills, state = replay_live(key, config.costs, quantity_step)

    result = run(BARS, key, {}, config)
    assert tuple(fills) == result.fills
    assert state == result.final_state


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_every_decision_is_plain_json_and_one_sentence_with_numbers(key):
    result = explained(key)

    assert len(result.decisions) == len(BARS)
    for decision in some(result.decisions, 8):
        stored = json.loads(json.dumps(decision.to_dict(), allow_nan=False))
        assert stored["reason"].endswith(".")
        assert any(mark.isdigit() for mark in stored["reason"])
        assert stored["would_change"].startswith("What would have changed it:")


@pytest.mark.slow
def test_sizing_lines_multiply_to_the_wanted_quantity():
    result = explained("volatility_adaptive_trend")
    entry = next(d for d in result.decisions if d.action is DecisionAction.ENTER_LONG)

    values = {line.label: line.value for line in entry.sizing}

    weight = values["volatility-target weight"] * values["× size factor"]
    weight *= values.get("× pullback share", 1.0)
    assert weight == pytest.approx(values["target weight"])
    wanted = values["target weight"] * values["× equity"] / values["÷ close"]
    assert wanted == pytest.approx(values["wanted quantity"])
    assert entry.target_quantity == values["target quantity"] == int(wanted)


def test_step_during_warm_up_says_how_many_bars_are_missing():
    features = prepare(BARS, "sma_cross", {"fast": 5, "slow": 20})

    outcome = step(features, 10, start(1e3), StepContext(strategy_get("sma_cross")))

    assert outcome.decision.action is DecisionAction.WARM_UP
    assert "9 more needed" in outcome.decision.reason
    assert outcome.order_intent is None


def test_step_twice_gives_the_same_answer():
    features = prepare(BARS, "volatility_adaptive_trend")
    context = StepContext(strategy_get("volatility_adaptive_trend"))

    first = step(features, 300, start(1e5), context)

    assert step(features, 300, start(1e5), context) == first


def test_a_wish_smaller_than_one_unit_is_blocked_by_the_lot_size():
    features = prepare(BARS, "sma_cross", {"fast": 1, "slow": 2})
    i = int((features.arrays["fast"] > features.arrays["slow"]).argmax())
    context = StepContext(strategy_get("sma_cross"), quantity_step=1_000.0)

    outcome = step(features, i, start(100.0), context)

    assert outcome.decision.blocked_by == "QUANTITY_STEP"
    assert outcome.decision.action is DecisionAction.NO_TRADE
    assert outcome.order_intent is None


def test_a_book_without_equity_is_blocked():
    features = prepare(BARS, "sma_cross", {"fast": 1, "slow": 2})
    i = int((features.arrays["fast"] > features.arrays["slow"]).argmax())
    broke = StrategyState(cash=-5.0, equity=-5.0)

    outcome = step(features, i, broke, StepContext(strategy_get("sma_cross")))

    assert outcome.decision.blocked_by == "NO_EQUITY"


def test_small_weight_differences_are_left_alone():
    result = explained("volatility_adaptive_trend")

    kept = [d for d in result.decisions if d.blocked_by == "NO_TRADE_BAND"]

    assert kept
    assert all(d.action is DecisionAction.HOLD for d in kept)


def test_purchase_is_cut_to_what_cash_pays_with_commission():
    rows = [(10.0, 10.0, 10.0, 10.0)] * 3 + [(11.0, 11.0, 11.0, 11.0)]
    features = prepare(tape(rows), "sma_cross", {"fast": 1, "slow": 2})
    context = StepContext(
        strategy_get("sma_cross"), CostModel(commission_bps=100.0), 1.0, allows_all_cash=False
    )

    outcome = step(features, 3, start(1_111.0), context)

    assert outcome.order_intent.quantity == 100.0
    assert not outcome.order_intent.uses_all_cash


def test_what_trading_costs_does_not_say_which_volatility_is_calm():
    params = STRATEGIES["volatility_adaptive_trend"].defaults
    coin = replace(random_walk(1, 60), asset_class="CRYPTO")

    named = [
        breaker_limits(params, coin, CostModel(preset=preset))
        for preset in (None, AssetClass.EQUITY)
    ]
    unnamed = breaker_limits(params, random_walk(1, 60), CostModel(preset=AssetClass.CRYPTO))

    assert np.array_equal(*named)
    assert np.array_equal(named[0], unnamed)
    assert not np.array_equal(named[0], breaker_limits(params, random_walk(1, 60), CostModel()))
