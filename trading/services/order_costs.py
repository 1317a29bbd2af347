"""What an order is expected to cost, by what may be known of the market when it is placed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from marketdata.models import Instrument
from trading.engine.costs import CostModel
from trading.engine.fill_rules import market_price
from trading.engine.types import (
    OrderSide,
    OrderType,
    Regime,
    RegimeCode,
)
from trading.services.amounts import UNIT, ZERO, amount_of
from trading.services.market_costs import usual_costs
from trading.services.order_drafts import OrderDraft

# Market orders arrive at the next open; this much worse is a mild assumption for a small order.
PAPER_SLIPPAGE_BPS = 1.0
SLIPPAGE_BASIS = "1 bp worse than the next open; spread and fees by asset class and regime"


@dataclass(frozen=True, slots=True)
class MarketView:
    """What the check may know of the market: last price and regime at the order's market time."""

    price: Decimal | None
    price_at: dt.datetime | None
    regime: Regime | None
    market_at: dt.datetime


@dataclass(frozen=True, slots=True)
class OrderCosts:
    """What an order is expected to cost at its reference price."""

    reference_price: Decimal
    notional: Decimal
    commission: Decimal
    commission_bps: float
    slippage: Decimal
    reserve: Decimal


def costs_of(instrument: Instrument) -> CostModel:
    """Cost model of paper trading for an instrument."""
    return CostModel(slippage_bps=PAPER_SLIPPAGE_BPS, **usual_costs(instrument))


def regime_code(regime: Regime | str | None) -> int:
    """Array code of a regime name; -1 for none."""
    return int(RegimeCode[str(regime)]) if regime else int(RegimeCode.UNKNOWN)


def order_costs(draft: OrderDraft, instrument: Instrument, market: MarketView) -> OrderCosts:
    """Estimate costs; `reserve` is the worst a purchase may take, 0 for a sale."""
    costs = costs_of(instrument)
    rate = costs.commission_rate(regime_code(market.regime))
    reference = _reference_price(draft, market)
    slips = draft.order_type in (OrderType.MARKET, OrderType.STOP_MARKET)
    worst = reference
    if slips:
        worst = amount_of(market_price(float(reference), draft.side, costs.slippage_rate))
    notional = amount_of(draft.quantity * reference)
    commission = amount_of(draft.quantity * worst * amount_of(rate))
    is_buy = draft.side is OrderSide.BUY
    reserve = (draft.quantity * worst).quantize(UNIT, rounding=ROUND_UP) + commission
    return OrderCosts(
        reference_price=reference,
        notional=notional,
        commission=commission,
        commission_bps=rate * 1e4,
        slippage=amount_of(abs(worst - reference) * draft.quantity),
        reserve=reserve if is_buy else ZERO,
    )


def _reference_price(draft: OrderDraft, market: MarketView) -> Decimal:
    """Price to judge an order by: the worst it may pay as far as that is known."""
    last = market.price or ZERO
    if draft.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and draft.limit_price:
        return draft.limit_price
    if draft.order_type is OrderType.STOP_MARKET and draft.stop_price:
        return draft.stop_price
    return last
