"""A user's strategies and their versions."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from elson.common.models import TimestampedModel


class Strategy(TimestampedModel):
    """A named strategy of a user; what it does is said by its versions."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="strategies"
    )
    name = models.CharField(max_length=80)
    key = models.CharField(max_length=60, help_text="Registry key of the rules in the engine.")
    is_archived = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="strategy_name_unique")
        ]

    def __str__(self) -> str:
        return self.name


class StrategyVersion(models.Model):
    """Parameters of a strategy, frozen; a change makes the next number.

    A draft is a version nobody has put to work yet; its first deployment ends that.
    """

    class Source(models.TextChoices):
        """Where its parameters came from."""

        USER = "USER", "Edited by hand"
        SHIPPED = "SHIPPED", "Shipped with Elson"
        BACKTEST = "BACKTEST", "Adopted from a backtest"
        STUDY = "STUDY", "Adopted from an optimization"
        PROPOSAL = "PROPOSAL", "Proposed by a repeated optimization"

    strategy = models.ForeignKey(Strategy, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    parameters = models.JSONField(default=dict)
    limits = models.JSONField(
        default=dict, help_text="Own risk limits, tighter than the portfolio's: name: value."
    )
    costs = models.JSONField(
        default=dict, help_text="Costs its backtests pay, name: value; empty: the usual ones."
    )
    note = models.CharField(max_length=200, blank=True)
    is_draft = models.BooleanField(default=False)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.USER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["strategy", "number"], name="strategyversion_unique")
        ]

    def __str__(self) -> str:
        return f"{self.strategy} v{self.number}"
