"""Plans, subscriptions and what the payment providers told, for staff."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from djstripe.models import APIKey
from paypal.standard.ipn.models import PayPalIPN
from simple_history.admin import SimpleHistoryAdmin

from billing.models import PaymentEvent, Plan, Subscription
from elson.common.admin import ReadOnlyAdmin, ReadOnlyMixin


@admin.register(Plan)
class PlanAdmin(SimpleHistoryAdmin):
    """What is sold; a proposed price is marked as one."""

    list_display = ("name", "key", "monthly", "yearly", "is_price_proposed", "is_public")
    list_filter = ("is_public", "is_price_proposed")
    readonly_fields = ("created_at", "updated_at")
    search_fields = ("key", "name")
    ordering = ("rank",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: take it off the page instead, somebody may be on it."""
        return False

    @admin.display(description="a month", ordering="monthly_price")
    def monthly(self, plan: Plan) -> str:
        """Write the price, and that it is a proposal where it is."""
        return _price(plan, plan.monthly_price)

    @admin.display(description="a year", ordering="yearly_price")
    def yearly(self, plan: Plan) -> str:
        """Write the price, and that it is a proposal where it is."""
        return _price(plan, plan.yearly_price)


@admin.register(Subscription)
class SubscriptionAdmin(SimpleHistoryAdmin):
    """Who is on which plan; changed by services only, so that entitlements follow."""

    list_display = (
        "user", "plan", "provider", "status", "paid_until", "is_cancel_at_period_end", "updated_at",
    )  # fmt: skip
    list_filter = ("plan", "provider", "status", "is_cancel_at_period_end")
    list_select_related = ("user", "plan")
    search_fields = ("user__email", "provider_subscription_id")
    date_hierarchy = "paid_until"
    ordering = ("-updated_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a row alone would give nothing."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(PaymentEvent)
class PaymentEventAdmin(ReadOnlyAdmin):
    """Events of the providers, each once."""

    list_display = (
        "event_type",
        "provider",
        "event_id",
        "status",
        "received_at",
        "applied_at",
        "error",
    )
    list_filter = ("provider", "status", "event_type")
    search_fields = ("event_id", "event_type")
    date_hierarchy = "received_at"
    ordering = ("-id",)


admin.site.unregister(APIKey)
admin.site.unregister(PayPalIPN)


@admin.register(APIKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Stripe keys that dj-stripe met: that they exist, never the keys themselves."""

    list_display = ("name", "type", "livemode", "djstripe_created")
    fields = ("name", "type", "livemode", "djstripe_created")
    ordering = ("-djstripe_created",)


@admin.register(PayPalIPN)
class PayPalIpnAdmin(ReadOnlyAdmin):
    """PayPal's notifications as they came."""

    list_display = (
        "txn_type",
        "payment_status",
        "txn_id",
        "subscr_id",
        "mc_gross",
        "mc_currency",
        "flag",
        "created_at",
    )
    list_filter = ("txn_type", "payment_status", "flag")
    search_fields = ("txn_id", "subscr_id", "payer_email")
    exclude = ("password", "verify_sign")
    date_hierarchy = "created_at"
    ordering = ("-id",)


def _price(plan: Plan, amount: Any) -> str:
    return f"{amount:,.2f} {plan.currency}" + (" (proposal)" if plan.is_price_proposed else "")


def _mirror_read_only() -> None:
    """Show dj-stripe's copies of Stripe's objects only: an edit here would reach nobody.

    Its own form page also carries inline code that the Content-Security-Policy forbids.
    """
    for model, site_admin in list(admin.site._registry.items()):
        if model._meta.app_label != "djstripe" or isinstance(site_admin, ReadOnlyAdmin):
            continue
        shown = type(
            type(site_admin).__name__,
            (ReadOnlyMixin, type(site_admin)),
            {"change_form_template": None, "add_form_template": None},
        )
        admin.site.unregister(model)
        admin.site.register(model, shown)


_mirror_read_only()
