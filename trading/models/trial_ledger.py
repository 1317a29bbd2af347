"""Every configuration ever evaluated, counted once and never forgotten."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from trading.models.immutable import ImmutableModel


class TrialLedgerEntry(ImmutableModel):
    """One evaluation of a strategy on an instrument by one person; immutable.

    Written with the result of every backtest and every trial. It outlives both, so that deleting a
    study does not make its luck disappear from the deflated Sharpe ratio.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="trial_ledger"
    )
    strategy_key = models.CharField(max_length=60)
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    source_key = models.CharField(
        max_length=60, unique=True, help_text="Hash of whose and what was tried; counted once."
    )
    bar_sharpe = models.FloatField(help_text="Sharpe ratio per bar over what was evaluated.")
    n_bars = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "trial ledger entries"
        indexes = [
            models.Index(fields=["user", "strategy_key", "instrument"], name="trialledger_family")
        ]

    def __str__(self) -> str:
        return self.source_key
