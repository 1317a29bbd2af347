"""The order state table is closed and final states stay final."""

import pytest

from trading.engine.errors import TransitionInvalid
from trading.engine.types import (
    FINAL_STATUSES,
    ORDER_TRANSITIONS,
    WORKING_STATUSES,
    OrderStatus,
    Position,
    RoundTrip,
    check_transition,
)


def test_every_status_has_a_row_and_leads_only_to_known_ones():
    assert set(ORDER_TRANSITIONS) == set(OrderStatus)
    assert all(after <= set(OrderStatus) for after in ORDER_TRANSITIONS.values())


def test_statuses_are_initial_working_or_final():
    assert FINAL_STATUSES | WORKING_STATUSES | {OrderStatus.INITIALIZED} == set(OrderStatus)
    assert not FINAL_STATUSES & WORKING_STATUSES


@pytest.mark.parametrize("before", sorted(FINAL_STATUSES))
@pytest.mark.parametrize("after", list(OrderStatus))
def test_final_status_never_changes(before, after):
    with pytest.raises(TransitionInvalid, match=f"{before} cannot become {after}"):
        check_transition(before, after)


@pytest.mark.parametrize("before", sorted(WORKING_STATUSES | {OrderStatus.INITIALIZED}))
def test_every_other_status_can_move_on(before):
    for after in ORDER_TRANSITIONS[before]:
        check_transition(before, after)


def test_position_is_worth_its_signed_units():
    short = Position("TAPE", -2.0, 10.0)

    assert short.market_value(8.0) == -16.0
    assert short.unrealized_pnl(8.0) == 4.0


def test_round_trip_without_money_in_it_has_no_return():
    fields = dict.fromkeys(RoundTrip.__dataclass_fields__, 0)

    assert RoundTrip(**fields).return_ratio == 0.0
