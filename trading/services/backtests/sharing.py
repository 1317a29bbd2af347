"""A link to one result for people without an account, until its owner takes it back."""

from __future__ import annotations

import datetime as dt
import secrets

from django.db import transaction

from elson.common.errors import Conflict
from trading.models import Backtest, BacktestShare
from trading.selectors.shares import share_open

# 256 bits: nobody finds one by trying.
TOKEN_BYTES = 32


@transaction.atomic
def share_create(*, backtest: Backtest, now: dt.datetime) -> BacktestShare:
    """Return the run's open link, made now when there is none; a revoked one never comes back.

    Raises Conflict for a run without a result.
    """
    # The lock makes two clicks one link.
    row = Backtest.objects.select_for_update().get(pk=backtest.pk)
    if row.status != Backtest.Status.SUCCEEDED:
        raise Conflict(
            "BACKTEST_WITHOUT_RESULT", f"Backtest #{row.pk} is {row.status} and has no result."
        )
    return share_open(row) or BacktestShare.objects.create(
        backtest=row, token=secrets.token_urlsafe(TOKEN_BYTES), created_at=now
    )


def share_revoke(*, backtest: Backtest, now: dt.datetime) -> bool:
    """Close the run's link at once; tell whether there was one."""
    opened = BacktestShare.objects.filter(backtest=backtest, revoked_at__isnull=True)
    return bool(opened.update(revoked_at=now))
