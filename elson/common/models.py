"""Rows every app shares: time stamps, the outbox and signs of life."""

from enum import Enum

from django.db import models


class TimestampedModel(models.Model):
    """Adds when a row was made and last saved."""

    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    class Meta:
        abstract = True


def choices_of(enumeration: type[Enum]) -> list[tuple[str, str]]:
    """Django choices of a string enumeration: the value, and its name in words."""
    return [(item.value, item.value.replace("_", " ").capitalize()) for item in enumeration]


class OutboxEvent(models.Model):
    """One message to a worker, written in the transaction that caused it.

    Written by `elson.common.jobs.enqueue`; sent once that transaction committed, by the same
    process or, when it died or Redis was away, by the sweeper. Never edited afterwards.
    """

    name = models.CharField(max_length=120)
    arguments = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    n_attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["created_at"],
                name="outbox_unsent",
                condition=models.Q(sent_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class Component(models.TextChoices):
    """Parts that report themselves."""

    WEB = "WEB", "Web"
    WORKER = "WORKER", "Background worker"
    STREAMER = "STREAMER", "Market-data streamer"
    RUNNER = "RUNNER", "Strategy runner"


class Heartbeat(models.Model):
    """Last sign of life of one process."""

    component = models.CharField(max_length=10, choices=Component.choices)
    process = models.CharField(max_length=80, help_text="host:pid")
    beaten_at = models.DateTimeField()
    detail = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["component", "process"], name="heartbeat_unique")
        ]

    def __str__(self) -> str:
        return f"{self.component} {self.process}"
