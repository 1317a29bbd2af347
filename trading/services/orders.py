"""Placing and canceling orders: one transaction under the portfolio's lock, idempotent by key."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from elson.common.errors import Conflict, DomainError
from marketdata.models import Instrument
from trading.brokers.base import BrokerRejected
from trading.brokers.registry import broker_of
from trading.engine import types
from trading.engine.risk import RuleResult
from trading.engine.types import FINAL_STATUSES, WORKING_STATUSES, OrderStatus
from trading.models import Decision, Deployment, Order, OrderEvent, Portfolio
from trading.selectors.portfolios import PortfolioSummary, market_time, portfolio_value
from trading.selectors.prices import bar_last, regime_at
from trading.services.amounts import ZERO, amount_of
from trading.services.events import order_published
from trading.services.order_costs import MarketView, order_costs
from trading.services.order_drafts import OrderDraft, OrderInvalid, draft_of
from trading.services.own_limits import NO_LIMITS
from trading.services.portfolios import archived_refuse, portfolio_lock
from trading.services.pretrade import (
    first_failure,
    held_of,
    n_recent,
    n_recent_own,
    rules_check,
    rules_stored,
)

WORKING = [str(status) for status in WORKING_STATUSES]
# Refused before anything could come of it: by our own rules, or by the broker.
REFUSED = (OrderStatus.DENIED, OrderStatus.REJECTED)
# Runners count on these keys: one taken by hand would stop the strategy it belongs to.
_STRATEGY_KEY = re.compile(r"s\d+-|close-\d")


class IdempotencyKeyReused(DomainError):
    """The same key came with another order."""


class OrderFinal(Conflict):
    """The order is over and cannot be canceled."""


class OrderDenied(DomainError):
    """The pre-trade check refused an order; raised by doors that answer with an error."""


@transaction.atomic
def order_submit(
    *,
    portfolio: Portfolio,
    instrument: Instrument,
    side: str,
    order_type: str,
    quantity: Decimal | str | int,
    client_order_id: str,
    limit_price: Decimal | str | None = None,
    stop_price: Decimal | str | None = None,
    time_in_force: str = "GTC",
    decision: Decision | None = None,
    deployment: Deployment | None = None,
    is_all_cash: bool = False,
    protection: str = "",
    is_closing: bool = False,
    market: MarketView | None = None,
    now: dt.datetime,
) -> Order:
    """Place an order, or answer the one placed under the same client_order_id.

    1. lock the portfolio · 2. same key: same order or IdempotencyKeyReused · 3. check every rule ·
    4. store the order, DENIED with its reason or accepted by the broker with its cash reserved ·
    5. publish on commit. `market` is passed by the runner, which knows the bar it stands on.
    Raises OrderInvalid and PortfolioArchived before anything is written. Long for what an order may
    carry: each is an argument and a column.
    """
    draft = draft_of(
        side=side, order_type=order_type, quantity=quantity, limit_price=limit_price,
        stop_price=stop_price, time_in_force=time_in_force,
    )  # fmt: skip
    key = _key_of(client_order_id, is_manual=deployment is None)
    locked = portfolio_lock(portfolio.pk)
    body_hash = draft.body_hash(instrument.symbol)
    earlier = Order.objects.filter(portfolio=locked, client_order_id=key).first()
    if earlier is not None:
        return _same(earlier, body_hash)
    archived_refuse(locked)
    seen = market or market_view(locked, instrument, now=now)
    summary = portfolio_value(locked)
    results = rules_of(
        locked, instrument, draft, seen, summary=summary, is_manual=decision is None,
        deployment=deployment, is_protection=bool(protection), is_closing=is_closing, now=now,
    )  # fmt: skip
    order = Order.objects.create(
        portfolio=locked,
        instrument=instrument,
        decision=decision,
        deployment=deployment,
        client_order_id=key,
        body_hash=body_hash,
        **asdict(draft),  # its fields are columns of the row
        is_all_cash=is_all_cash,
        protection=protection,
        regime=str(seen.regime or ""),
        market_at=seen.market_at,
        risk_check=rules_stored(results),
    )
    event_add(order, "", seen.market_at, {})
    failure = first_failure(results)
    if failure is not None:
        _deny(order, failure)
    else:
        # The rule compares floats; what is set aside never exceeds what there is.
        reserve = min(order_costs(draft, instrument, seen).reserve, summary.buying_power)
        _send(order, reserve, seen.market_at)
    order_published(order, seen.market_at)
    return order


@transaction.atomic
def order_cancel(
    *, order: Order, code: str = "CANCELED_BY_OWNER", reason: str = "canceled by its owner"
) -> Order:
    """Cancel what is left of an order; a second time answers the same. Raises OrderFinal."""
    locked = portfolio_lock(order.portfolio_id)
    current = Order.objects.select_related("instrument").get(pk=order.pk)
    if current.status == OrderStatus.CANCELED:
        return current
    if current.status in FINAL_STATUSES:
        raise OrderFinal(
            "ORDER_FINAL",
            f"order {current.client_order_id} is {current.status} and cannot be canceled",
            order_status=current.status,
        )
    broker_of(locked.kind).cancel(engine_order(current))
    market_at = market_time(locked) or current.market_at
    order_transition(
        order=current, to_status=OrderStatus.CANCELED, market_at=market_at,
        code=code, reason=reason,
    )  # fmt: skip
    order_published(current, market_at)
    return current


@transaction.atomic
def orders_cancel_all(*, portfolio: Portfolio, instrument: Instrument | None = None) -> int:
    """Cancel every working order, of one instrument if given; return how many."""
    portfolio_lock(portfolio.pk)
    orders = Order.objects.filter(portfolio=portfolio, status__in=WORKING)
    if instrument is not None:
        orders = orders.filter(instrument=instrument)
    found = list(orders.order_by("pk"))
    for order in found:
        order_cancel(order=order)
    return len(found)


def order_transition(
    *,
    order: Order,
    to_status: OrderStatus,
    market_at: dt.datetime,
    code: str = "",
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Move an order through the state table and write the event; releases the reserve at the end.

    The caller holds the portfolio's lock. Raises TransitionInvalid.
    """
    before = OrderStatus(order.status)
    types.check_transition(before, to_status)
    order.status = to_status
    if to_status in FINAL_STATUSES:
        order.reserved_cash = ZERO
    if code or reason:
        order.reason_code, order.reason = code, reason
    order.save()
    extra = {"code": code, "reason": reason} if code or reason else {}
    event_add(order, str(before), market_at, {**extra, **(detail or {})})


