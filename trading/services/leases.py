"""Rows a worker holds for a while: taken by a conditional update, kept alive by each write.

A row is a `JobModel`. A worker that fell silent loses it; one that lost it may not write.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db.models import F, Model, Q
from django.db.models.functions import Coalesce

QUEUED, RUNNING, FAILED = "QUEUED", "RUNNING", "FAILED"


class LeaseLost(Exception):
    """Another worker took the row over; this one must stop without writing anything."""


def lease_claim(rows: type[Model], pk: int, *, now: dt.datetime, lease: dt.timedelta) -> bool:
    """Take a row that waits or whose worker fell silent; tell whether it is ours now."""
    is_free = Q(status=QUEUED) | Q(status=RUNNING, lease_expires_at__lt=now)
    claimed = rows._default_manager.filter(is_free, pk=pk).update(
        status=RUNNING,
        lease_key=uuid.uuid4(),
        lease_expires_at=now + lease,
        n_attempts=F("n_attempts") + 1,
        started_at=Coalesce(F("started_at"), now),
    )
    return bool(claimed)


def lease_write(row: Any, *, now: dt.datetime, lease: dt.timedelta, **values: Any) -> None:
    """Write to the row and renew the lease; raise LeaseLost when it is no longer ours."""
    held = type(row)._default_manager.filter(pk=row.pk, status=RUNNING, lease_key=row.lease_key)
    if not held.update(lease_expires_at=now + lease, updated_at=now, **values):
        raise LeaseLost(f"{row._meta.verbose_name} #{row.pk} is held by another worker")
    for name, value in values.items():
        setattr(row, name, value)


def lease_lapse(
    row: Any,
    *,
    now: dt.datetime,
    wait: dt.timedelta,
    most_attempts: int,
    sentence: str,
    **ended: Any,
) -> str:
    """Queue a row whose worker fell silent, or give it up after so many attempts.

    Giving up also writes `ended`. Returns its status by now; "" when somebody else was faster. Each
    attempt doubles the wait, so that a long queue is not filled with copies.
    """
    mine = type(row)._default_manager.filter(
        pk=row.pk, status=row.status, lease_key=row.lease_key, lease_expires_at=row.lease_expires_at
    )
    if row.n_attempts >= most_attempts:
        changed = mine.update(
            status=FAILED,
            finished_at=now,
            lease_key=None,
            error_code="WORKER_LOST",
            error=sentence,
            **ended,
        )
        return FAILED if changed else ""
    until = now + wait * 2 ** (1 + row.n_attempts)
    return QUEUED if mine.update(status=QUEUED, lease_key=None, lease_expires_at=until) else ""
