"""What a portfolio's owner allows at most."""

from __future__ import annotations

from django.db import models
from simple_history.models import HistoricalRecords

from elson.common.models import TimestampedModel
from trading.models.portfolio import Portfolio


class RiskLimits(TimestampedModel):
    """Limits the pre-trade check enforces on every order of a portfolio."""

    portfolio = models.OneToOneField(
        Portfolio, on_delete=models.CASCADE, related_name="risk_limits"
    )
    max_order_notional = models.DecimalField(max_digits=24, decimal_places=2, default=100_000)
    max_position_weight = models.FloatField(default=1.0, help_text="Share of equity, 1 is all.")
    max_gross_exposure = models.FloatField(default=1.0, help_text="Share of equity, 1 is all.")
    max_daily_loss_ratio = models.FloatField(default=0.05, help_text="Share of equity at the open.")
    max_open_orders = models.PositiveIntegerField(default=20)
    max_orders_per_minute = models.PositiveIntegerField(default=60)
    history = HistoricalRecords()

    def __str__(self) -> str:
        return f"limits of {self.portfolio_id}"
