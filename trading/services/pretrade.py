"""The check in front of every order: every rule with its limit."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from marketdata.models import Instrument
from trading.engine import risk
from trading.engine.own_limits import BY_ITSELF
from trading.engine.types import (
    WORKING_STATUSES,
    OrderSide,
    RuleStatus,
)
from trading.models import Deployment, Order, Portfolio, RiskLimits
from trading.selectors.portfolios import PortfolioSummary, limits_get, quantity_held
from trading.services.amounts import ZERO, plain
from trading.services.order_costs import MarketView, OrderCosts, order_costs
from trading.services.order_drafts import OrderDraft
from trading.services.own_limits import NO_LIMITS, OwnLimits, owned, tightened

MINUTE = dt.timedelta(minutes=1)
# What may rest for a position is asked no more: it only ever sells what is held.
RESTING_RULES = ("QUANTITY", "SHORT")
# How many orders there may be says nothing against one that ends a strategy and its position.
COUNTING_RULES = ("MAX_ORDERS_PER_MINUTE", "MAX_OPEN_ORDERS")


@dataclass(frozen=True, slots=True)
class PositionView:
    """What is held of the instrument, and what working sales will take of it."""

    quantity: Decimal
    reserved_quantity: Decimal


def rules_check(
    *,
    portfolio: Portfolio,
    instrument: Instrument,
    draft: OrderDraft,
    market: MarketView,
    summary: PortfolioSummary,
    held: PositionView,
    n_recent_orders: int,
    n_recent_own: int = 0,
    own_limits: OwnLimits = NO_LIMITS,
    is_protection: bool = False,
    is_closing: bool = False,
) -> list[risk.RuleResult]:
    """Judge a draft by every rule; an order may go out when none is FAIL.

    One that sells what a stopped strategy held is not counted: `is_closing`.

    One that rests for a position only ever gets out of it: no limit on size, number or side of the
    market keeps it away, and what other sales have reserved it sells only where they do not.

    `own_limits` are those of the strategy that sends it; they never loosen the portfolio's.
    `n_recent_orders` are the portfolio's of the last minute, `n_recent_own` that strategy's.
    """
    results = [
        _is_tradable(instrument),
        _has_price(instrument, market),
        _on_step(draft, instrument),
        _on_tick(draft, instrument),
    ]
    if market.price is None:
        return results
    limits = limits_get(portfolio)
    own = own_limits if _adds_risk(draft, held) else NO_LIMITS
    costs = order_costs(draft, instrument, market)
    reserved = ZERO if is_protection else held.reserved_quantity
    checked = risk.check(
        _engine_request(draft, instrument, costs),
        _engine_view(portfolio, summary, held.quantity, reserved),
        _engine_limits(limits, own, summary),
    )
    if is_protection:
        return [*results, *(result for result in checked if result.rule in RESTING_RULES)]
    gross_limit = tightened(limits, "max_gross_exposure", own)
    judged = [*checked, _gross_exposure(draft, costs, held, summary, gross_limit)]
    found = [
        *results,
        _price_side(draft, market),
        *owned(judged, limits, own),
        _order_rate(n_recent_orders, n_recent_own, limits, own),
    ]
    return [rule for rule in found if not (is_closing and rule.rule in COUNTING_RULES)]


def first_failure(results: list[risk.RuleResult]) -> risk.RuleResult | None:
    """Return the rule an order is refused by."""
    return next((result for result in results if result.status is RuleStatus.FAIL), None)


def rules_stored(results: list[risk.RuleResult]) -> list[dict[str, Any]]:
    """Return the same as JSON, kept with the order."""
    return [{**asdict(result), "status": str(result.status)} for result in results]


def held_of(
    portfolio: Portfolio, instrument: Instrument, *, is_strategy: bool = False
) -> PositionView:
    """Return the holding of an instrument and what working sell orders will take of it.

    For a strategy only those of strategies count: it sells what is its own, and a sale by hand that
    waits for its price gives way (`sales.sales_fit`).
    """
    selling = Order.objects.filter(
        portfolio=portfolio,
        instrument=instrument,
        side=OrderSide.SELL,
        status__in=WORKING_STATUSES,
        # What rests for a position sells only what other sales have left of it.
        protection="",
    )
    if is_strategy:
        selling = selling.filter(deployment__isnull=False)
    sizes = selling.values_list("quantity", "filled_quantity")
    reserved = sum((asked - filled for asked, filled in sizes), ZERO)
    return PositionView(quantity_held(portfolio, instrument), reserved)


def n_recent(
    portfolio: Portfolio, market_at: dt.datetime, *, is_manual: bool, now: dt.datetime
) -> int:
    """Orders of the last minute: a person's by the wall clock, a strategy's by market time.

    What rests for a position is not counted.
    A replay plays hours in seconds, so the wall clock would refuse a strategy its ordinary pace.
    """
    orders = Order.objects.filter(portfolio=portfolio, protection="")
    if is_manual:
        return orders.filter(decision__isnull=True, created_at__gt=now - MINUTE).count()
    return orders.filter(decision__isnull=False, market_at__gt=market_at - MINUTE).count()


def n_recent_own(
    portfolio: Portfolio, deployment: Deployment | None, market_at: dt.datetime
) -> int:
    """Orders of a strategy in the last minute of market time, where its version limits them."""
    if deployment is None or "max_orders_per_minute" not in deployment.version.limits:
        return 0
    return Order.objects.filter(
        portfolio=portfolio,
        deployment__version__strategy_id=deployment.version.strategy_id,
        protection="",
        market_at__gt=market_at - MINUTE,
    ).count()


def _engine_request(
    draft: OrderDraft, instrument: Instrument, costs: OrderCosts
) -> risk.OrderRequest:
    return risk.OrderRequest(
        symbol=instrument.symbol,
        side=draft.side,
        quantity=float(draft.quantity),
        price=float(costs.reference_price),
        cost=float(costs.reserve - costs.notional) if costs.reserve else float(costs.commission),
    )


def _engine_view(
    portfolio: Portfolio, summary: PortfolioSummary, quantity: Decimal, reserved_quantity: Decimal
) -> risk.PortfolioView:
    return risk.PortfolioView(
        cash=float(summary.cash),
        equity=float(summary.equity),
        position_quantity=float(quantity),
        reserved_cash=float(summary.cash - summary.buying_power),
        reserved_quantity=float(reserved_quantity),
        day_start_equity=float(summary.day_start_equity),
        n_open_orders=summary.n_open_orders,
        currency=portfolio.currency,
    )


def _engine_limits(
    limits: RiskLimits, own: OwnLimits, summary: PortfolioSummary
) -> risk.RiskLimits:
    loss_ratio = own.get("max_daily_loss_ratio", math.inf)
    return risk.RiskLimits(
        max_notional=tightened(limits, "max_order_notional", own),
        max_position_weight=tightened(limits, "max_position_weight", own),
        max_daily_loss=min(
            float(summary.daily_loss_limit), float(summary.day_start_equity) * loss_ratio
        ),
        max_open_orders=int(tightened(limits, "max_open_orders", own)),
    )


def _adds_risk(draft: OrderDraft, held: PositionView) -> bool:
    """Tell whether a position grows; a strategy's own limits never keep it from getting out."""
    signed = draft.quantity if draft.side is OrderSide.BUY else -draft.quantity
    return abs(held.quantity + signed) > abs(held.quantity)


