"""Orders, what happened to them, and their fills."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from elson.common.models import TimestampedModel, choices_of
from trading.engine.types import OrderSide, OrderStatus, OrderType, Regime, TimeInForce
from trading.models.decision import Decision
from trading.models.deployment import Deployment
from trading.models.immutable import ImmutableModel
from trading.models.portfolio import Portfolio


class Order(TimestampedModel):
    """An instruction to buy or sell; changes only through its state table, with an OrderEvent."""

    class Protection(models.TextChoices):
        """What a resting order protects a strategy's position by."""

        STOP = "STOP", "Stop"
        TARGET = "TARGET", "Target"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="orders")
    instrument = models.ForeignKey(
        "marketdata.Instrument", on_delete=models.PROTECT, related_name="+"
    )
    decision = models.ForeignKey(
        Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="orders",
        help_text="Empty: a person placed it.",
    )  # fmt: skip
    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, null=True, blank=True, related_name="orders",
        help_text="Whose own book its fills move; empty: a person placed it.",
    )  # fmt: skip
    client_order_id = models.CharField(max_length=80, help_text="Ours; the idempotency key.")
    body_hash = models.CharField(max_length=64, help_text="Same id with another body is refused.")
    venue_order_id = models.CharField(max_length=80, blank=True)
    side = models.CharField(max_length=4, choices=choices_of(OrderSide))
    order_type = models.CharField(max_length=12, choices=choices_of(OrderType))
    time_in_force = models.CharField(
        max_length=3, choices=choices_of(TimeInForce), default=TimeInForce.GTC.value
    )
    quantity = models.DecimalField(max_digits=24, decimal_places=8)
    limit_price = models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=True)
    is_all_cash = models.BooleanField(
        default=False,
        help_text="Buys with all cash of the strategy's book: the fill decides the quantity.",
    )
    protection = models.CharField(
        max_length=6, choices=Protection.choices, blank=True,
        help_text="Rests for a strategy's position, as its stop or its target; it reserves "
        "nothing and is sized by what is held.",
    )  # fmt: skip
    is_triggered = models.BooleanField(default=False, help_text="Its stop price was met.")
    regime = models.CharField(
        max_length=10, choices=choices_of(Regime), blank=True,
        help_text="Volatility regime when it was placed; paper costs depend on it.",
    )  # fmt: skip
    status = models.CharField(
        max_length=16, choices=choices_of(OrderStatus), default=OrderStatus.INITIALIZED.value
    )
    filled_quantity = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    avg_fill_price = models.DecimalField(max_digits=24, decimal_places=8, null=True, blank=True)
    commission_total = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    reserved_cash = models.DecimalField(
        max_digits=24, decimal_places=8, default=0, help_text="Worst cost of what is left of it."
    )
    reason_code = models.CharField(max_length=60, blank=True)
    reason = models.TextField(blank=True)
    market_at = models.DateTimeField(help_text="Market time when it was placed.")
    risk_check = models.JSONField(default=list, help_text="Every rule with its limit and value.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "client_order_id"], name="order_client_id_unique"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(
                condition=Q(filled_quantity__gte=0) & Q(filled_quantity__lte=F("quantity")),
                name="order_filled_within_quantity",
            ),
            models.CheckConstraint(
                condition=Q(reserved_cash__gte=0), name="order_reserved_cash_positive"
            ),
        ]
        indexes = [
            models.Index(fields=["portfolio", "status"], name="order_by_status"),
            models.Index(fields=["portfolio", "-created_at"], name="order_newest"),
        ]

    @property
    def of_strategies(self) -> list[BookChange]:
        """What its fills have taken from strategies' own books, oldest first."""
        return [change for fill in self.fills.all() for change in fill.book_changes.all()]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} of {self.instrument_id} ({self.status})"


class OrderEvent(ImmutableModel):
    """One step of an order through its state table; append-only."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    sequence = models.PositiveIntegerField()
    from_status = models.CharField(max_length=16, blank=True)
    to_status = models.CharField(max_length=16)
    market_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    detail = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "sequence"], name="orderevent_unique")
        ]

    @property
    def label(self) -> str:
        """What happened, in words: the status it came to, or that it was made smaller."""
        if "quantity_before" in self.detail:
            return "Reduced"
        return self.to_status.replace("_", " ").capitalize()

    @property
    def note(self) -> str:
        """Why, where the event says so."""
        return str(self.detail.get("reason", ""))

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} to {self.to_status}"


class Fill(ImmutableModel):
    """One execution of an order; append-only."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    trade_id = models.CharField(max_length=80)
    quantity = models.DecimalField(max_digits=24, decimal_places=8)
    price = models.DecimalField(max_digits=24, decimal_places=8)
    commission = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    slippage = models.DecimalField(
        max_digits=24, decimal_places=8, default=0, help_text="Cost already inside the price."
    )
    filled_at = models.DateTimeField(help_text="Market time.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "trade_id"], name="fill_trade_id_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="fill_quantity_positive"),
            models.CheckConstraint(condition=Q(price__gt=0), name="fill_price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} at {self.price}"


class BookChange(ImmutableModel):
    """What somebody else's sale took out of a strategy's own book; append-only."""

    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, related_name="book_changes"
    )
    fill = models.ForeignKey(Fill, on_delete=models.PROTECT, related_name="book_changes")
    quantity = models.DecimalField(
        max_digits=24, decimal_places=8, help_text="Units of the fill that were the strategy's."
    )
    held_before = models.DecimalField(max_digits=24, decimal_places=8)
    commission = models.DecimalField(
        max_digits=24, decimal_places=8, default=0, help_text="Its part of the fill's."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["deployment", "fill"], name="bookchange_unique"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0) & Q(quantity__lte=F("held_before")),
                name="bookchange_within_book",
            ),
        ]

    @property
    def held_after(self) -> Decimal:
        """Units left in the book."""
        return self.held_before - self.quantity

    def __str__(self) -> str:
        return f"{self.quantity} of {self.held_before} in {self.deployment_id}"
