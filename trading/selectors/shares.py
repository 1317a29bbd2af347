"""Links to results: the open one of a run, and the run behind a link."""

from __future__ import annotations

from elson.common.errors import NotFound
from trading.models import Backtest, BacktestShare


def share_open(backtest: Backtest) -> BacktestShare | None:
    """Return the run's link that works, if there is one."""
    return BacktestShare.objects.filter(backtest=backtest, revoked_at__isnull=True).first()


def shared_backtest(token: str) -> Backtest:
    """Return the finished run behind a link.

    Raises NotFound alike for a link that never was, was taken back, or whose owner is closed.
    """
    found = (
        Backtest.objects.filter(
            shares__token=token,
            shares__revoked_at__isnull=True,
            status=Backtest.Status.SUCCEEDED,
            user__is_active=True,
        )
        .select_related("instrument__venue", "result")
        .first()
    )
    if found is None:
        raise NotFound("shared result", "at this address")
    return found
