"""One quick look at a whole grid of parameters."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from trading.models.immutable import ImmutableModel


class ParameterSweep(ImmutableModel):
    """A grid run over stored bars in one go: its best rows, and how many were tried; immutable.

    All of it is in-sample: `sharpe_mean` and `sharpe_spread` let the deflated Sharpe ratio count
    every combination, stored or not (`selectors.studies.trials_counted`).
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="parameter_sweeps"
    )
    strategy_key = models.CharField(max_length=60)
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    timeframe = models.CharField(max_length=3)
    n_bars = models.PositiveIntegerField()
    data_hash = models.CharField(max_length=64, help_text="Of exactly the bars it ran on.")
    grid = models.JSONField(help_text="Parameter names to the values tried.")
    cash = models.DecimalField(max_digits=24, decimal_places=8)
    commission_bps = models.FloatField()
    slippage_bps = models.FloatField()
    ranked_by = models.CharField(max_length=20)
    n_combinations = models.PositiveIntegerField()
    n_skipped = models.PositiveIntegerField(help_text="Refused by the strategy itself.")
    best = models.JSONField(help_text="Best rows first: parameters and figures.")
    sharpe_mean = models.FloatField(help_text="Per bar, over the combinations that traded.")
    sharpe_spread = models.FloatField(help_text="Standard deviation of the same.")
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["user", "strategy_key", "instrument"], name="sweep_family"),
        ]

    def __str__(self) -> str:
        return f"{self.n_combinations:,} of {self.strategy_key} on {self.instrument_id}"
