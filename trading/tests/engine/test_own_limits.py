"""A strategy's own limits cut what it asks for, in the step and so in every backtest."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.backtest import BacktestConfig, run
from trading.engine.errors import ConfigInvalid
from trading.engine.own_limits import AccountView, Cut, OwnLimits, cut_to_limits
from trading.engine.planning import StepContext
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.shared_account import Leg
from trading.engine.state import StrategyState, start
from trading.engine.step import prepare, step
from trading.engine.strategies import strategy_get
from trading.engine.types import OrderSide
from trading.tests.engine.walks import random_walk, tape

FLAT = AccountView(1_000.0, 0.0, 0.0, 1_000.0)
PARAMS = {"fast": 1, "slow": 2}
RISING = tape([(price,) * 4 for price in (1.0, 1.0, 2.0, 4.0, 5.0, 6.0)])


def cut(weight, limits, account=FLAT, *, equity=1_000.0, quantity=0.0, close=10.0):
    return cut_to_limits(weight, limits, account, equity=equity, quantity=quantity, close=close)


@pytest.mark.parametrize(
    ("limits", "left", "words"),
    [
        ({"max_position_weight": 0.2}, 0.2, "largest position 20.0% of equity"),
        ({"max_gross_exposure": 0.3}, 0.3, "largest gross exposure 30.0% of equity"),
        ({"max_order_notional": 50.0}, 0.05, "largest order 50.00"),
    ],
)
def test_a_wish_is_cut_to_each_limit_with_its_sentence(limits, left, words):
    found = cut(0.5, OwnLimits(**limits))

    assert found == Cut(pytest.approx(left), "SIZE_LIMIT", f"{words}, set by the strategy itself")


@pytest.mark.parametrize("name", [field.name for field in fields(OwnLimits)])
def test_a_limit_of_any_kind_is_one(name):
    assert not OwnLimits(**{name: 0.5}).is_empty


def test_the_tightest_limit_cuts_and_a_smaller_wish_is_left_alone():
    limits = OwnLimits(max_position_weight=0.2, max_order_notional=50.0)

    assert cut(0.5, limits).because.startswith("largest order")
    assert cut(0.05, limits) == Cut(0.05)
    assert cut(-0.5, limits).weight == pytest.approx(-0.05)


def test_what_others_hold_of_the_account_counts():
    account = AccountView(1_000.0, 400.0, 25.0, 1_000.0)  # 250 of this instrument, 15 units others'

    assert cut(0.9, OwnLimits(max_position_weight=0.5), account, quantity=10.0).weight == (
        pytest.approx(0.35)
    )
    assert cut(0.9, OwnLimits(max_gross_exposure=0.5), account, quantity=10.0).weight == (
        pytest.approx(0.2)
    )


def test_a_flip_sells_the_old_side_in_the_same_order_and_frees_its_room():
    account = AccountView(1_000.0, 1_000.0, 100.0, 1_000.0)

    def flipped(**limits):
        return cut(-1.0, OwnLimits(**limits), account, quantity=100.0)

    assert flipped(max_order_notional=1_000.0).weight == 0.0
    assert flipped(max_order_notional=1_500.0).weight == pytest.approx(-0.5)
    assert flipped(max_order_notional=2_000.0) == Cut(-1.0)
    assert flipped(max_gross_exposure=1.0) == Cut(-1.0)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_what_others_hold_on_the_other_side_makes_no_position_larger(side):
    limits = OwnLimits(max_position_weight=0.5)
    against = AccountView(1_000.0, 400.0, -40.0 * side, 1_000.0)
    along = AccountView(1_000.0, 400.0, 40.0 * side, 1_000.0)

    assert cut(0.5 * side, limits, against) == Cut(0.5 * side)
    assert cut(0.5 * side, limits, along).weight == pytest.approx(0.1 * side)


def test_a_position_grown_past_its_limit_is_not_sold_and_getting_out_is_possible():
    limits = OwnLimits(max_position_weight=0.2)

    assert cut(0.9, limits, quantity=50.0).weight == pytest.approx(0.5)
    assert cut(0.3, limits, quantity=50.0) == Cut(0.3)
    assert cut(0.0, limits, quantity=50.0) == Cut(0.0)


def test_a_used_up_daily_loss_adds_nothing_and_keeps_what_is_held():
    limits = OwnLimits(max_daily_loss_ratio=0.05)
    lost = AccountView(950.0, 0.0, 0.0, 1_000.0)

    found = cut(0.5, limits, lost, equity=950.0)

    assert (found.weight, found.rule) == (0.0, "LOSS_LIMIT")
    assert found.because == (
        "loss today 5.0% has used up the daily loss of 5.0%, set by the strategy itself"
    )
    assert cut(0.5, limits, lost, equity=950.0, quantity=19.0).weight == pytest.approx(0.2)
    assert cut(0.5, limits, replace_loss(lost, 951.0), equity=951.0) == Cut(0.5)


def replace_loss(account, equity):
    return account._replace(equity=equity)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused_by_name(value):
    with pytest.raises(ConfigInvalid, match="max_order_notional"):
        OwnLimits(max_order_notional=value)


@given(
    weight=st.floats(-1.0, 1.0),
    quantity=st.floats(-100.0, 100.0),
    most=st.floats(0.01, 1.0),
    order=st.floats(1.0, 1e4),
)
def test_a_cut_never_adds_and_never_sells_what_was_not_to_be_sold(weight, quantity, most, order):
    found = cut(weight, OwnLimits(most, None, order), quantity=quantity)

    held = abs(quantity) * 10.0 / 1_000.0 if weight * quantity > 0.0 else 0.0
    assert abs(found.weight) <= abs(weight)
    assert found.weight * weight >= 0.0
    if found.rule:
        assert abs(found.weight) >= held - 1e-12


def test_a_backtest_holds_no_more_than_its_own_limit_and_says_so():
    config = BacktestConfig(
        cash=100.0, limits=OwnLimits(max_position_weight=0.2), keeps_decisions=True
    )

    found = run(RISING, "sma_cross", PARAMS, config)

    entry = next(one for one in found.decisions if one.action == "ENTER_LONG")
    lines = {line.label: line for line in entry.sizing}
    assert lines["own limit"].value == pytest.approx(0.2)
    assert lines["own limit"].text == (
        "cut to 0.200: largest position 20.0% of equity, set by the strategy itself"
    )
    assert "cut to 20.0% of its book: largest position 20.0% of equity" in entry.reason
    assert entry.target_quantity * entry.close == pytest.approx(0.2 * 100.0)


@pytest.mark.parametrize("key", ["sma_cross", "volatility_adaptive_trend", "hybrid"])
def test_limits_that_never_bind_change_no_fill(key):
    bars = random_walk(12, 310)
    loose = BacktestConfig(limits=OwnLimits(max_order_notional=1e12), allows_all_cash=False)

    plain = run(bars, key, {}, replace(loose, limits=OwnLimits()))
    limited = run(bars, key, {}, loose)

    assert np.array_equal(limited.quantity, plain.quantity)
    assert np.array_equal(limited.cash, plain.cash)


def test_no_room_left_is_a_block_of_its_own():
    features = prepare(RISING, "sma_cross", PARAMS)
    account = AccountView(100.0, 90.0, 30.0, 100.0)
    context = StepContext(
        strategy_get("sma_cross"), limits=OwnLimits(max_position_weight=0.5), account=account
    )

    outcome = step(features, 3, start(100.0), context)

    assert outcome.order_intent is None
    assert outcome.decision.blocked_by == "SIZE_LIMIT"
    assert "its own limits leave no room" in outcome.decision.reason


def test_the_day_begins_with_the_equity_at_the_last_close_before_it():
    features = prepare(RISING, "sma_cross", PARAMS)
    context = StepContext(strategy_get("sma_cross"), limits=OwnLimits(max_daily_loss_ratio=0.5))
    day = 86_400_000_000_000
    closed_at = int(features.bars.closed_at[3])
    held = StrategyState(cash=0.0, equity=70.0, quantity=10.0, last_bar_at=closed_at - day)

    after = step(features, 3, held, context).state
    same_day = step(features, 3, replace(after, equity=1.0), context).state

    assert after.day_start_equity == 70.0
    assert same_day.day_start_equity == 70.0


def test_a_day_that_lost_its_limit_orders_nothing_more():
    features = prepare(RISING, "sma_cross", PARAMS)
    context = StepContext(strategy_get("sma_cross"), limits=OwnLimits(max_daily_loss_ratio=0.1))
    at = int(features.bars.closed_at[3])
    lost = replace(start(80.0), day_start_equity=100.0, last_bar_at=at)

    outcome = step(features, 3, lost, context)

    assert outcome.order_intent is None
    assert outcome.decision.blocked_by == "LOSS_LIMIT"
    assert step(features, 3, replace(lost, day_start_equity=85.0), context).order_intent


def test_the_limits_of_an_account_of_several_are_measured_on_the_account():
    bars = [replace(RISING, symbol=symbol) for symbol in "AB"]
    legs = [Leg(one, "sma_cross", PARAMS) for one in bars]
    config = BacktestConfig(cash=100.0, limits=OwnLimits(max_position_weight=0.1))

    found = run_portfolio(legs, config)

    # A tenth of 100 at the close of 2 decided at; of each book's own half it would be 2.5 units.
    assert [fill.quantity for fill in found.account.fills] == pytest.approx([5.0, 5.0])


def test_strategies_that_enter_on_the_same_tick_share_the_room_of_the_account():
    prices = tape([(price,) * 4 for price in (1.0, 1.0, 2.0, 2.0, 2.0)])
    legs = [Leg(replace(prices, symbol=symbol), "sma_cross", PARAMS) for symbol in "AB"]
    config = BacktestConfig(cash=100.0, limits=OwnLimits(max_gross_exposure=0.6))

    found = run_portfolio(legs, config)

    bought = [fill.quantity for fill in found.account.fills if fill.side is OrderSide.BUY]
    assert bought == pytest.approx([25.0, 5.0])
