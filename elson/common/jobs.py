"""Celery out: jobs are enqueued by task name, through an outbox row, after commit."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any
from urllib.parse import urlsplit

import structlog
from celery import current_app
from django.db import connection, transaction
from django.utils import timezone
from kombu import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers
from kombu.transport import redis as kombu_redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from elson.common.models import OutboxEvent

logger = structlog.get_logger(__name__)
# A row younger than this may still be on its way out of the process that wrote it.
SWEEP_AFTER = dt.timedelta(seconds=5)
KEPT_FOR = dt.timedelta(days=7)
# A request waits no longer than this for the broker; the sweeper has more patience than people.
SEND_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_SENDING_FAILED = (OSError, KombuError, RedisError)
_away = {"until": 0.0}


def enqueue(name: str, **arguments: Any) -> OutboxEvent:
    """Write the job in this transaction and send it by task name once that has committed.

    The row survives a dead process or an absent Redis: `jobs_sweep` sends what was left, so a job
    runs at least once and its task must be idempotent.
    """
    event = OutboxEvent.objects.create(name=name, arguments=arguments)
    transaction.on_commit(lambda: _send_soon(event), robust=True)
    return event


def jobs_sweep(*, now: dt.datetime, limit: int = 500) -> int:
    """Send jobs whose writer never did; return how many went out.

    Two sweepers share the work where the database can skip locked rows; elsewhere one waits.
    """
    can_skip = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        waiting = (
            OutboxEvent.objects.select_for_update(skip_locked=can_skip)
            .filter(sent_at__isnull=True, created_at__lt=now - SWEEP_AFTER)
            .order_by("created_at")[:limit]
        )
        n_sent = 0
        for event in waiting:
            if not _send(event):
                break  # the broker is away: the others would fail the same way
            n_sent += 1
    return n_sent


def jobs_forget(*, now: dt.datetime) -> int:
    """Delete rows that were sent more than a week ago; return how many."""
    deleted, _ = OutboxEvent.objects.filter(sent_at__lt=now - KEPT_FOR).delete()
    return deleted


def _send_soon(event: OutboxEvent) -> None:
    """Send unless the broker was away a moment ago: nobody should wait for it twice."""
    if time.monotonic() >= _away["until"]:
        _send(event)


def _send(event: OutboxEvent) -> bool:
    """Send one job; an absent broker is written into its row, never raised."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    try:
        with producers[_connection()].acquire(block=True, timeout=SEND_SECONDS) as producer:
            current_app.send_task(
                event.name,
                kwargs=event.arguments,
                headers={"request_id": request_id, "outbox_id": event.pk},
                producer=producer,
                retry=False,
            )
    except _SENDING_FAILED as error:
        _away["until"] = time.monotonic() + _PAUSE_SECONDS
        logger.warning("job_not_sent", job=event.name, event_id=event.pk, error=str(error))
        OutboxEvent.objects.filter(pk=event.pk).update(
            n_attempts=event.n_attempts + 1, last_error=str(error)[:500]
        )
        return False
    # The outbox is an interface to the outside, so it may read the clock.
    sent_at = timezone.now()  # noqa: TID251
    OutboxEvent.objects.filter(pk=event.pk).update(sent_at=sent_at)
    return True


class _OnceMixin:
    """Asks once: redis-py would try three more times with growing pauses."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return {**parameters, "retry": Retry(NoBackoff(), 0)}


class _Channel(_OnceMixin, kombu_redis.Channel):
    pass


class _SentinelChannel(_OnceMixin, kombu_redis.SentinelChannel):
    pass


class _Transport(kombu_redis.Transport):
    Channel = _Channel


class _SentinelTransport(kombu_redis.Transport):
    Channel = _SentinelChannel


def _connection() -> Connection:
    """Describe the broker with the short time limits of a sender; the pool keeps one for each."""
    conf = current_app.conf
    url = conf.broker_write_url or conf.broker_url
    return Connection(
        url,
        transport=_SentinelTransport if urlsplit(url).scheme == "sentinel" else _Transport,
        transport_options={
            **conf.broker_transport_options,
            "socket_timeout": SEND_SECONDS,
            "socket_connect_timeout": SEND_SECONDS,
            "max_retries": 0,
        },
    )
