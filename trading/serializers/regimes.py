"""What the REST doors of regimes answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from trading.engine.types import Regime
from trading.serializers.fields import AmountField


class RegimeBoundsSerializer(serializers.Serializer[Any]):
    """Where a regime begins and ends; from is included, to is not."""

    regime = serializers.CharField()
    from_share = serializers.FloatField(help_text="Share of its own past below it.")
    to_share = serializers.FloatField()
    from_level = serializers.FloatField(help_text="Volatility a year, while the past is short.")
    to_level = serializers.FloatField(allow_null=True)


class RegimeDefinitionSerializer(serializers.Serializer[Any]):
    """How a volatility regime is decided, the same for pages, backtests and what runs."""

    alpha = serializers.FloatField(help_text="Weight of the newest squared log return (EWMA).")
    window_bars = serializers.IntegerField(help_text="Its own past it is ranked among.")
    minimum_bars = serializers.IntegerField(help_text="Fixed levels count until there are so many.")
    warm_up_bars = serializers.IntegerField(help_text="Returns before there is any regime.")
    confirm_bars = serializers.IntegerField(
        help_text="Bars in a row after which strategies follow a fall; a rise counts at once."
    )
    regimes = RegimeBoundsSerializer(many=True, source="rows")


class NextRegimeSerializer(serializers.Serializer[Any]):
    """How often this regime came next, counted; null where there are too few cases for a share."""

    regime = serializers.CharField()
    n = serializers.IntegerField()
    probability = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="95 % interval (Wilson).")
    high = serializers.FloatField(allow_null=True)


class TransitionRowSerializer(serializers.Serializer[Any]):
    """What followed one regime at the next bar."""

    regime = serializers.CharField()
    n = serializers.IntegerField()
    next_regimes = NextRegimeSerializer(many=True, source="cells")
    reason = serializers.CharField(allow_blank=True, help_text="Why no share is given.")


class TransitionsSerializer(serializers.Serializer[Any]):
    """The empirical transition matrix over the bars the caller may see."""

    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    visible_until = serializers.DateTimeField(allow_null=True)
    rows = TransitionRowSerializer(many=True)


class VolatilityEstimateSerializer(serializers.Serializer[Any]):
    """One estimator: annualized volatility now and its range over the last year."""

    name = serializers.CharField()
    looks_at = serializers.CharField()
    n_bars = serializers.IntegerField(help_text="Window; 0 reaches back without a limit.")
    now = serializers.FloatField(allow_null=True)
    regime_by_fixed_levels = serializers.CharField(source="regime", allow_blank=True)
    low = serializers.FloatField(allow_null=True)
    median = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    missing = serializers.CharField(allow_blank=True, help_text="Why there is no value.")


class VolatilitySerializer(serializers.Serializer[Any]):
    """Every estimator side by side for one series."""

    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    visible_until = serializers.DateTimeField(allow_null=True)
    estimates = VolatilityEstimateSerializer(many=True)


class RegimeParameterSerializer(serializers.Serializer[Any]):
    """One adaptive parameter: its base value, what each regime makes of it, and why."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    base = serializers.FloatField()
    low = serializers.FloatField(help_text="No regime makes it smaller.")
    high = serializers.FloatField(help_text="No regime makes it larger.")
    by_regime = serializers.SerializerMethodField()
    because = serializers.CharField(source="why", allow_blank=True)

    @extend_schema_field(
        {"type": "object", "properties": {str(name): {"type": "number"} for name in Regime}}
    )
    def get_by_regime(self, row: Any) -> dict[str, float]:
        """Name each regime's value."""
        return dict(zip((str(regime.value) for regime in Regime), row.values, strict=True))


class StrategyLimitsSerializer(serializers.Serializer[Any]):
    """Limits of a strategy or a portfolio; ratios are fractions of equity, null: none of its own.

    They are the same in every regime.
    """

    max_position_weight = serializers.FloatField(allow_null=True, default=None)
    max_gross_exposure = serializers.FloatField(allow_null=True, default=None)
    max_daily_loss_ratio = serializers.FloatField(allow_null=True, default=None)
    max_order_notional = AmountField(allow_null=True, default=None)
    max_open_orders = serializers.IntegerField(allow_null=True, default=None)
    max_orders_per_minute = serializers.IntegerField(allow_null=True, default=None)


class StrategyByRegimeSerializer(serializers.Serializer[Any]):
    """What the newest version of one of your strategies does in each regime."""

    strategy_id = serializers.IntegerField()
    name = serializers.CharField()
    rules = serializers.CharField(source="key")
    version = serializers.IntegerField()
    parameters = RegimeParameterSerializer(
        many=True, source="rows", help_text="Empty: nothing adapts, it trades alike in every one."
    )
    limits = StrategyLimitsSerializer(help_text="Its own; the tighter of the two holds.")
    model = serializers.CharField(
        allow_blank=True, help_text="The model it is bound to now, or why to none."
    )


class RegimeChangesSerializer(serializers.Serializer[Any]):
    """What each regime changes for the caller."""

    strategies = StrategyByRegimeSerializer(many=True)
    portfolio_limits = StrategyLimitsSerializer()


class RegimeNowSerializer(serializers.Serializer[Any]):
    """Where one watched market stands at the newest bar the caller may see."""

    symbol = serializers.CharField()
    regime = serializers.CharField(allow_blank=True)
    settled_regime = serializers.CharField(source="settled", allow_blank=True)
    since = serializers.DateTimeField(allow_null=True)
    n_bars = serializers.IntegerField()
    volatility = serializers.FloatField(allow_null=True)
    percentile = serializers.FloatField(allow_null=True)
    is_fallback = serializers.BooleanField(help_text="Fixed levels, for want of history.")
    next_regimes = NextRegimeSerializer(many=True, source="following.cells")
    n_next = serializers.IntegerField(source="following.n")
    next_reason = serializers.CharField(
        source="following.reason", allow_blank=True, help_text="Why no share is given."
    )
    last_at = serializers.DateTimeField(allow_null=True)
