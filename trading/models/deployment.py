"""A strategy version at work on a portfolio."""

from __future__ import annotations

from django.db import models

from elson.common.models import TimestampedModel
from trading.models.immutable import ImmutableModel
from trading.models.portfolio import Portfolio
from trading.models.strategy import StrategyVersion


class Deployment(TimestampedModel):
    """One strategy version trading one instrument in one portfolio; moved on by the runner."""

    class Status(models.TextChoices):
        """What the runner may do with it: PAUSED makes no entries, its exits stay managed."""

        RUNNING = "RUNNING", "Running"
        PAUSED = "PAUSED", "Paused"
        STOPPED = "STOPPED", "Stopped"
        ERROR = "ERROR", "Error"

    # The runner asks these at each bar.
    DECIDING = (Status.RUNNING, Status.PAUSED)

    version = models.ForeignKey(
        StrategyVersion, on_delete=models.PROTECT, related_name="deployments"
    )
    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="deployments")
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    timeframe = models.CharField(max_length=3, default="1d")
    capital = models.DecimalField(
        max_digits=24, decimal_places=8, help_text="Cash the strategy's own book began with."
    )
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.RUNNING)
    state = models.JSONField(
        default=dict, help_text="The engine's state after the last bar, as step() returned it."
    )
    unbooked_fills = models.JSONField(
        default=list,
        help_text="Ids of fills of its own orders that came from outside and its book awaits.",
    )
    starts_at = models.DateTimeField(help_text="Market time from which it may trade.")
    last_bar_at = models.DateTimeField(null=True, blank=True, help_text="Market time.")
    client_key = models.CharField(
        max_length=80, blank=True, help_text="Idempotency-Key of the request; unique per portfolio."
    )
    error = models.TextField(blank=True)

    @property
    def decides(self) -> bool:
        """Whether the runner asks it at each bar."""
        return self.status in self.DECIDING

    @property
    def manages(self) -> str:
        """What it does in its status, in two words."""
        if self.status == self.Status.RUNNING:
            return "entries and exits"
        return "exits only" if self.status == self.Status.PAUSED else "nothing"

    class Meta:
        indexes = [models.Index(fields=["portfolio", "status"], name="deployment_by_status")]
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "client_key"],
                name="deployment_client_key_unique",
                condition=~models.Q(client_key=""),
            )
        ]

    @property
    def is_overruled(self) -> bool:
        """Whether others sold of its position and that still binds it."""
        return bool(self.state.get("is_overruled"))

    def __str__(self) -> str:
        return f"{self.version} on {self.instrument_id}"


class DeploymentEvent(ImmutableModel):
    """What was done to a strategy at work, by its owner or by an error; append-only."""

    class Kind(models.TextChoices):
        """What happened."""

        STARTED = "STARTED", "Started"
        PAUSED = "PAUSED", "Paused"
        RUNNING = "RUNNING", "Resumed"
        STOPPED = "STOPPED", "Stopped"
        ERROR = "ERROR", "Ended with an error"
        ENTER_AGAIN = "ENTER_AGAIN", "Let enter again"

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    market_at = models.DateTimeField(help_text="Market time.")
    created_at = models.DateTimeField(auto_now_add=True)
    note = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["deployment", "-id"], name="deploymentevent_newest")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.deployment_id}"
