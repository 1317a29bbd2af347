"""Market data out to the sockets: one channel-layer group per replay.

A message that cannot be sent is logged and left: clients see the hole in `n` and read again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = structlog.get_logger(__name__)
# How the channel layer fails when Redis is away, in all its topologies.
UNSENT = (OSError, RedisError, TimeoutError, asyncio.TimeoutError)


def replay_group(key: uuid.UUID | str) -> str:
    """Name of the group that hears everything of one replay."""
    return f"replay.{uuid.UUID(str(key)).hex}"


def clock_publish(*, key: uuid.UUID | str, clock: dict[str, Any]) -> None:
    """Tell the replay's sockets its state, speed and cursor."""
    _send(replay_group(key), {"type": "replay.clock", "clock": clock})


def sessions_recheck(*, user_id: int) -> None:
    """Ask the person's sockets to look at their session now, as after signing out."""
    _send(f"person.{user_id}", {"type": "person.recheck"})


def step_message(
    *,
    clock: dict[str, Any],
    n_from: int,
    bars: dict[str, list[dict[str, str]]],
    last: dict[str, dict[str, str | None]],
    forming: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Build the message of one move, by `SYMBOL:TIMEFRAME`.

    Closed bars, the change of the newest, and what is known of the bar that forms. `n_from` and `n`
    count the lead's bars before and after the move: a hole between two messages shows.
    """
    return {
        "type": "replay.step",
        "clock": clock,
        "epoch": clock["epoch"],
        "n_from": n_from,
        "n": clock["sequence"],
        "timeframe": clock["timeframe"],
        "bars": bars,
        "last": last,
        "forming": forming,
    }


def step_publish(*, key: uuid.UUID | str, message: dict[str, Any]) -> None:
    """Send one move to the replay's sockets."""
    _send(replay_group(key), message)


async def steps_publish(messages: Sequence[tuple[uuid.UUID, dict[str, Any]]]) -> int:
    """Send the moves of many replays; return how many could not be sent."""
    layer = get_channel_layer()
    results = await asyncio.gather(
        *(layer.group_send(replay_group(key), message) for key, message in messages),
        return_exceptions=True,
    )
    unsent = [result for result in results if isinstance(result, BaseException)]
    for error in unsent:
        if not isinstance(error, UNSENT):
            raise error
    if unsent:
        logger.warning("steps_not_sent", n=len(unsent), error=str(unsent[0]))
    return len(unsent)


def _send(group: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    try:
        async_to_sync(layer.group_send)(group, message)
    except UNSENT as error:
        logger.warning("message_not_sent", group=group, kind=message["type"], error=str(error))
