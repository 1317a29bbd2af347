"""What an order would do, computed by the same rules and not stored."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from marketdata.models import Instrument
from trading.engine import types
from trading.engine.risk import RuleResult
from trading.engine.types import Regime
from trading.models import Portfolio
from trading.selectors.portfolios import portfolio_value
from trading.services.amounts import ZERO, amount_of
from trading.services.book_parts import BookPart, sale_parts
from trading.services.order_costs import SLIPPAGE_BASIS, OrderCosts, order_costs
from trading.services.order_drafts import OrderDraft, draft_of
from trading.services.orders import market_view, rules_of
from trading.services.pretrade import (
    PositionView,
    first_failure,
    held_of,
)


@dataclass(frozen=True, slots=True)
class OrderPreview:
    """What an order would do, computed and not stored."""

    draft: OrderDraft
    symbol: str
    price: Decimal | None
    price_at: dt.datetime | None
    market_at: dt.datetime
    regime: Regime | None
    costs: OrderCosts | None
    slippage_basis: str
    buying_power_before: Decimal
    buying_power_after: Decimal
    cash_missing: Decimal
    position_before: Decimal
    position_after: Decimal
    weight_before: float
    weight_after: float
    daily_loss_left: Decimal
    of_strategies: list[BookPart]
    rules: list[RuleResult]
    is_allowed: bool


def order_preview(
    *,
    portfolio: Portfolio,
    instrument: Instrument,
    side: str,
    order_type: str,
    quantity: Decimal | str | int,
    limit_price: Decimal | str | None = None,
    stop_price: Decimal | str | None = None,
    time_in_force: str = "GTC",
    now: dt.datetime,
) -> OrderPreview:
    """Compute what an order would do; writes nothing. Raises OrderInvalid."""
    draft = draft_of(
        side=side, order_type=order_type, quantity=quantity, limit_price=limit_price,
        stop_price=stop_price, time_in_force=time_in_force,
    )  # fmt: skip
    market = market_view(portfolio, instrument, now=now)
    summary = portfolio_value(portfolio)
    held = held_of(portfolio, instrument)
    results = rules_of(
        portfolio, instrument, draft, market, summary=summary, is_manual=True, now=now
    )
    costs = order_costs(draft, instrument, market) if market.price is not None else None
    signed = draft.quantity if draft.side is types.OrderSide.BUY else -draft.quantity
    after = held.quantity + signed
    price = market.price or ZERO
    change = _cash_taken(draft, held, costs) if costs else ZERO
    equity = summary.equity
    return OrderPreview(
        draft=draft,
        symbol=instrument.symbol,
        price=market.price,
        price_at=market.price_at,
        market_at=market.market_at,
        regime=market.regime,
        costs=costs,
        slippage_basis=SLIPPAGE_BASIS,
        buying_power_before=summary.buying_power,
        buying_power_after=max(summary.buying_power - change, ZERO),
        cash_missing=max(change - summary.buying_power, ZERO),
        position_before=held.quantity,
        position_after=after,
        weight_before=float(held.quantity * price / equity) if equity > 0 else 0.0,
        weight_after=float(after * price / equity) if equity > 0 else 0.0,
        daily_loss_left=summary.daily_loss_left,
        of_strategies=sale_parts(portfolio, instrument, held.quantity, -signed),
        rules=results,
        is_allowed=first_failure(results) is None,
    )


def _cash_taken(draft: OrderDraft, held: PositionView, costs: OrderCosts) -> Decimal:
    """Cash a purchase may take at most; what a sale brings in is negative."""
    if draft.side is types.OrderSide.BUY:
        return costs.reserve
    # Never more than closing what is held.
    closed = min(draft.quantity, max(held.quantity, ZERO))
    return -amount_of(closed * costs.reference_price) + costs.commission
