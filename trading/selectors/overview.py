"""Trading in a few numbers, for monitoring and staff."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Min, Q

from trading.models import Backtest, Deployment, Order


@dataclass(frozen=True)
class TradingOverview:
    """Counts over all users."""

    n_backtests_queued: int
    n_backtests_running: int
    n_backtests_failed: int
    oldest_queued_at: dt.datetime | None
    n_deployments_running: int
    n_deployments_failed: int
    n_orders: int


def trading_overview(*, since: dt.datetime) -> TradingOverview:
    """Count what waits and runs now, and what failed or was ordered since a moment."""
    state = Backtest.Status
    backtests = Backtest.objects.aggregate(
        queued=Count("pk", filter=Q(status=state.QUEUED)),
        running=Count("pk", filter=Q(status=state.RUNNING)),
        failed=Count("pk", filter=Q(status=state.FAILED, finished_at__gte=since)),
        oldest=Min("created_at", filter=Q(status=state.QUEUED)),
    )
    deployments = Deployment.objects.aggregate(
        running=Count("pk", filter=Q(status=Deployment.Status.RUNNING)),
        failed=Count("pk", filter=Q(status=Deployment.Status.ERROR)),
    )
    return TradingOverview(
        n_backtests_queued=backtests["queued"],
        n_backtests_running=backtests["running"],
        n_backtests_failed=backtests["failed"],
        oldest_queued_at=backtests["oldest"],
        n_deployments_running=deployments["running"],
        n_deployments_failed=deployments["failed"],
        n_orders=Order.objects.filter(created_at__gte=since).count(),
    )
