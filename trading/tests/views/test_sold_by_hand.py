"""Pages and API that say what a person sells of a strategy's position, before and after."""

from __future__ import annotations

import pytest
from django.urls import reverse

from trading.models import Decision, Order
from trading.tests.services.test_live_books import (
    HELD,
    again,
    at,
    beside,
    by_hand,
    coin,  # noqa: F401
    held_on,
    own,
)
from trading.tests.services.test_runner import play

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment(coin, client):  # noqa: F811
    found = held_on(coin)
    client.force_login(found.portfolio.user)
    return found


def strategy_page(client, deployment):
    page = reverse("strategy_detail", args=[deployment.version.strategy_id])
    return client.get(page).content.decode()


def sell(deployment, quantity):
    order = by_hand(deployment, quantity)
    play(deployment.portfolio, at(HELD + 1))
    return order


def ticket(**fields):
    return {
        "symbol": "COIN", "side": "SELL", "order_type": "MARKET", "time_in_force": "GTC", **fields
    }  # fmt: skip


def test_a_strategy_nobody_sold_of_says_nothing_of_it(deployment, client):
    assert "Sold by hand" not in strategy_page(client, deployment)


def test_the_page_says_what_was_sold_and_that_nothing_is_added(deployment, client):
    order = sell(deployment, own(deployment) - 80)

    page = strategy_page(client, deployment)

    assert 'id="sold-by-hand"' in page
    assert "adds nothing to it" in page
    assert reverse("order_detail", args=[order.uuid]) in page
    assert "units were sold by hand on 2008-08-07; the strategy goes on with 80" in page


def test_the_page_says_what_a_strategy_waits_for_and_when_that_is_over(deployment, client):
    sell(deployment, own(deployment))
    assert "It waits for a fresh signal" in strategy_page(client, deployment)

    play(deployment.portfolio, at(15))

    assert "it trades by its rule again" in strategy_page(client, deployment)


def test_the_decision_says_it_for_good(deployment, client):
    sell(deployment, own(deployment))
    decision = Decision.objects.latest("market_at")

    page = client.get(
        reverse("decision_detail", args=[deployment.version.strategy_id, decision.uuid])
    ).content.decode()

    assert "blocked: waits for a fresh signal" in page
    assert "All of its " in page
    assert ">Position</th>" in page


def test_the_order_says_whose_units_it_sold(deployment, client):
    before = own(deployment)
    order = sell(deployment, before - 80)

    page = client.get(reverse("order_detail", args=[order.uuid])).content.decode()
    answer = client.get(f"/api/v1/orders/{order.uuid}/").json()

    assert page.count('data-testid="of-strategy"') == 1
    assert reverse("strategy_detail", args=[deployment.version.strategy_id]) in page
    assert [(part["deployment_id"], float(part["quantity"]), float(part["held_before"]))
            for part in answer["of_strategies"]] == [
        (deployment.pk, float(before - 80), float(before))
    ]  # fmt: skip
    stored = client.get(f"/api/v1/deployments/{deployment.pk}/").json()
    assert stored["is_overruled"] is True


@pytest.mark.parametrize(
    ("side", "left", "words"),
    [
        ("SELL", 80, "and adds nothing to them"),
        ("SELL", 0, "then waits for a fresh signal"),
        ("BUY", 80, None),
    ],
)
def test_the_preview_says_what_a_sale_would_take_from_a_strategy(
    deployment, client, side, left, words
):
    quantity = own(deployment) - left
    asked = ticket(side=side, quantity=str(quantity))

    page = client.post(reverse("order_preview"), asked).content.decode()
    answer = client.post("/api/v1/orders/preview/", asked, content_type="application/json").json()

    assert len(answer["of_strategies"]) == (1 if words else 0)
    assert "Position before" in page
    assert ("are sold with it" in page) is bool(words)
    if words:
        assert words in page
        assert float(answer["of_strategies"][0]["quantity"]) == float(quantity)
    assert not Order.objects.filter(client_order_id="by hand").exists()


def test_the_preview_leaves_out_strategies_whose_units_are_not_needed(deployment, client, coin):  # noqa: F811
    second = beside(held_on(coin, capital=50_000))
    client.force_login(second.portfolio.user)
    play(second.portfolio, at(HELD + 1))
    by_hand(second, 30, "in", side="BUY")
    play(second.portfolio, at(HELD + 2))
    page = client.post(reverse("order_preview"), ticket(quantity="30")).content.decode()

    assert "Position before" in page
    assert "are sold with it" not in page
    assert own(again(second)) >= 0


def test_one_that_waits_has_a_button_that_lets_it_enter_again(deployment, client):
    sell(deployment, own(deployment))
    before = strategy_page(client, deployment)

    client.post(f"/deployments/{deployment.pk}/enter-again/")
    after = strategy_page(client, deployment)

    assert "it buys with its full size if its rule asks for a position then" in before
    assert f'action="/deployments/{deployment.pk}/enter-again/"' in before
    assert 'id="enter-again-button"' not in after
    assert "it trades by its rule again" in after
    assert "Let enter again: version 1 on COIN" in after


def test_one_that_holds_the_rest_has_no_such_button(deployment, client):
    sell(deployment, own(deployment) - 80)

    assert 'id="enter-again-button"' not in strategy_page(client, deployment)
