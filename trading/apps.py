"""The trading app."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """What we decide and do."""

    name = "trading"
    verbose_name = "Trading"
