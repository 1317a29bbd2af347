"""WebSocket out: what happened in a portfolio, sent to its group once the transaction committed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from marketdata.broadcast import UNSENT

logger = structlog.get_logger(__name__)


def portfolio_group(portfolio_id: int) -> str:
    """Channel-layer group of one portfolio's events."""
    return f"portfolio.{portfolio_id}"


def backtest_group(backtest_id: int) -> str:
    """Channel-layer group of one backtest's progress."""
    return f"backtest.{backtest_id}"


def study_group(study_id: int) -> str:
    """Channel-layer group of one study's progress."""
    return f"study.{study_id}"


def portfolio_event(
    *, portfolio_id: int, sequence: int, topic: str, market_at: dt.datetime, data: dict[str, Any]
) -> None:
    """Send one event after commit; `sequence` counts the portfolio's events without a hole."""
    message = {
        "type": "stream.event",
        "ch": "portfolio",
        "seq": sequence,
        "kind": "event",
        "data": {"event": topic, "market_at": text_of(market_at), **plain_values(data)},
    }
    transaction.on_commit(lambda: _send(portfolio_group(portfolio_id), message))


def backtest_progress(*, backtest_id: int, values: dict[str, Any]) -> None:
    """Send where a backtest stands after commit; the latest message wins, so nothing is counted."""
    message = {
        "type": "stream.event",
        "ch": f"backtest:{backtest_id}",
        "kind": "delta",
        "data": plain_values(values),
    }
    transaction.on_commit(lambda: _send(backtest_group(backtest_id), message))


def study_progress(*, study_id: int, values: dict[str, Any]) -> None:
    """Send where a study stands after commit; the latest message wins, so nothing is counted."""
    message = {
        "type": "stream.event",
        "ch": f"study:{study_id}",
        "kind": "delta",
        "data": plain_values(values),
    }
    transaction.on_commit(lambda: _send(study_group(study_id), message))


def plain_values(data: dict[str, Any]) -> dict[str, Any]:
    """JSON values: decimals as strings, times as ISO 8601 with Z."""
    return {key: _plain(value) for key, value in data.items()}


def text_of(moment: dt.datetime | None) -> str | None:
    """ISO 8601 in UTC with Z."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z") if moment else None


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime):
        return text_of(value)
    if isinstance(value, dict):
        return plain_values(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _send(group: str, message: dict[str, Any]) -> None:
    """Rows are the truth: without Redis the page shows it at its next reload."""
    try:
        async_to_sync(get_channel_layer().group_send)(group, message)
    except UNSENT as error:
        logger.warning("event_not_sent", group=group, error=str(error))
