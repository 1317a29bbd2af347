"""Orders for the tests of services: a market at 100 without limits, an order, a holding."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trading.models import Order, Portfolio
from trading.services.fills import fill_record
from trading.services.orders import order_submit
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make

FREE: dict[str, Any] = {
    "max_order_notional": Decimal(10**9),
    "max_position_weight": 1.0,
    "max_gross_exposure": 1.0,
    "max_daily_loss_ratio": 1.0,
    "max_open_orders": 1_000,
    "max_orders_per_minute": 6_000,
}


def portfolio_in_market(symbol: str = "SPX", **limits: Any) -> Portfolio:
    """100,000 USD in a market that stands at 100; no limit is in the way but those given."""
    lead = instrument_make(symbol, [100.0] * 5, asset_class="CRYPTO")
    return portfolio_make(lead=lead, **{**FREE, **limits})


def submit(
    portfolio: Portfolio,
    quantity: str = "10",
    key: str = "k",
    side: str = "BUY",
    order_type: str = "MARKET",
    **prices: Any,
) -> Order:
    return order_submit(
        portfolio=portfolio, instrument=portfolio.replay.lead, side=side, order_type=order_type,
        quantity=quantity, client_order_id=key, now=NOW, **prices,
    )  # fmt: skip


def hold(portfolio: Portfolio, quantity: str, price: str = "100") -> None:
    """Buy and fill at once."""
    order = submit(portfolio, quantity, key=f"hold-{Order.objects.count()}")
    fill_record(
        order=order, trade_id="t", quantity=order.quantity, price=Decimal(price),
        filled_at=FIRST_CLOSE,
    )  # fmt: skip
