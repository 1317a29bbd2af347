"""What the REST doors of regimes answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


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
