"""Resting stops beside other sales: nothing that is sold twice leaves a portfolio short."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from marketdata.models import Instrument
from trading.models import Decision, Order
from trading.selectors.ledger_checks import ledger_verify
from trading.services.orders import order_submit
from trading.tests.engine.walks import random_walk
from trading.tests.factories import NOW, bars_make, instrument_make
from trading.tests.services.test_live_protection import (
    KEY,
    RESTING,
    at,
    deploy_on,
    resting,
    walk,  # noqa: F401
)
from trading.tests.services.test_runner import deploy, play

pytestmark = pytest.mark.django_db
FAR = Decimal(900)


def submit(deployment, quantity, key, **fields):
    asked = {"side": "SELL", "order_type": "MARKET", "market": None, **fields}
    return order_submit(
        portfolio=deployment.portfolio, instrument=deployment.instrument, quantity=quantity,
        client_order_id=key, now=NOW, **asked,
    )  # fmt: skip


def own_sale(deployment, quantity, key):
    decision = Decision.objects.filter(deployment=deployment).latest("market_at")
    return order_submit(
        portfolio=deployment.portfolio, instrument=deployment.instrument, side="SELL",
        order_type="MARKET", quantity=quantity, time_in_force="DAY", client_order_id=key,
        decision=decision, deployment=deployment, now=NOW,
    )  # fmt: skip


def far_sale(deployment, quantity, key):
    return submit(deployment, quantity, key, order_type="LIMIT", limit_price=FAR)


def held(deployment):
    return deployment.portfolio.positions.get().quantity


def statuses(*orders):
    for order in orders:
        order.refresh_from_db()
    return [order.status for order in orders]


def test_a_stop_takes_back_the_sales_by_hand_of_what_it_sold(walk):  # noqa: F811
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(61))
    by_hand = far_sale(deployment, held(deployment), "by hand")

    play(deployment.portfolio, at(65))

    assert statuses(by_hand) == ["CANCELED"]
    assert by_hand.reason_code == "EXCEEDS_HOLDING"
    assert held(deployment) == 0
    assert ledger_verify(deployment.portfolio) == []


@pytest.fixture
def beside(walk):  # noqa: F811
    """A strategy stopped on bar 65, beside three units its owner bought on bar 61."""
    deployment = deploy(
        walk, KEY, {**RESTING, "breaker": "off"}, start_at=at(50), capital=Decimal(20_000)
    )
    play(deployment.portfolio, at(60))
    submit(deployment, Decimal(3), "mine", side="BUY")
    play(deployment.portfolio, at(61))
    return deployment


def test_a_stop_leaves_the_sales_by_hand_what_is_still_held(beside):
    first = far_sale(beside, Decimal(2), "first")
    second = far_sale(beside, Decimal(2), "second")
    third = far_sale(beside, Decimal(2), "third")

    play(beside.portfolio, at(65))

    assert held(beside) == 3
    assert statuses(first, second, third) == ["ACCEPTED", "ACCEPTED", "CANCELED"]
    assert (first.quantity, second.quantity) == (2, 1)
    assert second.reason_code == "EXCEEDS_HOLDING"
    assert second.reason == ("reduced from 2 to 1: a stop or target has sold what it was for")
    reduced = second.events.latest("sequence")
    assert (reduced.label, reduced.from_status) == ("Reduced", "ACCEPTED")
    assert (reduced.detail["quantity_before"], reduced.detail["quantity"]) == (
        "2.00000000", "1.00000000",
    )  # fmt: skip


def test_a_sale_that_was_made_smaller_still_answers_its_key_and_sells_what_is_left(beside):
    sale = far_sale(beside, held(beside), "by hand")
    play(beside.portfolio, at(65))
    again = far_sale(beside, sale.quantity, "by hand")
    assert (again.pk, again.quantity) == (sale.pk, 3)

    Order.objects.filter(pk=sale.pk).update(limit_price=Decimal(1))
    play(beside.portfolio, at(66))

    beside.refresh_from_db()
    assert statuses(sale) == ["FILLED"]
    assert sale.filled_quantity == 3
    assert held(beside) == Decimal(str(beside.state["quantity"]))
    assert ledger_verify(beside.portfolio) == []


def test_a_stop_met_before_a_fill_at_the_close_ends_the_exit_of_its_strategy(walk):  # noqa: F811
    Instrument.objects.filter(pk=walk.pk).update(is_close_only=True)
    deployment = deploy_on(walk)
    play(deployment.portfolio, at(64))
    leaving = own_sale(deployment, held(deployment), "leaving")

    play(deployment.portfolio, at(65))

    assert Order.objects.filter(protection="STOP", status="FILLED").count() == 1
    assert statuses(leaving) == ["CANCELED"]
    assert leaving.reason_code == "PROTECTION_MET"
    assert held(deployment) == 0


@pytest.mark.parametrize("sale", [submit, far_sale])
def test_a_stop_goes_on_trailing_while_a_person_sells_of_the_position(walk, sale):  # noqa: F811
    deployment = deploy_on(walk, **{"trail_atr": 0.8, "target_atr.NORMAL": 6.0})
    play(deployment.portfolio, at(61))
    before = resting(deployment)["STOP"]
    sale(deployment, held(deployment) - 1, "by hand")

    for bar in range(62, 75):
        play(deployment.portfolio, at(bar))
        after = resting(deployment).get("STOP")
        if after is None or after.stop_price > before.stop_price:
            break

    assert after is not None
    assert after.quantity == held(deployment)
    assert not Order.objects.filter(status="DENIED").exists()


def test_a_stop_that_may_not_be_replaced_stays(walk):  # noqa: F811
    deployment = deploy_on(walk, **{"trail_atr": 0.8, "target_atr.NORMAL": 6.0})
    play(deployment.portfolio, at(61))
    before = resting(deployment)["STOP"]
    Instrument.objects.filter(pk=walk.pk).update(is_tradable=False)

    for bar in range(62, 75):
        play(deployment.portfolio, at(bar))
        if Order.objects.filter(protection="STOP", status="DENIED").exists():
            break

    assert Order.objects.filter(protection="STOP", status="DENIED").exists()
    assert resting(deployment)["STOP"].pk == before.pk


@pytest.fixture
def crash():
    """The same walk, whose bar 65 opens a fifth below the close before."""
    instrument = instrument_make("CRASH", asset_class="CRYPTO")
    bars = random_walk(12, 110, 0.02)
    rows = np.round(np.stack([bars.open, bars.high, bars.low, bars.close], axis=1), 2)
    rows[65] = rows[64, 3] * 0.8
    bars_make(instrument, [tuple(row) for row in np.round(rows, 2).tolist()])
    return instrument


def test_a_part_sale_at_a_gap_leaves_the_stop_for_the_rest_of_the_same_bar(crash):
    deployment = deploy_on(crash)
    play(deployment.portfolio, at(64))
    own_sale(deployment, held(deployment) - 1, "cut")

    play(deployment.portfolio, at(65))

    stop = Order.objects.get(deployment=deployment, protection="STOP", status="FILLED")
    assert (stop.filled_quantity, stop.reason_code) == (1, "STOP_GAPPED")
    assert held(deployment) == 0
