"""REST: a person ends the wait that a sale by hand began, as on the page."""

from __future__ import annotations

import pytest

from trading.models import Decision
from trading.services.deployments import deployment_stop
from trading.tests.factories import NOW
from trading.tests.services.test_live_books import (
    HELD,
    again,
    at,
    by_hand,
    coin,  # noqa: F401
    held_on,
    own,
)
from trading.tests.services.test_runner import play

pytestmark = pytest.mark.django_db


def enter_again(client, deployment):
    client.force_login(deployment.portfolio.user)
    return client.post(f"/api/v1/deployments/{deployment.pk}/enter-again/")


def sold(deployment, left=0):
    by_hand(deployment, own(deployment) - left)
    play(deployment.portfolio, at(HELD + 1))
    return again(deployment)


def test_one_that_waits_enters_at_its_next_close(client, coin):  # noqa: F811
    waiting = sold(held_on(coin))
    waited = waiting.is_overruled

    answers = [enter_again(client, waiting) for _ in range(2)]
    play(waiting.portfolio, at(HELD + 2))

    assert waited
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["is_overruled"] is False
    entered = Decision.objects.filter(deployment=waiting).latest("market_at")
    assert entered.action == "ENTER_LONG"


def test_one_that_holds_a_rest_is_a_conflict(client, coin):  # noqa: F811
    answer = enter_again(client, sold(held_on(coin), left=80))

    assert (answer.status_code, answer.json()["code"]) == (409, "DEPLOYMENT_HOLDS")
    assert "it still holds 80 COIN" in answer.json()["detail"]


def test_a_stopped_one_is_a_conflict(client, coin):  # noqa: F811
    waiting = sold(held_on(coin))
    deployment_stop(deployment=waiting, now=NOW)

    answer = enter_again(client, waiting)

    assert (answer.status_code, answer.json()["code"]) == (409, "DEPLOYMENT_STOPPED")
