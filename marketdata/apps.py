"""The marketdata app."""

from django.apps import AppConfig


class MarketdataConfig(AppConfig):
    """What the market said."""

    name = "marketdata"
    verbose_name = "Market data"
