"""Plans, who pays for which, and every payment event once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from elson.common.models import TimestampedModel


class Provider(models.TextChoices):
    """Who collects the money."""

    STRIPE = "STRIPE", "Stripe"
    PAYPAL = "PAYPAL", "PayPal"
    STAFF = "STAFF", "Granted by staff"


class Plan(TimestampedModel):
    """What can be bought and what it allows; the one source of prices and entitlements."""

    key = models.SlugField(max_length=20, unique=True)
    name = models.CharField(max_length=40)
    summary = models.CharField(max_length=160, blank=True)
    monthly_price = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    yearly_price = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    currency = models.CharField(max_length=3, default="USD")
    entitlements = models.JSONField(default=dict)
    rank = models.PositiveSmallIntegerField(default=0)
    is_price_proposed = models.BooleanField(
        "price is a proposal",
        default=True,
        help_text="Nothing can be sold at a proposed price; take the mark away to publish it.",
    )
    is_public = models.BooleanField(default=True)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(monthly_price__gte=0, yearly_price__gte=0),
                name="plan_prices_positive",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Subscription(TimestampedModel):
    """One user's plan; changed by verified provider events or by staff with a reason."""

    class Status(models.TextChoices):
        """As the provider last said."""

        TRIALING = "TRIALING", "Trial"
        ACTIVE = "ACTIVE", "Active"
        PAST_DUE = "PAST_DUE", "Past due"
        CANCELED = "CANCELED", "Canceled"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="subscription"
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="subscriptions")
    provider = models.CharField(max_length=8, choices=Provider.choices)
    provider_subscription_id = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices)
    paid_until = models.DateTimeField(null=True, blank=True)
    is_cancel_at_period_end = models.BooleanField(default=False)
    change_reason = models.CharField(max_length=200, blank=True)
    history = HistoricalRecords()

    def __str__(self) -> str:
        return f"{self.plan} of {self.user}"


class PaymentEvent(models.Model):
    """One event of a provider, taken in once; its effect is applied from here."""

    class Status(models.TextChoices):
        """What became of it."""

        RECEIVED = "RECEIVED", "Received"
        APPLIED = "APPLIED", "Applied"
        IGNORED = "IGNORED", "Ignored"
        FAILED = "FAILED", "Failed"

    provider = models.CharField(max_length=8, choices=Provider.choices)
    event_id = models.CharField(max_length=160)
    event_type = models.CharField(max_length=80)
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.RECEIVED)
    error = models.TextField(blank=True)
    occurred_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="paymentevent_unique")
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_type}"
