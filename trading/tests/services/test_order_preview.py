"""A preview says what an order would take and bring, and never more than closing what is held."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.selectors.portfolios import portfolio_value
from trading.services.order_previews import OrderPreview, order_preview
from trading.tests.factories import NOW
from trading.tests.order_rows import hold, portfolio_in_market

pytestmark = pytest.mark.django_db


def preview(portfolio, side, quantity) -> OrderPreview:
    return order_preview(
        portfolio=portfolio, instrument=portfolio.replay.lead, side=side, order_type="MARKET",
        quantity=quantity, now=NOW,
    )  # fmt: skip


def test_a_purchase_takes_its_reserve_from_the_buying_power():
    found = preview(portfolio_in_market(), "BUY", "10")

    assert found.costs.reserve > 1_000
    assert found.buying_power_after == found.buying_power_before - found.costs.reserve
    assert (found.position_after, found.cash_missing) == (10, 0)


def test_a_purchase_beyond_the_cash_says_what_is_missing():
    found = preview(portfolio_in_market(), "BUY", "2000")

    assert found.cash_missing == found.costs.reserve - found.buying_power_before > 100_000
    assert (found.buying_power_after, found.is_allowed) == (0, False)


@pytest.mark.parametrize(("quantity", "closed"), [("4", 4), ("10", 10), ("25", 10)])
def test_a_sale_brings_in_what_it_closes_less_its_commission(quantity, closed):
    portfolio = portfolio_in_market()
    hold(portfolio, "10")
    before = portfolio_value(portfolio).buying_power

    found = preview(portfolio, "SELL", quantity)

    brought = closed * found.costs.reference_price - found.costs.commission
    assert found.costs.commission > 0
    assert found.buying_power_after == before + brought
    assert found.position_after == 10 - Decimal(quantity)
