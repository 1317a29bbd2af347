"""The billing app, and django-paypal's app with a primary key that needs no new migration."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """What is paid."""

    name = "billing"
    verbose_name = "Billing"


class PayPalIPNConfig(AppConfig):
    """django-paypal 2.1 under its own migrations: BigAutoField would ask for a new one in it."""

    name = "paypal.standard.ipn"
    label = "ipn"
    verbose_name = "PayPal notifications"
    default_auto_field = "django.db.models.AutoField"
