"""What models said about live candidates, what came of it, and how far they drifted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from elson.common.models import choices_of
from trading.engine.learning.drift import Light
from trading.engine.types import Regime
from trading.models.model_version import ModelVersion


class Prediction(models.Model):
    """What one version said about one candidate, whoever runs the strategy.

    Written when the candidate's bar is decided, by the active version and by each shadow;
    completed once with the outcome of the profit-blind exit, never changed after that.
    """

    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="predictions")
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    timeframe = models.CharField(max_length=3, default="1d")
    market_at = models.DateTimeField(help_text="Close of the candidate's bar.")
    created_at = models.DateTimeField()
    is_shadow = models.BooleanField(help_text="Recorded without having a say.")
    regime = models.CharField(max_length=10, choices=choices_of(Regime), blank=True)
    probability = models.FloatField()
    threshold = models.FloatField(help_text="Candidates below it are refused.")
    features = models.JSONField(default=list, help_text="In the version's order; null: unknown.")
    resolved_at = models.DateTimeField(
        null=True, blank=True, help_text="Close of the bar that filled the exit."
    )
    net_return = models.FloatField(null=True, blank=True, help_text="After costs, fraction.")
    is_win = models.BooleanField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["version", "created_at"], name="prediction_newest"),
            models.Index(
                fields=["instrument", "timeframe"],
                name="prediction_open",
                condition=Q(resolved_at__isnull=True),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "instrument", "timeframe", "market_at"],
                name="prediction_unique",
            ),
            models.CheckConstraint(
                condition=Q(probability__gte=0, probability__lte=1), name="prediction_0_1"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.probability:.0%} for {self.instrument_id} at {self.market_at:%Y-%m-%d}"

    @property
    def is_taken(self) -> bool:
        """Tell whether the gate let the candidate through."""
        return self.probability >= self.threshold


class DriftReport(models.Model):
    """One look at whether a version still sees what it was trained on; written by the schedule."""

    version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="drift_reports"
    )
    created_at = models.DateTimeField()
    window_days = models.PositiveIntegerField()
    n_predictions = models.PositiveIntegerField()
    n_resolved = models.PositiveIntegerField()
    light = models.CharField(max_length=8, choices=choices_of(Light), help_text="The worst one.")
    features = models.JSONField(default=list, help_text="[{name, n, psi, ks, light}], worst first")
    score = models.JSONField(default=dict, help_text="{n, psi, ks, light, now: deciles, before}")
    calibration = models.JSONField(
        default=dict, help_text="{n, brier, brier_skill, ece, slope, log_loss, light}"
    )
    regimes = models.JSONField(default=dict, help_text="{before, now, shift, light}")
    delay = models.JSONField(
        default=dict, help_text="{median_days, n_open, oldest_open_days, light}"
    )

    class Meta:
        indexes = [models.Index(fields=["version", "-created_at"], name="drift_newest")]

    def __str__(self) -> str:
        return f"drift of {self.version_id} at {self.created_at:%Y-%m-%d %H:%M}"
