"""Monitoring by the clock."""

from celery import shared_task
from django.utils import timezone

from monitoring import services


@shared_task(name="monitoring.checks_run")
def checks_run() -> list[str]:
    """Run every check; return the keys that fail."""
    return [finding.key for finding in services.checks_run(now=timezone.now()) if not finding.is_ok]
