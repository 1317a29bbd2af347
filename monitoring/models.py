"""What went wrong, from the first failure to the first success after it."""

from __future__ import annotations

from django.db import models

from elson.common.models import TimestampedModel


class Incident(TimestampedModel):
    """Something a check found wrong, from the first failure to the first success after it."""

    class State(models.TextChoices):
        """Open until the check passes again."""

        OPEN = "OPEN", "Open"
        RESOLVED = "RESOLVED", "Resolved"

    check_key = models.CharField(max_length=60)
    title = models.CharField(max_length=160)
    detail = models.TextField(blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["check_key"],
                name="incident_one_open",
                condition=models.Q(state="OPEN"),
            )
        ]

    def __str__(self) -> str:
        return self.title
