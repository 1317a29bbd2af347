"""Sizes never exceed their caps and round towards nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid
from trading.engine.sizing import (
    kelly_weight,
    risk_quantity,
    round_down,
    volatility_target_weight,
)
from trading.tests.engine.laws import examples


@examples(25)
@given(st.floats(0.0, 1.0), st.floats(0.001, 3.0), st.floats(0.0, 1.0))
def test_volatility_target_stays_within_its_cap(target, volatility, cap):
    weight = volatility_target_weight(target, volatility, cap)

    assert 0.0 <= weight <= cap
    assert weight * volatility <= target * (1.0 + 1e-12)


@pytest.mark.parametrize("volatility", [0.0, float("nan")])
def test_unknown_volatility_holds_nothing(volatility):
    assert volatility_target_weight(0.1, volatility) == 0.0


def test_risk_quantity_loses_the_share_at_the_stop():
    assert risk_quantity(10_000.0, 0.01, 4.0, price=20.0) * 4.0 == 100.0


def test_risk_quantity_is_capped_by_weight():
    assert risk_quantity(10_000.0, 0.01, 0.01, price=20.0, max_weight=0.5) == 250.0


@pytest.mark.parametrize(("distance", "price"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])
def test_risk_quantity_refuses_a_stop_or_price_of_zero(distance, price):
    with pytest.raises(ConfigInvalid):
        risk_quantity(1_000.0, 0.01, distance, price=price)


@examples(25)
@given(st.floats(0.0, 1.0), st.floats(0.01, 10.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_kelly_never_exceeds_its_cap(hit_rate, payoff, share, cap):
    assert 0.0 <= kelly_weight(hit_rate, payoff, share=share, max_weight=cap) <= cap


def test_kelly_refuses_a_payoff_of_zero():
    with pytest.raises(ConfigInvalid):
        kelly_weight(0.5, 0.0)


@examples(25)
@given(st.floats(-1e6, 1e6), st.sampled_from([1.0, 0.5, 0.1, 0.001, 10.0]))
def test_round_down_never_grows_and_loses_less_than_a_step(quantity, step):
    rounded = round_down(quantity, step)

    assert abs(rounded) <= abs(quantity) + 1e-6
    assert abs(quantity) - abs(rounded) < step + 1e-6
    assert rounded * quantity >= 0.0


def test_round_down_keeps_an_exact_multiple():
    assert round_down(0.3, 0.1) == 0.3
