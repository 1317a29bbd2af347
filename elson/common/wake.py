"""A nudge between processes: `wake` tells whoever waits on a topic to look at the rows now.

Nothing is carried and nothing is lost: rows are the truth, and a waiter looks at them at the latest
when its time is up, also when Redis is away.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from elson.common.redis import client_of

logger = structlog.get_logger(__name__)
_PREFIX = "elson:wake:"
# One nudge is as good as many within this time.
_RETRY_SECONDS = 1.0
_senders: dict[str, Any] = {}


def wake(topic: str) -> bool:
    """Nudge everyone who waits on `topic`; False when Redis did not take it."""
    url = settings.REDIS_URL
    try:
        if url not in _senders:
            _senders[url] = client_of(url)
        _senders[url].publish(_PREFIX + topic, b"1")
    except (RedisError, OSError) as error:
        logger.info("wake_not_sent", topic=topic, error=str(error))
        return False
    return True


class Waiter:
    """Waits on one topic; nudges that came since the last wait count.

    Belongs to one thread of one process. Close it, or use it as a context.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._subscription: Any = None
        self._next_try = 0.0

    def __enter__(self) -> Waiter:
        """Subscribe now, so that no later nudge is missed."""
        self._connect()
        return self

    def __exit__(self, *error: object) -> None:
        """Unsubscribe."""
        self.close()

    def wait(self, timeout: float) -> bool:
        """Return True on a nudge, False when `timeout` seconds are over."""
        deadline = time.monotonic() + timeout
        if self._subscription is None and time.monotonic() >= self._next_try:
            self._connect()
        while (left := deadline - time.monotonic()) > 0:
            if self._subscription is None:
                time.sleep(left)
                return False
            try:
                message = self._subscription.get_message(timeout=left)
            except (RedisError, OSError) as error:
                self._lose(error)
                continue
            if message is not None and message["type"] == "message":
                self._drain()
                return True
        return False

    def close(self) -> None:
        """Give the connection back."""
        if self._subscription is not None:
            try:
                self._subscription.close()
            except (RedisError, OSError) as error:
                logger.info("wake_close_failed", topic=self.topic, error=str(error))
            self._subscription = None

    def _connect(self) -> None:
        try:
            # Its own client: waiting must not be cut by the short time limit of commands.
            subscription = client_of(settings.REDIS_URL).pubsub(ignore_subscribe_messages=True)
            subscription.subscribe(_PREFIX + self.topic)
            self._subscription = subscription
        except (RedisError, OSError) as error:
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        logger.info("wake_subscription_lost", topic=self.topic, error=str(error))
        self.close()
        self._next_try = time.monotonic() + _RETRY_SECONDS

    def _drain(self) -> None:
        try:
            while self._subscription.get_message(timeout=0) is not None:
                pass
        except (RedisError, OSError) as error:
            self._lose(error)


_waiters: dict[str, Waiter] = {}


def wait(topic: str, timeout: float) -> bool:
    """Wait on `topic` for at most `timeout` seconds; for a process with one waiting thread."""
    if topic not in _waiters:
        _waiters[topic] = Waiter(topic)
    return _waiters[topic].wait(timeout)
