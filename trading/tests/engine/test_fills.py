"""Tapes: one bar, one order, one rule."""

import pytest

from trading.engine.errors import ConfigInvalid, OrderInvalid
from trading.engine.fill_rules import FillRules, affordable_quantity, market_price
from trading.engine.fills import BarPrices, execute
from trading.engine.types import Order, OrderSide, OrderStatus, OrderType, TimeInForce

BUY, SELL = OrderSide.BUY, OrderSide.SELL
MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT
STOP, STOP_LIMIT = OrderType.STOP_MARKET, OrderType.STOP_LIMIT
CALM = BarPrices(100.0, 105.0, 95.0, 102.0, 1_000.0, 50)


def order(side, order_type, quantity=10.0, **changes):
    return Order("o-1", "TAPE", side, order_type, quantity, **changes)


@pytest.mark.parametrize(
    ("side", "order_type", "prices", "bar", "expected"),
    [
        (BUY, MARKET, {}, CALM, 100.0),
        (SELL, MARKET, {}, CALM, 100.0),
        (BUY, LIMIT, {"limit_price": 97.0}, CALM, 97.0),
        (BUY, LIMIT, {"limit_price": 95.0}, CALM, 95.0),
        (BUY, LIMIT, {"limit_price": 94.9}, CALM, None),
        (BUY, LIMIT, {"limit_price": 101.0}, CALM, 100.0),
        (SELL, LIMIT, {"limit_price": 104.0}, CALM, 104.0),
        (SELL, LIMIT, {"limit_price": 105.1}, CALM, None),
        (SELL, LIMIT, {"limit_price": 99.0}, CALM, 100.0),
        (BUY, STOP, {"stop_price": 103.0}, CALM, 103.0),
        (BUY, STOP, {"stop_price": 99.0}, CALM, 100.0),
        (BUY, STOP, {"stop_price": 105.1}, CALM, None),
        (SELL, STOP, {"stop_price": 96.0}, CALM, 96.0),
        (SELL, STOP, {"stop_price": 101.0}, CALM, 100.0),
        (SELL, STOP, {"stop_price": 94.0}, CALM, None),
        (BUY, STOP_LIMIT, {"stop_price": 103.0, "limit_price": 104.0}, CALM, 103.0),
        (BUY, STOP_LIMIT, {"stop_price": 103.0, "limit_price": 102.0}, CALM, None),
        (BUY, STOP_LIMIT, {"stop_price": 98.0, "limit_price": 99.0}, CALM, 99.0),
        (SELL, STOP_LIMIT, {"stop_price": 97.0, "limit_price": 96.0}, CALM, 97.0),
        (SELL, STOP_LIMIT, {"stop_price": 101.0, "limit_price": 103.0}, CALM, 103.0),
        (SELL, STOP_LIMIT, {"stop_price": 101.0, "limit_price": 106.0}, CALM, None),
    ],
)
def test_order_meets_the_bar_at_the_right_price(side, order_type, prices, bar, expected):
    done = execute(order(side, order_type, **prices), bar)

    assert done.quantity == (0.0 if expected is None else 10.0)
    if expected is not None:
        assert done.price == expected
        assert done.status is OrderStatus.FILLED


def test_limit_buy_fills_at_open_when_bar_gaps_below():
    gap = BarPrices(90.0, 93.0, 88.0, 92.0, 1e6, 0)

    assert execute(order(BUY, LIMIT, limit_price=97.0), gap).price == 90.0


def test_stop_sell_fills_at_open_when_gapped_through():
    gap = BarPrices(90.0, 93.0, 88.0, 92.0, 1e6, 0)

    done = execute(order(SELL, STOP, stop_price=97.0), gap)

    assert done.price == 90.0
    assert "gapped" in done.reason


def test_stop_limit_gapped_beyond_its_limit_stays_triggered():
    gap = BarPrices(90.0, 93.0, 88.0, 92.0, 1e6, 0)

    done = execute(order(SELL, STOP_LIMIT, stop_price=97.0, limit_price=96.0), gap)

    assert done.quantity == 0.0
    assert done.is_triggered


def test_triggered_stop_limit_fills_as_a_limit_on_a_later_bar():
    waiting = order(SELL, STOP_LIMIT, stop_price=97.0, limit_price=96.0, is_triggered=True)

    assert execute(waiting, BarPrices(93.0, 97.0, 92.0, 95.0, 1e6, 0)).price == 96.0


def test_slippage_worsens_market_and_stop_but_not_limit_fills():
    rules = FillRules(slippage_rate=0.001)

    assert execute(order(BUY, MARKET), CALM, rules).price == pytest.approx(100.1)
    assert execute(order(SELL, STOP, stop_price=96.0), CALM, rules).price == pytest.approx(95.904)
    assert execute(order(BUY, LIMIT, limit_price=97.0), CALM, rules).price == 97.0


def test_commission_is_charged_on_the_notional_filled():
    assert execute(order(BUY, MARKET), CALM, FillRules(commission_rate=0.0005)).commission == 0.5


def test_close_only_series_fill_market_orders_at_the_close():
    assert execute(order(BUY, MARKET), CALM, FillRules(price_field="CLOSE")).price == 102.0


