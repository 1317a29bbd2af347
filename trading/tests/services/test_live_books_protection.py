"""Stops and targets of a position that others sell of: resized, selling only what is their own."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketdata.models import Instrument
from trading.models import Order
from trading.selectors.ledger_checks import ledger_verify
from trading.services.deployments import deployment_pause
from trading.tests.services.test_live_books import again, beside, by_hand, decided, own, position
from trading.tests.services.test_live_protection import (
    KEY,
    RESTING,
    at,
    closed_for_trading,
    resting,
    walk,  # noqa: F401
)
from trading.tests.services.test_runner import deploy, play

pytestmark = pytest.mark.django_db
PARAMETERS = {**RESTING, "breaker": "off"}


@pytest.fixture
def pair(walk):  # noqa: F811
    """Two strategies that hold since bar 60: the first is stopped on bar 65, the second is not."""
    first = deploy(walk, KEY, PARAMETERS, start_at=at(50), capital=Decimal(30_000))
    wide = {**PARAMETERS, "stop_atr": 6.0, "trail_atr": 8.0, "target_atr.NORMAL": 8.0}
    second = beside(first, KEY, wide, capital=15_000)
    play(first.portfolio, at(61))
    return again(first), again(second)


def sizes(deployment):
    return {part: order.quantity for part, order in resting(deployment).items()}


def test_what_rests_is_made_smaller_with_the_sale_and_says_so(pair):
    first, second = pair
    before = resting(first)
    by_hand(first, Decimal(100))

    play(first.portfolio, at(62))

    assert own(first) + own(second) == position(first)
    for item in pair:
        assert sizes(item) == {"STOP": own(item), "TARGET": own(item)}
    assert resting(first)["STOP"].decision is not None
    for order in before.values():
        order.refresh_from_db()
        assert (order.status, order.reason_code) == ("CANCELED", "REPLACED")
    assert ledger_verify(first.portfolio) == []


def test_a_sale_at_the_open_of_the_bar_that_meets_a_stop_leaves_the_other_its_own(pair):
    first, second = pair
    play(first.portfolio, at(64))
    held = {item.pk: own(item) for item in pair}
    sold = Decimal(100)
    by_hand(first, sold)

    play(first.portfolio, at(65))

    stop = Order.objects.get(deployment=first, protection="STOP", status="FILLED")
    assert held[first.pk] + held[second.pk] == sold + stop.filled_quantity + own(second)
    assert own(second) == position(second) > 0
    assert own(first) == 0
    because = decided(first, 65).parameters["position"]["because"]
    assert because.endswith("its own order sold the rest")


def test_a_stop_that_could_not_be_made_smaller_sells_no_unit_of_another(pair):
    first, second = pair
    play(first.portfolio, at(64))
    by_hand(first, Decimal(100))
    with closed_for_trading(first.instrument):
        play(first.portfolio, at(65))

    stop = Order.objects.get(deployment=first, protection="STOP", status="FILLED")
    taken = first.book_changes.get().quantity
    assert stop.filled_quantity == stop.quantity == first.book_changes.get().held_before - taken
    assert own(second) == position(second) > 0


def test_a_paused_strategy_is_told_too_and_its_stop_follows(pair):
    first, _ = pair
    deployment_pause(deployment=first)
    by_hand(first, Decimal(100))

    play(first.portfolio, at(62))

    assert sizes(first) == {"STOP": own(first), "TARGET": own(first)}
    assert "sold by hand" in decided(first, 62).reason


def test_nothing_rests_for_a_position_that_was_sold_whole(pair):
    first, second = pair
    by_hand(first, position(first))

    play(first.portfolio, at(62))

    assert sizes(first) == sizes(second) == {}
    assert not Order.objects.filter(status="DENIED").exists()
    assert decided(first, 62).blocked_by in {"FRESH_SIGNAL", ""}


def test_a_sale_at_the_close_comes_after_the_stop_of_that_bar(pair):
    first, second = pair
    Instrument.objects.filter(pk=first.instrument_id).update(is_close_only=True)
    play(first.portfolio, at(64))
    order = by_hand(first, position(first) - 1)

    play(first.portfolio, at(65))

    order.refresh_from_db()
    # The stop had sold a part of it before: the order was made smaller, then filled.
    assert own(first) == 0
    assert order.status == "FILLED"
    assert order.reason.startswith("reduced from ")
    assert own(second) == position(second) == 0
    assert ledger_verify(first.portfolio) == []
