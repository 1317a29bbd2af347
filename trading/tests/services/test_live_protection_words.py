"""What the page of a strategy says of its protection, in every state it may be in."""

from __future__ import annotations

import pytest

from trading.models import Deployment
from trading.selectors.protection import protection_now
from trading.services.deployments import deployment_pause, deployment_stop
from trading.services.orders import order_cancel, order_submit
from trading.tests.factories import NOW
from trading.tests.services.test_live_protection import (
    at,
    closed_for_trading,
    deploy_on,
    resting,
    walk,  # noqa: F401
)
from trading.tests.services.test_runner import play

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(walk):  # noqa: F811
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(61))
    return deployment


def sentence(deployment):
    return protection_now(Deployment.objects.get(pk=deployment.pk)).sentence


def test_a_stopped_strategy_says_that_nothing_protects_what_it_left(held):
    deployment_stop(deployment=held, now=NOW)

    assert sentence(held) == "Stopped: nothing protects what it left."


def test_a_stopped_strategy_that_left_nothing_says_nothing(held):
    play(held.portfolio, at(65))
    deployment_stop(deployment=held, now=NOW)

    assert protection_now(Deployment.objects.get(pk=held.pk)) is None


def test_a_strategy_in_error_promises_no_order_before_it_is_resumed(held):
    Deployment.objects.filter(pk=held.pk).update(status="ERROR")
    for order in resting(held).values():
        order_cancel(order=order)

    assert "when the strategy decides again" in sentence(held)


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_strategy_that_decides_places_again_what_was_canceled(held, is_paused):
    if is_paused:
        deployment_pause(deployment=held)
    for order in resting(held).values():
        order_cancel(order=order)

    assert "placed again with the next decision" in sentence(held)
    play(held.portfolio, at(62))
    assert set(resting(held)) == {"STOP", "TARGET"}


def test_a_position_sold_by_hand_is_said_to_leave_nothing_to_protect(held):
    order_submit(
        portfolio=held.portfolio, instrument=held.instrument, side="SELL", order_type="MARKET",
        quantity=held.portfolio.positions.get().quantity, client_order_id="all", now=NOW,
    )  # fmt: skip
    play(held.portfolio, at(62))

    assert "was sold by hand" in sentence(held)
    assert resting(held) == {}


def test_one_in_error_whose_order_was_refused_says_that_nothing_is_watched(walk):  # noqa: F811
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(59))
    with closed_for_trading(walk):
        play(deployment.portfolio, at(60))

    assert "watched at each close instead" in sentence(deployment)
    deployment_pause(deployment=deployment)
    assert "watched at each close instead" in sentence(deployment)
    Deployment.objects.filter(pk=deployment.pk).update(status="ERROR")
    assert "watched only when the strategy decides again" in sentence(deployment)


def test_a_refusal_of_an_earlier_position_is_not_shown(walk):  # noqa: F811
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(59))
    with closed_for_trading(walk):
        play(deployment.portfolio, at(60))
    deployment.refresh_from_db()
    later = deployment.state["entry_at"] + 10**9
    deployment.state = {**deployment.state, "entry_at": later}
    deployment.save()

    assert "cannot be traded" not in sentence(deployment)
    assert "was opened without one" in sentence(deployment)
