"""Jobs of trading; each takes the row's id, so a second delivery changes nothing."""

from celery import shared_task
from django.utils import timezone

from trading.services.backtests import requests, runs

# Longer than the general limit: a long span of minute bars with its null model takes minutes.
SOFT_SECONDS = 540
HARD_SECONDS = 570


@shared_task(name="trading.backtest_run", soft_time_limit=SOFT_SECONDS, time_limit=HARD_SECONDS)
def backtest_run(backtest_id: int) -> str:
    """Run one backtest, unless it is done or another worker holds it."""
    return runs.backtest_run(backtest_id=backtest_id, clock=timezone.now)


@shared_task(name="trading.backtests_sweep")
def backtests_sweep() -> int:
    """Send again what waits too long and take over from silent workers."""
    return requests.backtests_sweep(now=timezone.now())
