"""What others sell of a strategy's position: booked, told once, and not undone by the strategy."""

import json
from dataclasses import replace

import pytest

from trading.engine.errors import StateInvalid
from trading.engine.outside import OutsideSales
from trading.engine.planning import StepContext
from trading.engine.state import StrategyState, book_fill, book_outside_sale, start
from trading.engine.step import prepare, step
from trading.engine.strategies import strategy_get
from trading.engine.types import DecisionAction, Fill, OrderSide
from trading.tests.engine.walks import tape

DAY = 86_400 * 10**9


def flat_bars(closes):
    """Bars that are nothing but their close."""
    return tape([(close,) * 4 for close in closes])


# Rises, falls, rises: an average of two bars is above one of three, below it, above it again.
BARS = flat_bars([100.0, 99.0, 101.0, 104.0, 107.0, 110.0, 104.0, 98.0, 95.0, 99.0, 104.0])
UP, DOWN, UP_AGAIN = 5, 7, 10
CROSS = StepContext(strategy_get("sma_cross"), quantity_step=1.0)
FEATURES = prepare(BARS, "sma_cross", {"fast": 2, "slow": 3})


def sale(quantity, day=3, price=110.0, side=OrderSide.SELL):
    return Fill("h", "SPX", side, quantity, price, 1.0, bar=-1, filled_at=day * DAY)


def holding(quantity=200.0, cash=0.0):
    return start(1.0).changed(
        cash=cash, quantity=quantity, avg_entry_price=104.0, entry_bar=3, entry_at=DAY, bars_held=2,
        stop_price=90.0,
    )  # fmt: skip


def decided(state, i, context=CROSS, features=FEATURES):
    outcome = step(features, i, state, context)
    assert step(features, i, state, context) == outcome
    return outcome


def test_a_sale_leaves_the_rest_of_the_position_as_it_was():
    before = holding()

    after = book_outside_sale(before, sale(120.0))

    assert after.cash == 120.0 * 110.0 - 1.0
    assert after.outside == OutsideSales(200.0, 120.0, 1, 3 * DAY, 3 * DAY)
    assert replace(after, cash=0.0, quantity=200.0, is_overruled=False, outside=None) == before


def test_a_sale_of_all_clears_the_position_and_is_remembered():
    after = book_outside_sale(book_outside_sale(holding(), sale(120.0)), sale(80.0, day=5))

    assert (after.quantity, after.stop_price, after.entry_bar) == (0.0, None, -1)
    assert after.is_overruled
    assert after.outside == OutsideSales(200.0, 200.0, 2, 3 * DAY, 5 * DAY)


@pytest.mark.parametrize(
    ("state", "fill", "words"),
    [
        (holding(), sale(200.5), "outside SELL of 200.5 units does not fit the 200 the book holds"),
        (holding(), sale(1.0, side=OrderSide.BUY), "outside BUY of 1 units"),
        (start(5.0), sale(1.0), "does not fit the 0 the book holds"),
        (holding(-3.0), sale(1.0), "does not fit the -3 the book holds"),
    ],
)
def test_more_than_the_book_holds_is_no_sale_of_it(state, fill, words):
    with pytest.raises(StateInvalid, match=words):
        book_outside_sale(state, fill)


def test_what_was_sold_survives_being_stored():
    state = book_outside_sale(holding(), sale(120.0))

    assert StrategyState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_the_next_decision_tells_what_was_sold_and_no_later_one():
    told = decided(book_outside_sale(holding(), sale(120.0)), UP)
    later = decided(told.state, UP)

    because = (
        "120 of its 200 units were sold by hand on 1970-01-04; "
        "the strategy goes on with 80 and adds nothing to them"
    )
    first = told.decision.parameters[0]
    assert (first.name, first.base, first.now, first.because) == ("position", 200.0, 80.0, because)
    assert told.decision.reason.endswith(f"{because}.")
    assert told.state.outside is None
    assert "by hand" not in later.decision.reason


