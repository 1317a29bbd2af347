"""Jobs of trading; each takes the row's id, so a second delivery changes nothing."""

from celery import shared_task
from django.utils import timezone

from trading.services.backtests import requests, runs
from trading.services.models import drift, predictions, retraining, training
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


@shared_task(name="trading.model_train", soft_time_limit=SOFT_SECONDS, time_limit=HARD_SECONDS)
def model_train(training_id: int) -> str:
    """Train one model version, unless it is done or another worker holds it."""
    return training.training_run(training_id=training_id, clock=timezone.now)


@shared_task(name="trading.trainings_sweep")
def trainings_sweep() -> int:
    """Send trainings again whose worker fell silent, and ask for an installation's first."""
    return training.trainings_sweep(now=timezone.now())


@shared_task(name="trading.predictions_resolve")
def predictions_resolve() -> int:
    """Complete predictions whose result is known by now."""
    return predictions.predictions_resolve()


@shared_task(name="trading.drift_check")
def drift_check() -> int:
    """Look whether each version in use still sees what it was trained on."""
    return drift.drift_check(now=timezone.now())


@shared_task(name="trading.retraining_check")
def retraining_check() -> int | None:
    """Ask for a challenger where drift or newer prices give a reason; its training's id."""
    training = retraining.retraining_check(now=timezone.now())
    return training.pk if training else None