def _rule(
    rule: str, *, passes: bool, sentence: str, value: float = 0.0, limit: float | None = None,
    unit: str = "count",
) -> risk.RuleResult:  # fmt: skip
    status = RuleStatus.PASS if passes else RuleStatus.FAIL
    return risk.RuleResult(rule, status, value, limit, unit, sentence)


def _is_tradable(instrument: Instrument) -> risk.RuleResult:
    name = instrument.symbol
    verb = (
        "is open for trading" if instrument.is_tradable else "is a reference and cannot be traded"
    )
    return _rule("TRADABLE", passes=instrument.is_tradable, sentence=f"{name} {verb}")


def _has_price(instrument: Instrument, market: MarketView) -> risk.RuleResult:
    if market.price is None:
        return _rule(
            "PRICE_KNOWN",
            passes=False,
            sentence=f"{instrument.symbol} has no price yet at {market.market_at:%Y-%m-%d}",
        )
    return _rule(
        "PRICE_KNOWN",
        passes=True,
        sentence=f"last price {plain(market.price)}",
        value=float(market.price),
        unit="money",
    )


def _on_step(draft: OrderDraft, instrument: Instrument) -> risk.RuleResult:
    step = instrument.quantity_step
    is_on = draft.quantity % step == 0
    sentence = f"quantity {plain(draft.quantity)} is " + (
        f"a multiple of {plain(step)}"
        if is_on
        else f"no multiple of {plain(step)}, the smallest step of {instrument.symbol}"
    )
    return _rule(
        "QUANTITY_STEP", passes=is_on, sentence=sentence, value=float(draft.quantity),
        limit=float(step), unit="units",
    )  # fmt: skip


