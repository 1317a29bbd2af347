"""Columns of rows that one worker at a time works on; `services.leases` takes and renews them."""

from __future__ import annotations

from django.db import models

from elson.common.models import TimestampedModel


class LeasedModel(models.Model):
    """A worker holds the row by a lease; when that lapses somebody else may take it over."""

    lease_key = models.UUIDField(null=True, blank=True, help_text="Of the worker; empty: free.")
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="When the sweeper looks again; renewed by the worker."
    )

    class Meta:
        abstract = True


class JobStatus(models.TextChoices):
    """Where a piece of work is that cannot be paused."""

    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Running"
    SUCCEEDED = "SUCCEEDED", "Done"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"


class JobModel(TimestampedModel, LeasedModel):
    """One requested piece of work: how far it is, how often it was begun, how it ended.

    What is made of it adds `status` (QUEUED, RUNNING, FAILED and others), `phase` and `detail`.
    """

    progress = models.FloatField(default=0, help_text="0 to 1 over all phases; never falls.")
    n_attempts = models.PositiveIntegerField(default=0)
    is_cancel_requested = models.BooleanField(default=False)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def seconds(self) -> float | None:
        """How long it took; None before it has ended, or where it never began."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