def engine_order(order: Order) -> types.Order:
    """Return the row as the engine and the brokers know it."""
    return types.Order(
        client_order_id=order.client_order_id,
        symbol=order.instrument.symbol,
        side=types.OrderSide(order.side),
        order_type=types.OrderType(order.order_type),
        quantity=float(order.quantity),
        limit_price=float(order.limit_price) if order.limit_price is not None else None,
        stop_price=float(order.stop_price) if order.stop_price is not None else None,
        time_in_force=types.TimeInForce(order.time_in_force),
        filled_quantity=float(order.filled_quantity),
        status=OrderStatus(order.status),
        is_triggered=order.is_triggered,
        submitted_at=int(order.market_at.timestamp()) * 1_000_000_000,
    )


def market_view(portfolio: Portfolio, instrument: Instrument, *, now: dt.datetime) -> MarketView:
    """Price and regime a portfolio may know of an instrument at its own market time."""
    timeframe = portfolio.replay.timeframe if portfolio.replay else "1d"
    market_at = market_time(portfolio) or now
    bar = bar_last(instrument, until=market_at, timeframe=timeframe)
    return MarketView(
        price=amount_of(bar.close) if bar else None,
        price_at=bar.closed_at if bar else None,
        regime=regime_at(instrument, until=market_at, timeframe=timeframe) if bar else None,
        market_at=market_at,
    )


def _key_of(client_order_id: str, *, is_manual: bool) -> str:
    key = client_order_id.strip()
    if not key or len(key) > 80 or not key.isascii() or not key.isprintable():
        raise OrderInvalid(
            "IDEMPOTENCY_KEY_INVALID",
            f"client_order_id {client_order_id[:40]!r} must be 1 to 80 printable ASCII characters",
            field="client_order_id",
        )
    if is_manual and _STRATEGY_KEY.match(key):
        raise OrderInvalid(
            "IDEMPOTENCY_KEY_RESERVED",
            f"client_order_id {key!r} is kept for the orders of strategies; use another",
            field="client_order_id",
        )
    return key


def _same(earlier: Order, body_hash: str) -> Order:
    if earlier.body_hash != body_hash:
        raise IdempotencyKeyReused(
            "IDEMPOTENCY_KEY_REUSED",
            f"key {earlier.client_order_id} was used for another order: {earlier.side} "
            f"{earlier.quantity.normalize():f} of instrument {earlier.instrument.symbol}",
            field="client_order_id",
            order_id=str(earlier.uuid),
        )
    return earlier


def rules_of(
    portfolio: Portfolio,
    instrument: Instrument,
    draft: OrderDraft,
    market: MarketView,
    *,
    summary: PortfolioSummary,
    is_manual: bool,
    deployment: Deployment | None = None,
    is_protection: bool = False,
    is_closing: bool = False,
    now: dt.datetime,
) -> list[RuleResult]:
    """Judge a draft by every rule, with what the portfolio holds and has sent of late."""
    own_limits = deployment.version.limits if deployment else NO_LIMITS
    return rules_check(
        portfolio=portfolio,
        instrument=instrument,
        draft=draft,
        market=market,
        summary=summary,
        held=held_of(portfolio, instrument, is_strategy=deployment is not None),
        n_recent_orders=n_recent(portfolio, market.market_at, is_manual=is_manual, now=now),
        n_recent_own=n_recent_own(portfolio, deployment, market.market_at),
        own_limits=own_limits,
        is_protection=is_protection,
        is_closing=is_closing,
    )


def _deny(order: Order, failure: RuleResult) -> None:
    order_transition(
        order=order, to_status=OrderStatus.DENIED, market_at=order.market_at,
        code=failure.rule, reason=failure.sentence,
    )  # fmt: skip


def _send(order: Order, reserve: Decimal, market_at: dt.datetime) -> None:
    order.reserved_cash = reserve
    order_transition(order=order, to_status=OrderStatus.SUBMITTED, market_at=market_at)
    try:
        report = broker_of(order.portfolio.kind).submit(engine_order(order))
    except BrokerRejected as error:
        order_transition(
            order=order, to_status=OrderStatus.REJECTED, market_at=market_at,
            code="BROKER_REJECTED", reason=str(error),
        )  # fmt: skip
        return
    order.venue_order_id = report.venue_order_id
    order_transition(order=order, to_status=report.status, market_at=market_at)


def event_add(
    order: Order, from_status: str, market_at: dt.datetime, detail: dict[str, Any]
) -> None:
    """Append one event to an order's history; the caller holds the portfolio's lock."""
    last = OrderEvent.objects.filter(order=order).aggregate(last=Max("sequence"))["last"]
    OrderEvent.objects.create(
        order=order,
        sequence=(last or 0) + 1,
        from_status=from_status,
        to_status=order.status,
        market_at=market_at,
        detail=detail,
    )
