"""Numbering and content of what a portfolio's pages are told."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection

from trading import broadcast
from trading.models import (
    Decision,
    Deployment,
    DeploymentEvent,
    EquityPoint,
    Fill,
    Order,
    Portfolio,
    Position,
)

_TABLE = Portfolio._meta.db_table
_COUNT_EVENT = (
    f"UPDATE {_TABLE} SET event_sequence = event_sequence + 1 "  # noqa: S608
    "WHERE id = %s RETURNING event_sequence"
)


def event_publish(
    *, portfolio_id: int, topic: str, market_at: dt.datetime, data: dict[str, Any]
) -> int:
    """Count and send one event after commit; the caller holds the portfolio's row lock."""
    sequence = _next_sequence(portfolio_id)
    broadcast.portfolio_event(
        portfolio_id=portfolio_id, sequence=sequence, topic=topic, market_at=market_at, data=data
    )
    return sequence


def _next_sequence(portfolio_id: int) -> int:
    """Count one event in one statement: several happen on each bar of each portfolio."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_EVENT, [portfolio_id])
        row = cursor.fetchone()
    if row is None:
        raise Portfolio.DoesNotExist(f"there is no portfolio {portfolio_id}")
    return int(row[0])


def order_published(order: Order, market_at: dt.datetime) -> None:
    """Tell that an order changed."""
    event_publish(
        portfolio_id=order.portfolio_id,
        topic="order",
        market_at=market_at,
        data={
            "id": str(order.uuid),
            "symbol": order.instrument.symbol,
            "side": order.side,
            "order_type": order.order_type,
            "quantity": order.quantity,
            "filled_quantity": order.filled_quantity,
            "avg_fill_price": order.avg_fill_price,
            "status": order.status,
            "reason_code": order.reason_code,
            "reason": order.reason,
            "deployment_id": order.deployment_id,
        },
    )


def fill_published(fill: Fill, position: Position) -> None:
    """Tell of an execution and of the holding after it."""
    order = fill.order
    event_publish(
        portfolio_id=order.portfolio_id,
        topic="fill",
        market_at=fill.filled_at,
        data={
            "id": fill.pk,
            "order_id": str(order.uuid),
            "symbol": order.instrument.symbol,
            "side": order.side,
            "quantity": fill.quantity,
            "price": fill.price,
            "commission": fill.commission,
            "deployment_id": order.deployment_id,
            "position_quantity": position.quantity,
        },
    )
    event_publish(
        portfolio_id=order.portfolio_id,
        topic="position",
        market_at=fill.filled_at,
        data={
            "symbol": order.instrument.symbol,
            "quantity": position.quantity,
            "avg_entry_price": position.avg_entry_price,
            "realized_pnl": position.realized_pnl,
            "last_price": position.last_price,
        },
    )


def decision_published(decision: Decision, symbol: str, portfolio_id: int) -> None:
    """Tell what a strategy decided."""
    event_publish(
        portfolio_id=portfolio_id,
        topic="decision",
        market_at=decision.market_at,
        data={
            "id": str(decision.uuid),
            "deployment_id": decision.deployment_id,
            "symbol": symbol,
            "action": decision.action,
            "regime": decision.regime,
            "reason": decision.reason,
            "price": decision.price,
        },
    )


def deployment_recorded(
    *, deployment: Deployment, kind: str, market_at: dt.datetime, note: str = ""
) -> None:
    """Keep what was done to a strategy at work, and tell it."""
    DeploymentEvent.objects.create(deployment=deployment, kind=kind, market_at=market_at, note=note)
    event_publish(
        portfolio_id=deployment.portfolio_id,
        topic="deployment",
        market_at=market_at,
        data={
            "id": deployment.pk,
            "status": deployment.status,
            "error": deployment.error,
            "kind": kind,
        },
    )


def equity_published(point: EquityPoint, summary: dict[str, Any]) -> None:
    """Tell the numbers at the top of the page, once a bar."""
    event_publish(
        portfolio_id=point.portfolio_id, topic="equity", market_at=point.market_at, data=summary
    )