def test_a_decision_before_the_rule_is_defined_tells_it_too():
    assert "sold by hand" in decided(book_outside_sale(holding(), sale(1.0)), 0).decision.reason


@pytest.mark.parametrize(
    ("own_fill", "words"),
    [
        (sale(80.0), "its own order sold the rest"),
        (None, "the strategy is flat, and its next signal is a fresh one"),
    ],
)
def test_a_position_that_is_gone_says_who_sold_the_rest(own_fill, words):
    part = 120.0 if own_fill else 200.0
    state = book_outside_sale(holding(), sale(part))
    state = book_fill(state, own_fill) if own_fill else state

    assert words in decided(state, DOWN).decision.reason


def test_a_strategy_sold_out_waits_until_its_rule_has_asked_for_nothing():
    free = holding(0.0, cash=10_000.0)
    sold_out = book_outside_sale(holding(), sale(200.0))
    assert decided(free, UP).decision.action is DecisionAction.ENTER_LONG

    waiting = decided(sold_out, UP)
    freed = decided(waiting.state, DOWN)
    fresh = decided(freed.state, UP_AGAIN)

    assert waiting.order_intent is None
    assert waiting.decision.action is DecisionAction.NO_TRADE
    assert waiting.decision.blocked_by == "FRESH_SIGNAL"
    assert "waits for a fresh signal: entry of " in waiting.decision.reason
    assert "asking for nothing at one close" in waiting.decision.would_change
    assert waiting.state.is_overruled
    assert not freed.state.is_overruled
    assert freed.decision.blocked_by is None
    assert fresh.decision.action is DecisionAction.ENTER_LONG


def test_a_pause_is_named_before_a_sale_and_the_wait_goes_on():
    sold_out = book_outside_sale(holding(), sale(200.0))

    paused = decided(sold_out, UP, replace(CROSS, is_paused=True))

    assert paused.decision.blocked_by == "PAUSED"
    assert paused.state.is_overruled


def test_its_own_exit_and_its_own_entry_end_the_binding():
    left = book_outside_sale(holding(), sale(120.0))
    closed = book_fill(left, sale(80.0))
    sold_out = book_outside_sale(holding(), sale(200.0))

    assert not closed.is_overruled
    assert not book_fill(sold_out, sale(5.0, side=OrderSide.BUY)).is_overruled
    assert book_fill(left, sale(30.0)).is_overruled


@pytest.mark.parametrize(("quantity", "action"), [(5.0, "INCREASE"), (900.0, "REDUCE")])
def test_a_rule_that_follows_its_weight_adds_nothing_but_may_sell(quantity, action):
    context, features = _rebalancing()
    i = len(features.bars) - 1
    close = float(features.bars.close[i])
    bound = holding(quantity, cash=max(1_000.0 - quantity, 10.0) * close).changed(
        entry_kind="TREND", stop_price=None, is_overruled=True
    )

    free, kept = (
        step(features, i, state, context) for state in (bound.changed(is_overruled=False), bound)
    )

    assert str(free.decision.action) == action
    if action == "REDUCE":
        assert kept.order_intent == free.order_intent
    else:
        assert kept.order_intent is None
        assert kept.decision.action is DecisionAction.HOLD
        assert kept.decision.blocked_by == "SOLD_BY_HAND"
        assert kept.decision.target_quantity == quantity
        assert "a part was sold by hand: increase of " in kept.decision.reason
        assert kept.decision.sizing[-1].value == free.order_intent.quantity
        assert "the end of this position" in kept.decision.would_change


def _rebalancing():
    """A trend that goes on, followed by weight."""
    rising = flat_bars([100.0 * 1.001**i * (1.0 + 0.004 * (-1) ** i) for i in range(330)])
    context = StepContext(strategy_get("volatility_adaptive_trend"), quantity_step=1.0)
    return context, prepare(rising, "volatility_adaptive_trend", {"breaker": "off"})
