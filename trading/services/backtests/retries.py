"""Queueing a failed run again: the same row, so that its owner's page and link stay."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from elson.common import jobs
from elson.common.errors import Conflict
from trading.models import Backtest
from trading.services.backtests.progress import announce, log_with
from trading.services.backtests.requests import SWEEP_AFTER, TASK

Status = Backtest.Status


@transaction.atomic
def backtest_retry(*, backtest: Backtest, now: dt.datetime) -> Backtest:
    """Run what failed once more, from its beginning; the owner's quota counts it once.

    A second time changes nothing while it waits or runs. Raises Conflict for one that did not fail.
    """
    row = Backtest.objects.select_for_update().get(pk=backtest.pk)
    if row.status in (Status.QUEUED, Status.RUNNING):
        return row
    if row.status != Status.FAILED:
        raise Conflict("BACKTEST_NOT_FAILED", f"Backtest #{row.pk} is {row.status}, not failed.")
    row.status, row.phase = Status.QUEUED, Backtest.Phase.QUEUED
    row.progress, row.n_attempts, row.detail, row.so_far = 0.0, 0, "", {}
    row.error_code, row.error = "", ""
    row.started_at = row.finished_at = row.lease_key = None
    row.lease_expires_at = now + SWEEP_AFTER
    row.is_cancel_requested = False
    row.log = log_with(row, now, "Queued again")
    row.save()
    jobs.enqueue(TASK, backtest_id=row.pk)
    announce(row)
    return row
