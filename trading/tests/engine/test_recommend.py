"""Recommended sizes: never above a cap, the smallest way wins, what is unknown is said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid
from trading.engine.recommend import SizingCaps, TradeRecord, recommend
from trading.tests.engine.laws import examples

GOOD = TradeRecord(n_trades=400, n_wins=260, payoff_ratio=1.2)


def ask(**changes):
    values = {
        "equity": 100_000.0, "price": 50.0, "volatility": 0.2, "stop_distance": 2.0,
        "record": GOOD, "caps": SizingCaps(),
    }  # fmt: skip
    return recommend(**values | changes)


# The first call compiles what it rounds with.
@examples(100)
@given(
    equity=st.floats(1.0, 1e8),
    price=st.floats(0.01, 1e5),
    volatility=st.floats(0.001, 5.0),
    stop_share=st.floats(0.001, 0.9),
    wins=st.integers(0, 200),
    payoff=st.floats(0.05, 20.0),
    max_weight=st.floats(0.01, 1.0),
)
def test_no_cap_is_ever_exceeded(equity, price, volatility, stop_share, wins, payoff, max_weight):
    caps = SizingCaps(max_weight=max_weight)
    stop = price * stop_share

    found = ask(
        equity=equity, price=price, volatility=volatility, stop_distance=stop, caps=caps,
        record=TradeRecord(200, wins, payoff),
    )  # fmt: skip

    assert 0.0 <= found.weight <= max_weight
    assert found.weight * volatility <= caps.target_volatility * (1 + 1e-9)
    assert found.quantity * stop <= equity * caps.risk_ratio * (1 + 1e-9)


def test_the_smallest_way_is_named():
    assert ask(volatility=4.0).bound_by == "VOLATILITY_TARGET"
    assert ask(stop_distance=40.0).bound_by == "RISK_PER_TRADE"
    assert ask(record=TradeRecord(400, 200, 1.2), volatility=0.01).bound_by == "KELLY"
    assert ask(stop_distance=0.01, record=None, volatility=0.01).bound_by == "MAX_WEIGHT"


def test_a_record_without_an_edge_recommends_nothing():
    assert ask(record=TradeRecord(400, 160, 1.0)).quantity == 0.0


def test_fewer_than_thirty_trades_leave_kelly_out_and_say_so():
    line = ask(record=TradeRecord(29, 29, 5.0)).lines[2]

    assert math.isnan(line.value)
    assert line.text == "left out: 29 trades, 30 are needed"


@pytest.mark.parametrize("unknown", [math.nan, 0.0])
def test_unknown_volatility_holds_nothing(unknown):
    assert ask(volatility=unknown).quantity == 0.0


def test_units_are_rounded_down_to_the_step():
    assert ask(stop_distance=3.0, record=None, quantity_step=100.0).quantity == 300.0


@pytest.mark.parametrize(
    "changes", [{"equity": 0.0}, {"price": -1.0}, {"stop_distance": 0.0}, {"equity": math.nan}]
)
def test_impossible_numbers_are_refused(changes):
    with pytest.raises(ConfigInvalid, match="must be above 0"):
        ask(**changes)


def test_a_cap_outside_its_range_is_refused():
    with pytest.raises(ConfigInvalid, match=r"risk_ratio 1.5 must be above 0 and at most 1"):
        SizingCaps(risk_ratio=1.5)


@pytest.mark.parametrize("n_wins", [-1, 41])
def test_a_record_with_impossible_wins_is_refused(n_wins):
    with pytest.raises(ConfigInvalid, match=f"n_wins {n_wins} must lie between 0 and 40"):
        TradeRecord(n_trades=40, n_wins=n_wins, payoff_ratio=1.0)


def test_a_way_that_ends_at_the_cap_is_bound_by_the_cap():
    found = ask(stop_distance=None, volatility=0.01, caps=SizingCaps(max_weight=0.05))

    assert (found.weight, found.bound_by) == (0.05, "MAX_WEIGHT")