@pytest.mark.parametrize(
    ("side", "order_type", "prices", "bar", "expected"),
    [
        (SELL, STOP, {"stop_price": 96.0}, (90, 97, 89, 91), 96.0),
        (SELL, STOP, {"stop_price": 96.0}, (90, 95, 89, 91), 91.0),
        (BUY, STOP, {"stop_price": 96.0}, (99, 99, 97, 98), 98.0),
        (BUY, LIMIT, {"limit_price": 96.0}, (90, 97, 89, 91), 96.0),
        (BUY, LIMIT, {"limit_price": 96.0}, (90, 95, 89, 91), 91.0),
        (SELL, LIMIT, {"limit_price": 96.0}, (99, 99, 97, 98), 98.0),
        (SELL, STOP, {"stop_price": 96.0, "is_triggered": True}, (99, 99, 97, 98), 98.0),
        (SELL, STOP_LIMIT, {"stop_price": 96.0, "limit_price": 94.0}, (90, 97, 89, 91), 96.0),
        (SELL, STOP_LIMIT, {"stop_price": 96.0, "limit_price": 94.0}, (90, 95, 89, 94.5), 94.0),
        (SELL, STOP_LIMIT, {"stop_price": 96.0, "limit_price": 94.0}, (90, 93, 89, 91), None),
    ],
)
def test_without_a_traded_open_a_bar_gaps_only_where_all_of_it_lies_beyond(
    side, order_type, prices, bar, expected
):
    rules = FillRules(price_field="CLOSE")

    done = execute(order(side, order_type, **prices), BarPrices(*bar, 1e6, 0), rules)

    assert (done.price if done.quantity else None) == expected


def test_volume_share_fills_a_part_and_keeps_the_order_working():
    rules = FillRules(volume_share=0.1, quantity_step=1.0)

    done = execute(order(BUY, MARKET, 250.0), CALM, rules)

    assert done.quantity == 100.0
    assert done.status is OrderStatus.PARTIALLY_FILLED


def test_remaining_quantity_is_what_a_partly_filled_order_asks_for():
    part = order(BUY, MARKET, 250.0, filled_quantity=200.0, status=OrderStatus.PARTIALLY_FILLED)

    assert execute(part, CALM, FillRules(volume_share=0.1)).quantity == 50.0


def test_bar_without_volume_fills_nothing_under_a_share():
    empty = BarPrices(100.0, 105.0, 95.0, 102.0, 0.0, 50)

    done = execute(order(BUY, MARKET), empty, FillRules(volume_share=0.1))

    assert done.quantity == 0.0
    assert done.status is OrderStatus.ACCEPTED


@pytest.mark.parametrize(
    ("time_in_force", "expires_at", "status"),
    [
        (TimeInForce.GTC, None, OrderStatus.ACCEPTED),
        (TimeInForce.DAY, None, OrderStatus.EXPIRED),
        (TimeInForce.IOC, None, OrderStatus.CANCELED),
        (TimeInForce.FOK, None, OrderStatus.CANCELED),
        (TimeInForce.GTD, 50, OrderStatus.EXPIRED),
        (TimeInForce.GTD, 51, OrderStatus.ACCEPTED),
    ],
)
def test_unfilled_order_ends_as_its_time_in_force_says(time_in_force, expires_at, status):
    waiting = order(
        BUY, LIMIT, limit_price=50.0, time_in_force=time_in_force, expires_at=expires_at
    )

    assert execute(waiting, CALM).status is status


@pytest.mark.parametrize(
    ("time_in_force", "quantity", "status"),
    [
        (TimeInForce.FOK, 0.0, OrderStatus.CANCELED),
        (TimeInForce.IOC, 100.0, OrderStatus.CANCELED),
        (TimeInForce.DAY, 100.0, OrderStatus.EXPIRED),
    ],
)
def test_rest_of_a_partial_fill_ends_as_its_time_in_force_says(time_in_force, quantity, status):
    done = execute(
        order(BUY, MARKET, 250.0, time_in_force=time_in_force), CALM, FillRules(volume_share=0.1)
    )

    assert (done.quantity, done.status) == (quantity, status)


@pytest.mark.parametrize(
    ("order_type", "prices"),
    [(LIMIT, {}), (STOP, {}), (STOP_LIMIT, {"stop_price": 1.0}), (LIMIT, {"limit_price": 0.0})],
)
def test_order_without_a_needed_price_is_refused(order_type, prices):
    with pytest.raises(OrderInvalid, match="above 0"):
        execute(order(BUY, order_type, **prices), CALM)


def test_order_with_nothing_left_is_refused():
    with pytest.raises(OrderInvalid, match="nothing left"):
        execute(order(BUY, MARKET, 10.0, filled_quantity=10.0), CALM)


@pytest.mark.parametrize("rules", [{"volume_share": 0.0}, {"slippage_rate": -1.0}])
def test_fill_rules_refuse_values_out_of_bounds(rules):
    with pytest.raises(ConfigInvalid):
        FillRules(**rules)


def test_affordable_quantity_spends_all_cash_with_commission():
    quantity = affordable_quantity(1_000.0, 7.0, 0.001)

    assert quantity * 7.0 * 1.001 == pytest.approx(1_000.0, rel=1e-15)


def test_nothing_is_affordable_without_cash():
    assert affordable_quantity(-5.0, 7.0, 0.001) == 0.0


def test_market_price_is_worse_on_both_sides():
    assert market_price(100.0, BUY, 0.01) == 101.0
    assert market_price(100.0, SELL, 0.01) == 99.0
