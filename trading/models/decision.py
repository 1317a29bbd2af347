"""Why a strategy did what it did, bar by bar."""

from __future__ import annotations

import uuid

from django.db import models

from elson.common.models import choices_of
from trading.engine.types import DecisionAction, Regime
from trading.models.deployment import Deployment
from trading.models.immutable import ImmutableModel


class Decision(ImmutableModel):
    """What one deployment decided at the close of one bar, "no trade" included; immutable.

    Holds the inputs as they were seen, so the page stays true when code or models change.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="decisions")
    market_at = models.DateTimeField(help_text="Close of the bar it saw.")
    created_at = models.DateTimeField(auto_now_add=True)
    action = models.CharField(max_length=12, choices=choices_of(DecisionAction))
    regime = models.CharField(max_length=10, choices=choices_of(Regime), blank=True)
    signal = models.FloatField(null=True, blank=True, help_text="In [-1, 1]; empty: no opinion.")
    price = models.FloatField(help_text="Close it was made at.")
    target_weight = models.FloatField(null=True, blank=True)
    target_quantity = models.FloatField(null=True, blank=True)
    inputs = models.JSONField(default=dict)
    parameters = models.JSONField(default=dict, help_text="name: {base, now, because}")
    sizing = models.JSONField(default=list, help_text="Arithmetic: [{label, value, text}]")
    reason = models.TextField()
    what_would_change = models.TextField(blank=True)
    blocked_by = models.CharField(max_length=60, blank=True, help_text="Code of the rule.")
    rules = models.JSONField(
        null=True, blank=True,
        help_text="Every rule that was asked, as RuleResult; empty before it was recorded.",
    )  # fmt: skip
    source = models.JSONField(
        null=True, blank=True,
        help_text="What it saw: series with the hash of its bars, model; empty before it was "
        "recorded.",
    )  # fmt: skip
    engine_version = models.CharField(max_length=20, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deployment", "market_at"], name="decision_unique")
        ]

    def __str__(self) -> str:
        return f"{self.action} at {self.market_at:%Y-%m-%d}"
