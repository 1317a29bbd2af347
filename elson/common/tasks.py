"""Jobs of the shared floor."""

from celery import shared_task
from django.utils import timezone

from elson.common import heartbeats, jobs


@shared_task(name="common.jobs_sweep")
def jobs_sweep() -> int:
    """Send jobs that were written but never sent."""
    return jobs.jobs_sweep(now=timezone.now())


@shared_task(name="common.jobs_forget")
def jobs_forget() -> int:
    """Delete rows of jobs that were sent long ago."""
    return jobs.jobs_forget(now=timezone.now())


@shared_task(name="common.heartbeats_forget")
def heartbeats_forget() -> int:
    """Forget processes that are long gone."""
    return heartbeats.heartbeats_forget(now=timezone.now())
