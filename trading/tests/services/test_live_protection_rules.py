"""Resting stops and the rules before an order: they count for nothing and are not kept out."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.models import Order, RiskLimits
from trading.services.order_drafts import OrderInvalid
from trading.services.orders import order_submit
from trading.services.pretrade import n_recent, n_recent_own
from trading.tests.factories import NOW
from trading.tests.services.test_live_protection import (
    at,
    deploy_on,
    filled,
    resting,
    walk,  # noqa: F401
)
from trading.tests.services.test_runner import play

pytestmark = pytest.mark.django_db


def limit_orders(deployment, **limits):
    RiskLimits.objects.filter(portfolio=deployment.portfolio).update(**limits)


def test_what_rests_is_no_open_order_that_keeps_a_person_from_selling(walk):  # noqa: F811
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(61))
    limit_orders(deployment, max_open_orders=1)

    order = order_submit(
        portfolio=deployment.portfolio, instrument=walk, side="SELL", order_type="MARKET",
        quantity=Decimal(1), client_order_id="by hand", now=NOW,
    )  # fmt: skip

    assert len(resting(deployment)) == 2
    assert order.status == "ACCEPTED"


@pytest.mark.parametrize(
    "limits",
    [
        {"max_order_notional": Decimal(1)},
        {"max_open_orders": 1},
        {"max_orders_per_minute": 1},
    ],
)
def test_no_limit_on_size_or_number_keeps_stop_and_target_from_resting(walk, limits):  # noqa: F811
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(59))
    limit_orders(deployment, **limits)

    play(deployment.portfolio, at(60))

    assert set(resting(deployment)) == {"STOP", "TARGET"}


def test_what_rests_takes_nothing_of_the_orders_a_minute(walk):  # noqa: F811
    deployment = deploy_on(walk, **{"trail_atr": 0.8})
    limit_orders(deployment, max_orders_per_minute=1)
    deployment.version.limits = {"max_orders_per_minute": 1}

    play(deployment.portfolio, at(60))

    assert len(resting(deployment)) == 2
    assert n_recent(deployment.portfolio, at(60), is_manual=False, now=NOW) == 0
    assert n_recent_own(deployment.portfolio, deployment, at(60)) == 0
    play(deployment.portfolio, at(109))
    assert len(filled(deployment)) > 4
    assert not Order.objects.filter(status="DENIED").exists()


@pytest.mark.parametrize("key", ["s{pk}-stop-1", "s{pk}-20080930T200000", "close-{pk}"])
def test_a_person_may_not_take_the_keys_of_strategies(walk, key):  # noqa: F811
    deployment = deploy_on(walk)

    with pytest.raises(OrderInvalid, match="is kept for the orders of strategies"):
        order_submit(
            portfolio=deployment.portfolio, instrument=walk, side="BUY", order_type="MARKET",
            quantity=Decimal(1), client_order_id=key.format(pk=deployment.pk), now=NOW,
        )  # fmt: skip

    assert not Order.objects.exists()
