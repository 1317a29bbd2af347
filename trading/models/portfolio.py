"""A user's cash, positions and equity over time."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from elson.common.models import TimestampedModel, choices_of
from trading.engine.types import Regime


class Portfolio(TimestampedModel):
    """Cash, positions and ledger of one user, on paper or live.

    Made by `portfolio_open`; its row is the lock of everything that moves money in it.
    """

    class Kind(models.TextChoices):
        """Simulated or real money."""

        PAPER = "PAPER", "Paper"
        LIVE = "LIVE", "Live"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="portfolios"
    )
    name = models.CharField(max_length=60, default="Main")
    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.PAPER)
    currency = models.CharField(max_length=3, default="USD")
    opening_cash = models.DecimalField(max_digits=24, decimal_places=8)
    replay = models.OneToOneField(
        "marketdata.ReplaySession",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="portfolio",
        help_text="The replayed market this paper portfolio lives in.",
    )
    processed_at = models.DateTimeField(
        null=True, blank=True, help_text="Market time of the last bar the runner finished."
    )
    event_sequence = models.PositiveBigIntegerField(
        default=0, help_text="Counts published events, so that a client sees a hole."
    )
    is_archived = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="portfolio_name_unique"),
            models.CheckConstraint(
                condition=models.Q(opening_cash__gte=0), name="portfolio_opening_cash_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_kind_display()}) of {self.user_id}"


class Position(TimestampedModel):
    """Net holding of one instrument: the signed sum of its fills."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="positions")
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    quantity = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    avg_entry_price = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    cost_basis = models.DecimalField(
        max_digits=24, decimal_places=8, default=0,
        help_text="Signed cost of what is held, commission left out; equals the ledger.",
    )  # fmt: skip
    realized_pnl = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    commission_total = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    last_price = models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=True)
    last_price_at = models.DateTimeField(null=True, blank=True, help_text="Market time.")
    opened_at = models.DateTimeField(null=True, blank=True, help_text="Market time.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "instrument"], name="position_unique")
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.instrument_id} in {self.portfolio_id}"


class EquityPoint(models.Model):
    """Equity of a portfolio at the close of one bar; written once by the runner."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.CASCADE, related_name="equity_points")
    market_at = models.DateTimeField()
    equity = models.DecimalField(max_digits=24, decimal_places=8)
    cash = models.DecimalField(max_digits=24, decimal_places=8)
    gross_exposure = models.DecimalField(max_digits=24, decimal_places=8)
    net_exposure = models.DecimalField(max_digits=24, decimal_places=8)
    regime = models.CharField(max_length=10, choices=choices_of(Regime), blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "market_at"], name="equitypoint_unique")
        ]

    def __str__(self) -> str:
        return f"{self.portfolio_id} {self.market_at:%Y-%m-%d} {self.equity}"
