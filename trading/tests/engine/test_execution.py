"""Orders meet typed bars: gaps, volume, lots, cash; and the books add up for any tape."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.backtest import BacktestConfig, run
from trading.engine.costs import CostModel
from trading.engine.errors import ConfigInvalid
from trading.engine.execution import Blotter
from trading.engine.fill_rules import FillRules, payable_quantity
from trading.engine.market import ExecutionTerms, market_of
from trading.engine.state import start
from trading.engine.types import AssetClass, OrderIntent, OrderSide, OrderType, TimeInForce
from trading.tests.engine.laws import examples, length
from trading.tests.engine.walks import random_walk, tape

# open, high, low, close; bar 3 gaps down through 95, bar 5 gaps up through 105.
ROWS = [
    (100.0, 101.0, 99.0, 100.0),
    (100.0, 102.0, 98.0, 101.0),
    (101.0, 103.0, 100.0, 100.0),
    (92.0, 94.0, 90.0, 93.0),
    (93.0, 96.0, 92.0, 95.0),
    (110.0, 112.0, 108.0, 111.0),
    (111.0, 113.0, 109.0, 112.0),
]
BUY, SELL = OrderSide.BUY, OrderSide.SELL
GTC, DAY = TimeInForce.GTC, TimeInForce.DAY


def blotter_after(wishes, terms, *, volumes=None, cash=10_000.0, held=0.0):
    """Replay wishes (bar -> intent) over the tape without a strategy."""
    bars = tape(ROWS)
    if volumes is not None:
        bars = replace(bars, volume=np.array(volumes, dtype=float))
    market = market_of(bars, np.full(len(bars), -1), terms.costs)
    state = replace(start(cash), quantity=held, avg_entry_price=100.0 if held else 0.0)
    blotter = Blotter(state)
    for i in range(len(bars)):
        blotter.accrue(i, market, terms)
        blotter.meet(i, market, terms)
        blotter.submit(wishes.get(i), i)
    return blotter


def wish(side, quantity, **more):
    return OrderIntent("TAPE", side, quantity, "TEST", **more)


def executed(blotter):
    return [(fill.bar, fill.quantity, round(fill.price, 9)) for fill in blotter.fills]


@pytest.mark.parametrize(
    ("intent", "held", "expected"),
    [
        # A stop met within the bar fills at its level, one gapped through at the open.
        ((SELL, {"order_type": OrderType.STOP_MARKET, "stop_price": 98.5}), 10.0, [(1, 98.5)]),
        ((SELL, {"order_type": OrderType.STOP_MARKET, "stop_price": 95.0}), 10.0, [(3, 92.0)]),
        ((BUY, {"order_type": OrderType.STOP_MARKET, "stop_price": 105.0}), 0.0, [(5, 110.0)]),
        # A limit fills at its level, or better at the open of a bar that gaps beyond it.
        ((BUY, {"order_type": OrderType.LIMIT, "limit_price": 98.5}), 0.0, [(1, 98.5)]),
        ((BUY, {"order_type": OrderType.LIMIT, "limit_price": 95.0}), 0.0, [(3, 92.0)]),
        ((SELL, {"order_type": OrderType.LIMIT, "limit_price": 105.0}), 10.0, [(5, 110.0)]),
        ((SELL, {"order_type": OrderType.LIMIT, "limit_price": 120.0}), 10.0, []),
    ],
)
def test_a_resting_order_fills_where_the_tape_lets_it(intent, held, expected):
    side, prices = intent
    terms = ExecutionTerms(CostModel())

    # Held or not, the wish rests until it fills.
    blotter = blotter_after(
        {0: wish(side, 10.0, time_in_force=GTC, **prices)}, terms, held=held or 1e-9
    )

    assert [(fill.bar, fill.price) for fill in blotter.fills] == expected


@pytest.mark.parametrize(
    ("time_in_force", "expected", "status"),
    [
        (GTC, [(1, 10.0, 100.0), (2, 10.0, 101.0), (3, 5.0, 92.0)], "FILLED"),
        (DAY, [(1, 10.0, 100.0)], "EXPIRED"),
    ],
)
def test_volume_share_fills_a_part_and_the_rest_follows_its_time_in_force(
    time_in_force, expected, status
):
    terms = ExecutionTerms(CostModel(), max_participation=0.1, time_in_force=time_in_force)

    blotter = blotter_after({0: wish(BUY, 25.0)}, terms, volumes=[100.0] * 7)

    assert executed(blotter) == expected
    assert blotter.orders[0].status == status
    assert blotter.orders[0].filled_quantity == sum(quantity for _, quantity, _ in expected)


def test_a_bar_without_volume_fills_nothing_where_volume_is_known():
    terms = ExecutionTerms(CostModel(), max_participation=0.5)

    some = blotter_after({0: wish(BUY, 5.0)}, terms, volumes=[100, 0, 100, 100, 100, 100, 100])
    none = blotter_after({0: wish(BUY, 5.0)}, terms, volumes=[0] * 7)

    assert executed(some) == []
    assert executed(none) == [(1, 5.0, 100.0)]


def test_a_new_wish_replaces_the_rest_of_the_one_before():
    terms = ExecutionTerms(CostModel(), max_participation=0.1, time_in_force=GTC)

    blotter = blotter_after({0: wish(BUY, 25.0), 1: wish(SELL, 10.0)}, terms, volumes=[100.0] * 7)

    assert executed(blotter) == [(1, 10.0, 100.0), (2, 10.0, 101.0)]
    assert [str(order.status) for order in blotter.orders] == ["CANCELED", "FILLED"]


def test_lots_round_a_part_down():
    terms = ExecutionTerms(CostModel(), quantity_step=4.0, max_participation=0.1)

    assert executed(blotter_after({0: wish(BUY, 24.0)}, terms, volumes=[100.0] * 7)) == [
        (1, 8.0, 100.0)
    ]


def test_per_unit_commission_has_a_minimum():
    costs = CostModel(commission_per_unit=0.01, commission_minimum=1.0)

    few = blotter_after({0: wish(BUY, 10.0)}, ExecutionTerms(costs))
    many = blotter_after({0: wish(BUY, 90.0)}, ExecutionTerms(costs.scaled(5.0)))

    assert few.fills[0].commission == 1.0
    assert many.fills[0].commission == 5.0


def test_a_short_pays_borrow_by_the_calendar_day():
    terms = ExecutionTerms(CostModel(borrow_bps_per_day=100.0))

    blotter = blotter_after({0: wish(SELL, 1.0)}, terms)

    closes = [101.0, 100.0, 93.0, 95.0, 111.0]  # held overnight after bars 1 to 5
    assert blotter.borrow == pytest.approx(0.01 * sum(closes))
    assert blotter.state.cash == pytest.approx(10_000.0 + 100.0 - blotter.borrow)


def test_negative_cash_pays_financing():
    terms = ExecutionTerms(CostModel(financing_bps_per_year=3_650.0))
    market = market_of(tape(ROWS), np.full(7, -1), terms.costs)
    blotter = Blotter(replace(start(1.0), cash=-1_000.0))

    blotter.accrue(1, market, terms)

    assert blotter.financing == pytest.approx(1.0)


@pytest.mark.parametrize("values", [{"max_participation": 0.0}, {"max_participation": 1.1},
                                    {"time_in_force": TimeInForce.FOK}])  # fmt: skip
def test_impossible_terms_are_refused(values):
    with pytest.raises(ConfigInvalid, match=next(iter(values))):
        ExecutionTerms(CostModel(), **values)


def test_all_fills_of_an_order_pay_one_least_commission():
    costs = CostModel(commission_bps=10.0, commission_minimum=1.5)
    terms = ExecutionTerms(costs, max_participation=0.1, time_in_force=GTC)

    blotter = blotter_after({0: wish(BUY, 25.0)}, terms, volumes=[100.0] * 7)

    charged = [fill.commission for fill in blotter.fills]
    raw = [0.001 * fill.notional for fill in blotter.fills]
    assert len(charged) == 3
    assert charged == pytest.approx([1.5, raw[0] + raw[1] - 1.5, raw[2]])


def test_a_rest_that_reduces_ends_once_the_position_is_wanted_again():
    terms = ExecutionTerms(CostModel(), max_participation=0.1, time_in_force=GTC)
    bars = replace(tape(ROWS), volume=np.full(7, 100.0))
    market = market_of(bars, np.full(7, -1), terms.costs)
    blotter = Blotter(replace(start(10_000.0), quantity=40.0, avg_entry_price=100.0))
    blotter.submit(wish(SELL, 40.0), 0)

    for i, target_weight in enumerate([0.0, 0.0, 0.5, 0.5], start=1):
        blotter.meet(i, market, terms)
        blotter.submit(None, i, target_weight)

    assert [fill.bar for fill in blotter.fills] == [1, 2, 3]
    assert blotter.state.quantity == 10.0
    assert blotter.orders[0].status == "CANCELED"


def test_a_rest_that_adds_goes_on_while_the_position_is_wanted():
    terms = ExecutionTerms(CostModel(), max_participation=0.1, time_in_force=GTC)
    bars = replace(tape(ROWS), volume=np.full(7, 100.0))
    market = market_of(bars, np.full(7, -1), terms.costs)
    blotter = Blotter(start(10_000.0))
    blotter.submit(wish(BUY, 30.0), 0)

    for i in range(1, 5):
        blotter.meet(i, market, terms)
        blotter.submit(None, i, 0.5)

    assert blotter.state.quantity == 30.0


def test_what_turns_a_short_around_buys_no_more_than_its_cash_pays_for():
    terms = ExecutionTerms(CostModel(commission_bps=100.0))

    turned = blotter_after({0: wish(BUY, 50.0)}, terms, cash=3_030.0, held=-10.0)
    covered = blotter_after({0: wish(BUY, 10.0)}, terms, cash=500.0, held=-10.0)

    assert turned.state.quantity == pytest.approx(20.0)
    assert turned.state.cash == pytest.approx(0.0)
    assert covered.state.quantity == 0.0
    assert covered.state.cash == pytest.approx(500.0 - 1_010.0)


# --- laws -----------------------------------------------------------------------------------

BARS = random_walk(7, length(400, quick=240))
FULL = CostModel(
    preset=AssetClass.EQUITY, commission_bps=1.0, spread_bps=2.0, slippage_bps=1.0,
    commission_per_unit=0.005, commission_minimum=1.0, range_share=0.05, impact=1.0,
    preset_slippage=1.0, preset_impact=0.5,
)  # fmt: skip


@pytest.mark.parametrize("time_in_force", [DAY, GTC])
@pytest.mark.parametrize("key", ["sma_cross", "rsi2_reversion", "volatility_adaptive_trend"])
def test_every_currency_unit_of_cost_is_accounted_for(key, time_in_force):
    config = BacktestConfig(cost_model=FULL, max_participation=0.0005, time_in_force=time_in_force)

    result = run(BARS, key, {}, config)

    by_order = {order.client_order_id: 0.0 for order in result.orders}
    worse = 0.0
    for fill in result.fills:
        by_order[fill.client_order_id] += fill.quantity
        worse += fill.commission + fill.signed_quantity * (fill.price - BARS.exec_prices[fill.bar])
    assert [order.filled_quantity for order in result.orders] == pytest.approx(
        list(by_order.values())
    )
    assert all(o.filled_quantity <= o.quantity * (1 + 1e-12) for o in result.orders)
    assert result.costs.total == pytest.approx(worse, rel=1e-9)
    assert min(result.costs.as_dict().values()) >= 0.0
    assert len(result.fills) > len(result.round_trips) > 0
    flows = config.cash + sum(fill.cash_flow for fill in result.fills)
    assert result.cash[-1] == pytest.approx(flows, rel=1e-9)
    np.testing.assert_allclose(result.equity, result.cash + result.quantity * BARS.close)
    assert result.cash.min() > -1e-6


@examples(60)
@given(
    small=st.floats(1.0, 1e4), more=st.floats(1.0, 1e4), scale=st.floats(0.0, 1e-3),
    per_unit=st.floats(0.0, 1.0), minimum=st.floats(0.0, 50.0),
)  # fmt: skip
def test_more_units_are_never_cheaper_and_no_cost_is_negative(
    small, more, scale, per_unit, minimum
):
    rules = FillRules(0.001, 0.0005, None, 0.0, "OPEN", scale, per_unit, minimum)

    first, second = rules.price_rate(small), rules.price_rate(small + more)

    assert 0.001 <= first <= second
    assert 0.0 <= rules.commission(small, 10.0) <= rules.commission(small + more, 10.0)


@examples(60)
@given(
    cash=st.floats(0.0, 1e6), price=st.floats(0.1, 1e3), scale=st.floats(0.0, 1e-3),
    minimum=st.floats(0.0, 50.0),
)  # fmt: skip
def test_what_is_payable_costs_no_more_than_the_cash(cash, price, scale, minimum):
    rules = FillRules(0.001, 0.0005, None, 0.0, "OPEN", scale, 0.01, minimum)

    quantity = payable_quantity(cash, price, rules)

    paid = price * (1.0 + rules.price_rate(quantity))
    total = quantity * paid + rules.commission(quantity, paid)
    assert quantity == 0.0 or total <= cash * (1 + 1e-9)


def test_a_sale_of_more_than_anybody_trades_is_still_paid():
    bars = random_walk(6, 120)
    thin = replace(bars, volume=np.ones(120))
    config = BacktestConfig(cash=1e7, cost_model=CostModel(impact=1.0))

    found = run(thin, "sma_cross", {"fast": 3, "slow": 9}, config)

    opens = np.array([thin.open[fill.bar] for fill in found.fills])
    prices = np.array([fill.price for fill in found.fills])
    assert np.abs(prices / opens - 1.0).max() == pytest.approx(0.5)
    assert found.final_equity > 0.0
    quantities = np.array([fill.quantity for fill in found.fills])
    assert found.costs.impact == pytest.approx(np.sum(np.abs(prices - opens) * quantities))
