"""The monitoring app."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Watches; nobody knows it is there."""

    name = "monitoring"
    verbose_name = "Monitoring"

    def ready(self) -> None:
        """Offer our own gauges beside Django's."""
        from django.utils import timezone
        from prometheus_client import REGISTRY

        from monitoring.metrics import ElsonCollector

        REGISTRY.register(ElsonCollector(clock=timezone.now))  # noqa: TID251 - a door to graphs
