"""The files of a portfolio and of a strategy at work: their titles, and a value under each."""

from __future__ import annotations

import csv
import io

import pytest

from trading.models import Decision
from trading.services.orders import order_submit
from trading.tests.factories import DAY, FIRST_CLOSE, NOW
from trading.tests.views.pages import address

pytestmark = pytest.mark.django_db


@pytest.fixture
def traded(portfolio, deployment):
    """A position, an order and a decision of the strategy."""
    portfolio.positions.create(
        instrument=deployment.instrument, quantity=10, avg_entry_price=80, last_price=100
    )
    order_submit(
        portfolio=portfolio, instrument=deployment.instrument, side="BUY", order_type="LIMIT",
        quantity="1", limit_price="1", client_order_id=f"s{deployment.pk}-1",
        deployment=deployment, now=NOW,
    )  # fmt: skip
    return Decision.objects.create(
        deployment=deployment, market_at=FIRST_CLOSE + 649 * DAY, action="HOLD", regime="HIGH",
        price=101.5, signal=0.25, reason="Hold: nothing to do.",
    )  # fmt: skip


def rows_of(member, path):
    content = member.get(f"{path}?format=csv").content.decode()
    return list(csv.DictReader(io.StringIO(content)))


def test_every_file_has_its_titles(member, version, traded):
    assert {
        path: list(rows_of(member, path)[0])
        for path in ("/portfolio/", "/portfolio/ledger/", "/portfolio/activity/", "/orders/")
    } == {
        "/portfolio/": [
            "symbol", "side", "quantity", "avg_entry_price", "last_price", "market_value",
            "weight", "unrealized_pnl", "realized_pnl", "commission",
        ],
        "/portfolio/ledger/": [
            "time", "entry", "kind", "description", "account", "symbol", "debit", "credit",
            "balance",
        ],
        "/portfolio/activity/": ["time", "kind", "symbol", "text"],
        "/orders/": [
            "placed_at", "order", "symbol", "side", "type", "quantity", "filled_quantity",
            "avg_fill_price", "commission", "status", "reason",
        ],
    }  # fmt: skip


def test_a_decision_stands_under_the_titles_of_its_file(member, version, traded):
    (row,) = rows_of(member, address(version))

    assert row == {
        "time": traded.market_at.isoformat(), "symbol": "SPX", "version": "1",
        "action": "HOLD", "regime": "HIGH",
        "close": "101.5", "signal": "0.25", "target_weight": "", "target_quantity": "",
        "blocked_by": "", "reason": "Hold: nothing to do.", "id": str(traded.uuid),
    }  # fmt: skip


def test_an_order_stands_under_the_titles_of_its_file(member, traded):
    (row,) = rows_of(member, "/orders/")

    assert (row["symbol"], row["side"], row["type"], row["status"]) == (
        "SPX", "BUY", "LIMIT", "ACCEPTED",
    )  # fmt: skip
