"""Stops and targets of running strategies as orders that rest with the broker.

They are orders like a person's, placed with the fill of the entry, replaced when a stop trails or
the position changes, canceled when it is closed. They live in the orders' table, so a restart finds
them. One cancels the other: a fill that closes the position takes the rest away.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from trading.engine import types
from trading.engine.fill_rules import FillRules
from trading.engine.protection import level_of, protection_met, protective_orders
from trading.engine.regimes import regimes_of
from trading.engine.state import StrategyState
from trading.engine.types import regime_of
from trading.models import Decision, Deployment, Order, Portfolio
from trading.selectors.portfolios import quantity_held
from trading.services.amounts import ZERO, amount_of, round_to_step
from trading.services.book_parts import booked_of
from trading.services.fills import FillNews, order_match
from trading.services.live_bars import InstrumentBar
from trading.services.order_costs import MarketView
from trading.services.orders import WORKING, engine_order, order_cancel, order_submit
from trading.services.sales import sales_fit


def protection_keep(
    *,
    portfolio: Portfolio,
    deployment: Deployment,
    decision: Decision | None,
    state: StrategyState,
    market: MarketView | None,
    now: dt.datetime,
) -> StrategyState:
    """Bring the resting orders of a deployment to what its state says; return the state.

    What is right stays, what is wanted no more is canceled, what is missing is placed. One that is
    refused leaves the order it was to replace; without such an order none rests: the state returned
    then has its levels watched at each close, as without resting orders.
    The caller holds the portfolio's lock.
    """
    resting, wanted = _resting(deployment), _wanted(portfolio, deployment, state)
    is_whole = True
    for part, asked in wanted.items():
        earlier = resting.get(part)
        if earlier is not None and _is_right(earlier, asked):
            continue
        placed = _place(portfolio, deployment, decision, part, asked, market, now)
        if placed.status not in WORKING:
            is_whole = is_whole and earlier is not None
        elif earlier is not None:
            _cancel(earlier, is_replaced=True)
    for part, order in _resting(deployment).items():
        if part not in wanted or not is_whole:
            _cancel(order, is_replaced=False)
    return state if is_whole else replace(state, rests_protection=False)


def protection_match(
    *, portfolio: Portfolio, deployment: Deployment, bar: InstrumentBar
) -> list[FillNews]:
    """Let the resting orders of a deployment meet a bar; at most one of them is filled.

    It is filled for no more than the strategy holds: what others have is not its own to sell.
    The caller holds the portfolio's lock.
    """
    resting = {order.client_order_id: order for order in _resting(deployment).values()}
    met = protection_met(
        tuple(engine_order(order) for order in resting.values()),
        bar.prices,
        FillRules(price_field=bar.bars.exec_price),
    )
    if met is None:
        return []
    order = resting[met.order.client_order_id]
    held = _own(portfolio, deployment)
    if held <= 0:
        _cancel(order, is_replaced=False)
        return []
    # Costs are those of the last close, as in a backtest: the order may have rested for long.
    code = int(regimes_of(bar.bars).codes[bar.index - 1])
    order.regime = str(regime_of(code) or "")
    order.quantity = min(order.quantity, held)
    order.reason_code, order.reason = met.reason, met.execution.reason
    order.save(update_fields=["regime", "quantity", "reason_code", "reason", "updated_at"])
    news = order_match(portfolio, order, bar.prices, bar.closed_at, {})
    if news:
        _end_sales(portfolio, deployment)
    return news


def _end_sales(portfolio: Portfolio, deployment: Deployment) -> None:
    """Take back what would sell again what a stop or target has sold.

    The orders of its own strategy are canceled, because it asks again; others are made to fit.
    """
    working = Order.objects.filter(
        portfolio=portfolio, deployment=deployment, status__in=WORKING, protection=""
    )
    for order in working.order_by("pk"):
        order_cancel(order=order, code="PROTECTION_MET", reason="a stop or target was met before")
    sales_fit(
        portfolio=portfolio,
        instrument=deployment.instrument,
        cause="a stop or target has sold what it was for",
    )


def _wanted(
    portfolio: Portfolio, deployment: Deployment, state: StrategyState
) -> dict[str, types.Order]:
    """Protective orders by their part, for what is in the book and still held."""
    if deployment.status == Deployment.Status.STOPPED:
        return {}
    instrument = deployment.instrument
    orders = protective_orders(state, instrument.symbol, float(instrument.tick_size))
    step, held = instrument.quantity_step, max(quantity_held(portfolio, instrument), ZERO)
    sized = [
        replace(order, quantity=float(round_to_step(min(amount_of(order.quantity), held), step)))
        for order in orders
    ]
    return {order.client_order_id: order for order in sized if order.quantity > 0.0}


def _resting(deployment: Deployment) -> dict[str, Order]:
    """Working protective orders by their part."""
    orders = Order.objects.filter(deployment=deployment, status__in=WORKING)
    found: Iterable[Order] = (
        orders.exclude(protection="").select_related("instrument").order_by("pk")
    )
    return {order.protection: order for order in found}


def _is_right(order: Order, wanted: types.Order) -> bool:
    level = order.stop_price if order.limit_price is None else order.limit_price
    return (order.side, order.quantity, level) == (
        str(wanted.side),
        amount_of(wanted.quantity),
        amount_of(level_of(wanted)),
    )


def _place(
    portfolio: Portfolio,
    deployment: Deployment,
    decision: Decision | None,
    part: str,
    wanted: types.Order,
    market: MarketView | None,
    now: dt.datetime,
) -> Order:
    number = Order.objects.filter(deployment=deployment).exclude(protection="").count() + 1
    return order_submit(
        portfolio=portfolio,
        instrument=deployment.instrument,
        side=wanted.side,
        order_type=wanted.order_type,
        quantity=amount_of(wanted.quantity),
        limit_price=_decimal(wanted.limit_price),
        stop_price=_decimal(wanted.stop_price),
        time_in_force=wanted.time_in_force,
        # Numbered under the portfolio's lock: one made in a bar that failed is made again.
        client_order_id=f"s{deployment.pk}-{part.lower()}-{number}",
        decision=decision,
        deployment=deployment,
        protection=part,
        market=market,
        now=now,
    )


def _cancel(order: Order, *, is_replaced: bool) -> None:
    if is_replaced:
        order_cancel(order=order, code="REPLACED", reason="replaced: level or size has moved")
    else:
        order_cancel(order=order, code="NOTHING_TO_PROTECT", reason="nothing is left to protect")


def _own(portfolio: Portfolio, deployment: Deployment) -> Decimal:
    """Units in the strategy's book that the portfolio holds."""
    return min(booked_of(deployment), quantity_held(portfolio, deployment.instrument))


def _decimal(price: float | None) -> Decimal | None:
    return None if price is None else amount_of(price)
