"""What a strategy's decisions were worth when they were verified."""

from __future__ import annotations

from django.db import models

from trading.models.immutable import ImmutableModel


class ModelPerformance(ImmutableModel):
    """One run of `verify_win_rates`, as it was printed; written by the command, never changed.

    `goals` are those of docs/research/win-rates.md in the order printed: {name, value, must, met}.
    """

    protocol = models.CharField(max_length=40)
    strategy_key = models.CharField(max_length=60)
    data_hash = models.CharField(max_length=64, help_text="SHA-256 of the folder's SHA256SUMS.")
    train_data_hash = models.CharField(
        max_length=64, blank=True, help_text="The same of --train-data; empty: walk-forward within."
    )
    code_version = models.CharField(max_length=40)
    n_instruments = models.PositiveIntegerField()
    n_round_trips = models.PositiveIntegerField()
    is_met = models.BooleanField(help_text="Every must of the protocol was met.")
    goals = models.JSONField(default=list)
    missed = models.JSONField(default=list, help_text="Names of the musts that were missed.")
    report = models.JSONField(help_text="The command's whole object.")
    created_at = models.DateTimeField(help_text="When the run ended.")

    class Meta:
        indexes = [
            models.Index(fields=["strategy_key", "-created_at"], name="performance_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_key} under {self.protocol} ({self.created_at:%Y-%m-%d})"
