"""The trading app."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """What we decide and do."""

    name = "trading"
    verbose_name = "Trading"

    def ready(self) -> None:
        """Tell the engine where developers' own strategies come from; nothing is loaded yet."""
        from billiard.exceptions import SoftTimeLimitExceeded

        from trading.engine import sources
        from trading.services.own_strategies import own_strategies

        sources.use(own_strategies, interruptions=[SoftTimeLimitExceeded])
