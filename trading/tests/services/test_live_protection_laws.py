"""A law: whatever a person orders beside a strategy, none goes short or is refused."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from marketdata.models import Instrument
from trading.models import BookChange, Deployment, Fill, Order
from trading.selectors.ledger_checks import ledger_verify
from trading.selectors.prices import bar_last
from trading.services.amounts import amount_of
from trading.services.orders import order_submit
from trading.tests.factories import NOW
from trading.tests.services.test_live_books import beside
from trading.tests.services.test_live_protection import (
    KEY,
    RESTING,
    at,
    walk,  # noqa: F401
)
from trading.tests.services.test_runner import deploy, play

pytestmark = pytest.mark.django_db
LEVELS = {"LIMIT": ("limit_price", "1.04"), "STOP_MARKET": ("stop_price", "0.97"), "MARKET": None}


def order_by_chance(deployment, rng, bar):
    """Buy a little, or sell up to all that is held, at the market or at a level that rests."""
    position = deployment.portfolio.positions.first()
    held = int(position.quantity) if position else 0
    kind = rng.choice(list(LEVELS))
    is_sale = held > 0 and rng.random() < 0.8
    fields = {}
    if is_sale and LEVELS[kind]:
        name, share = LEVELS[kind]
        close = bar_last(deployment.instrument, until=at(bar), timeframe="1d").close
        fields = {name: (Decimal(repr(close)) * Decimal(share)).quantize(Decimal("0.01"))}
    order_submit(
        portfolio=deployment.portfolio, instrument=deployment.instrument,
        side="SELL" if is_sale else "BUY", order_type=kind if fields else "MARKET",
        quantity=rng.randint(1, held) if is_sale else 5, client_order_id=f"by hand {bar}",
        now=NOW, **fields,
    )  # fmt: skip


@pytest.mark.parametrize(("seed", "is_close_only"), [(4, True), (3, True), (6, False)])
def test_whatever_a_person_orders_no_more_is_sold_than_is_held(walk, seed, is_close_only):  # noqa: F811
    Instrument.objects.filter(pk=walk.pk).update(is_close_only=is_close_only)
    parameters = {**RESTING, "breaker": "off", "trail_atr": 0.8}
    deployment = deploy(walk, KEY, parameters, start_at=at(50), capital=Decimal(20_000))
    beside(deployment, KEY, {**parameters, "stop_atr": 4.0, "trail_atr": 4.0})
    rng = random.Random(seed)

    for bar in range(59, 110):
        play(deployment.portfolio, at(bar))
        position = deployment.portfolio.positions.first()
        assert 0 <= sum(books(deployment)) <= (position.quantity if position else 0)
        assert min(books(deployment)) >= 0
        if rng.random() < 0.5:
            order_by_chance(deployment, rng, bar)

    assert Fill.objects.filter(order__protection="STOP").exists()
    changed = BookChange.objects.values_list("deployment", flat=True)
    assert len(set(changed)) == 2
    assert not Order.objects.filter(deployment__isnull=False, status="DENIED").exists()
    assert Order.objects.filter(client_order_id__startswith="by hand", status="FILLED").exists()
    assert ledger_verify(deployment.portfolio) == []


def books(deployment):
    states = Deployment.objects.filter(portfolio=deployment.portfolio).values_list(
        "state", flat=True
    )
    return [amount_of(state["quantity"]) for state in states]
