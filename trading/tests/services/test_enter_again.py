"""A person ends the wait that a sale by hand began."""

from __future__ import annotations

import pytest

from trading.models import Decision, DeploymentEvent
from trading.services.deployments import (
    DeploymentFinal,
    DeploymentHolds,
    deployment_enter_again,
    deployment_stop,
)
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


@pytest.fixture
def waiting(coin):  # noqa: F811
    """Sold out by hand inside a rise: its rule still asks for a position."""
    deployment = held_on(coin)
    by_hand(deployment, own(deployment))
    play(deployment.portfolio, at(HELD + 1))
    return again(deployment)


def events(deployment):
    found = DeploymentEvent.objects.filter(deployment=deployment).order_by("pk")
    return list(found.values_list("kind", flat=True))


def test_without_it_the_strategy_waits_and_with_it_enters_at_the_next_close(waiting):
    play(waiting.portfolio, at(HELD + 2))
    kept = Decision.objects.filter(deployment=waiting).latest("market_at")

    deployment_enter_again(deployment=waiting, now=NOW)
    play(waiting.portfolio, at(HELD + 4))

    entered = Decision.objects.filter(deployment=waiting, market_at=at(HELD + 3)).get()
    assert kept.blocked_by == "FRESH_SIGNAL"
    assert entered.action == "ENTER_LONG"
    assert own(waiting) > 0
    assert events(waiting) == ["STARTED", "ENTER_AGAIN"]


def test_a_second_time_changes_and_records_nothing(waiting):
    deployment_enter_again(deployment=waiting, now=NOW)
    state = again(waiting).state

    deployment_enter_again(deployment=again(waiting), now=NOW)

    assert again(waiting).state == state
    assert events(waiting).count("ENTER_AGAIN") == 1


def test_one_that_holds_the_rest_goes_on_as_it_is(coin):  # noqa: F811
    deployment = held_on(coin)
    by_hand(deployment, own(deployment) - 80)
    play(deployment.portfolio, at(HELD + 1))

    with pytest.raises(DeploymentHolds, match="it still holds 80 COIN"):
        deployment_enter_again(deployment=again(deployment), now=NOW)


def test_a_stopped_one_enters_nothing(waiting):
    deployment_stop(deployment=waiting, now=NOW)

    with pytest.raises(DeploymentFinal):
        deployment_enter_again(deployment=again(waiting), now=NOW)
