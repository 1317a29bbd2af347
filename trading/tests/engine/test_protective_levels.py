"""The levels at which protective orders rest: on the tick, above zero, against the position."""

from dataclasses import replace

import pytest

from trading.engine.protection import protective_orders
from trading.engine.rules import order_level_nb
from trading.engine.state import start
from trading.engine.types import OrderSide, OrderType


@pytest.mark.parametrize(
    ("price", "is_up", "expected"),
    [(95.126, False, 95.12), (95.126, True, 95.13), (95.12, True, 95.12), (95.12, False, 95.12)],
)
def test_levels_are_rounded_to_the_tick_away_from_the_market(price, is_up, expected):
    assert order_level_nb(price, 0.01, is_up) == expected
    assert order_level_nb.py_func(price, 0.01, is_up) == expected


def test_a_level_on_the_tick_stays_there_although_its_last_digit_is_off():
    for level in (order_level_nb, order_level_nb.py_func):
        assert level(1.1 + 2.2, 0.1, True) == 3.3
        assert level(1.1 + 2.2, 0.1, False) == 3.3


def test_nothing_rests_below_zero_or_for_nobody():
    held = replace(start(9.0), quantity=2.0, stop_price=-3.0, target_price=9.0)

    assert protective_orders(held, "X") == ()
    resting = replace(held, rests_protection=True)
    assert [order.order_type for order in protective_orders(resting, "X")] == [OrderType.LIMIT]
    assert protective_orders(replace(resting, quantity=0.0), "X") == ()


def test_side_of_a_protective_order_is_against_the_position():
    short = replace(start(9.0), quantity=-2.0, stop_price=11.004, rests_protection=True)

    (order,) = protective_orders(short, "X", 0.01)

    assert (order.side, order.stop_price, order.quantity) == (OrderSide.BUY, 11.01, 2.0)
