"""The monitoring app."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Watches; nobody knows it is there."""

    name = "monitoring"
    verbose_name = "Monitoring"
