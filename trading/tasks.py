"""Jobs of trading; each takes the row's id, so a second delivery changes nothing."""

from celery import shared_task
from django.utils import timezone

from trading.services.backtests import requests, runs
from trading.services.studies import renewal
from trading.services.studies import requests as study_requests
from trading.services.studies import work as study_turns

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


@shared_task(name="trading.study_work", soft_time_limit=SOFT_SECONDS, time_limit=HARD_SECONDS)
def study_work(study_id: int) -> str:
    """Work on one study for a while, beside other workers."""
    return study_turns.study_work(study_id=study_id, clock=timezone.now)


@shared_task(name="trading.studies_sweep")
def studies_sweep() -> int:
    """Send studies again whose workers fell silent."""
    return study_requests.studies_sweep(now=timezone.now())


@shared_task(name="trading.studies_repeat")
def studies_repeat() -> int:
    """Search again where a person asked for it and newer bars are there."""
    return renewal.studies_repeat(now=timezone.now())
