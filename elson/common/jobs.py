"""Celery out: jobs are enqueued by task name, through an outbox row, after commit."""

from __future__ import annotations

import datetime as dt
from typing import Any

import structlog
from celery import current_app
from django.db import transaction
from django.utils import timezone

from elson.common.models import OutboxEvent

logger = structlog.get_logger(__name__)
# A row younger than this may still be on its way out of the process that wrote it.
SWEEP_AFTER = dt.timedelta(seconds=5)


def enqueue(name: str, **arguments: Any) -> OutboxEvent:
    """Write the job in this transaction and send it by task name once that has committed.

    The row survives a dead process or an absent Redis: `jobs_sweep` sends what was left, so a job
    runs at least once and its task must be idempotent.
    """
    event = OutboxEvent.objects.create(name=name, arguments=arguments)
    transaction.on_commit(lambda: _send(event))
    return event


def jobs_sweep(*, now: dt.datetime, limit: int = 500) -> int:
    """Send jobs whose writer never did; return how many went out."""
    waiting = OutboxEvent.objects.filter(sent_at__isnull=True, created_at__lt=now - SWEEP_AFTER)
    return sum(_send(event) for event in waiting.order_by("created_at")[:limit])


def _send(event: OutboxEvent) -> bool:
    try:
        current_app.send_task(event.name, kwargs=event.arguments, retry=False)
    except (OSError, current_app.connection().connection_errors) as error:
        logger.warning("job_not_sent", job=event.name, event_id=event.pk, error=str(error))
        OutboxEvent.objects.filter(pk=event.pk).update(
            n_attempts=event.n_attempts + 1, last_error=str(error)[:500]
        )
        return False
    # The outbox is an interface to the outside, so it may read the clock.
    OutboxEvent.objects.filter(pk=event.pk).update(sent_at=timezone.now())
    return True
