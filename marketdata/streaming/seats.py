"""How many sockets one person holds open, counted over all web processes in Redis."""

from __future__ import annotations

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from elson.common.redis import client_of
from marketdata.streaming.protocol import MAX_SOCKETS_PER_USER

logger = structlog.get_logger(__name__)
# A seat that was not renewed for this long belongs to a process that died.
SEAT_SECONDS = 30


def seat_take(*, user_id: int, seat: str, now: float) -> list[str]:
    """Take or renew a seat; return the oldest seats that are one too many.

    Seats sort by age: their name begins with the time they were taken. Without Redis nobody is
    counted and nobody is turned away.
    """
    key = f"elson:seats:{user_id}"
    try:
        pipe = client_of(settings.REDIS_URL).pipeline(transaction=False)
        pipe.zremrangebyscore(key, "-inf", now - SEAT_SECONDS)
        pipe.zadd(key, {seat: now})
        pipe.expire(key, SEAT_SECONDS * 2)
        pipe.zrange(key, 0, -1)
        taken = sorted(name.decode() for name in pipe.execute()[-1])
    except (RedisError, OSError) as error:
        logger.info("seats_not_counted", user_id=user_id, error=str(error))
        return []
    return taken[:-MAX_SOCKETS_PER_USER]


def seat_leave(*, user_id: int, seat: str) -> None:
    """Give the seat back."""
    try:
        client_of(settings.REDIS_URL).zrem(f"elson:seats:{user_id}", seat)
    except (RedisError, OSError) as error:
        logger.info("seat_not_given_back", user_id=user_id, error=str(error))