def _on_tick(draft: OrderDraft, instrument: Instrument) -> risk.RuleResult:
    tick = instrument.tick_size
    for price, name in ((draft.limit_price, "limit"), (draft.stop_price, "stop")):
        if price is not None and price % tick != 0:
            return _rule(
                "TICK_SIZE",
                passes=False,
                sentence=f"{name} price {plain(price)} is no multiple of {plain(tick)}, "
                f"the tick of {instrument.symbol}",
                value=float(price),
                limit=float(tick),
                unit="money",
            )
    return _rule("TICK_SIZE", passes=True, sentence=f"prices are multiples of {plain(tick)}")


def _price_side(draft: OrderDraft, market: MarketView) -> risk.RuleResult:
    """Refuse a stop on the wrong side of the market, which would go off at once."""
    stop, last = draft.stop_price, market.price or ZERO
    if stop is None:
        return _rule("PRICE_SIDE", passes=True, sentence="no stop price")
    is_right = stop > last if draft.side is OrderSide.BUY else stop < last
    needed = "above" if draft.side is OrderSide.BUY else "below"
    sentence = f"stop price {plain(stop)} of a {draft.side} order "
    sentence += (
        f"lies {needed} the last price {plain(last)}"
        if is_right
        else f"must lie {needed} the last price {plain(last)}"
    )
    return _rule(
        "PRICE_SIDE", passes=is_right, sentence=sentence, value=float(stop), limit=float(last),
        unit="money",
    )  # fmt: skip


def _gross_exposure(
    draft: OrderDraft,
    costs: OrderCosts,
    held: PositionView,
    summary: PortfolioSummary,
    limit: float,
) -> risk.RuleResult:
    signed = draft.quantity if draft.side is OrderSide.BUY else -draft.quantity
    change = (abs(held.quantity + signed) - abs(held.quantity)) * costs.reference_price
    after = summary.gross_exposure + summary.reserved_cash + change
    share = float(after / summary.equity) if summary.equity > 0 else float("inf")
    if change <= 0:
        sentence = f"gross exposure falls to {share:.1%} of equity"
        return _rule("MAX_GROSS_EXPOSURE", passes=True, sentence=sentence, value=share,
                     limit=limit, unit="ratio")  # fmt: skip
    # The reference is rounded to the stored unit, so allow that much.
    passes = share <= limit + 1e-9
    verb = "is within" if passes else "exceeds"
    words = "with what is on order" if summary.reserved_cash else "of equity"
    sentence = f"gross exposure {share:.1%} {words} {verb} the limit of {limit:.1%}"
    return _rule("MAX_GROSS_EXPOSURE", passes=passes, sentence=sentence, value=share, limit=limit,
                 unit="ratio")  # fmt: skip


def _order_rate(n_of_all: int, n_own: int, limits: RiskLimits, own: OwnLimits) -> risk.RuleResult:
    """Count this order among those of the last minute: the portfolio's, then the strategy's own."""
    of_all = _rate_rule(n_of_all + 1, limits.max_orders_per_minute, "within a minute")
    mine = own.get("max_orders_per_minute")
    if mine is None or of_all.status is RuleStatus.FAIL:
        return of_all
    of_own = _rate_rule(n_own + 1, int(mine), "of this strategy within a minute")
    if of_own.status is RuleStatus.PASS:
        return of_own
    return replace(of_own, sentence=f"{of_own.sentence}, {BY_ITSELF}")


def _rate_rule(n_orders: int, limit: int, words: str) -> risk.RuleResult:
    passes = n_orders <= limit
    counted = f"1 order {words}" if n_orders == 1 else f"{n_orders} orders {words}"
    one, many = ("is within", "are within") if passes else ("exceeds", "exceed")
    sentence = f"{counted} {one if n_orders == 1 else many} the limit of {limit}"
    return _rule("MAX_ORDERS_PER_MINUTE", passes=passes, value=float(n_orders), limit=float(limit),
                 sentence=sentence)  # fmt: skip
