"""Every look at bars that were held out, never forgotten."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from trading.models.immutable import ImmutableModel


class HoldoutLook(ImmutableModel):
    """One opening of a hold-out by one person: which bars, for which idea; immutable.

    A second study over the same bars has a hold-out of its own, but not bars of its own: whoever
    chooses among several looks chooses by luck, and is judged by their number. It outlives its
    study, as the trial ledger does.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="holdout_looks"
    )
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    timeframe = models.CharField(max_length=3)
    strategy_key = models.CharField(max_length=60)
    parameters = models.JSONField(help_text="Full set; with the strategy it is the idea.")
    source_key = models.CharField(
        max_length=60, unique=True, help_text="“study:12”: whose hold-out, opened once."
    )
    trial = models.PositiveIntegerField()
    first_at = models.DateTimeField(help_text="Close of the first bar looked at.")
    last_at = models.DateTimeField(help_text="Close of the last.")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["user", "instrument", "last_at"], name="holdoutlook_bars"),
        ]

    def __str__(self) -> str:
        return self.source_key
