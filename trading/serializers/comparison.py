"""Compared backtests as the API writes them: out of sample first, run A is the reference."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers


class ComparedRunSerializer(serializers.Serializer[Any]):
    """One column of the comparison."""

    letter = serializers.CharField()
    id = serializers.IntegerField(source="backtest.pk")
    strategy = serializers.CharField(source="backtest.strategy_key")
    symbol = serializers.CharField(source="backtest.instrument.symbol")
    timeframe = serializers.CharField(source="backtest.timeframe")
    status = serializers.CharField(source="backtest.status")
    first_on = serializers.DateField(allow_null=True)
    last_on = serializers.DateField(allow_null=True)


class FiguresSerializer(serializers.Serializer[Any]):
    """One figure of every run, in the order of the runs; `differences` are against run A."""

    segment = serializers.CharField()
    key = serializers.CharField()
    values = serializers.ListField(child=serializers.FloatField(allow_null=True))
    is_best = serializers.ListField(child=serializers.BooleanField(), source="best")
    differences = serializers.ListField(child=serializers.FloatField(allow_null=True))
    too_few = serializers.ListField(
        child=serializers.IntegerField(allow_null=True),
        help_text="Bars or round trips of a run that has too few of them for this figure.",
    )


class DifferenceSerializer(serializers.Serializer[Any]):
    """Second minus first with its 95 % interval; null where it cannot be told."""

    value = serializers.SerializerMethodField()
    low = serializers.SerializerMethodField()
    high = serializers.SerializerMethodField()

    def get_value(self, found: Any) -> float | None:
        """Difference."""
        return _finite(found.value)

    def get_low(self, found: Any) -> float | None:
        """Lower bound."""
        return _finite(found.low)

    def get_high(self, found: Any) -> float | None:
        """Upper bound."""
        return _finite(found.high)


class PairSerializer(serializers.Serializer[Any]):
    """A run set against another over the months both cover alike."""

    first = serializers.CharField()
    second = serializers.CharField()
    segment = serializers.CharField()
    n_months = serializers.IntegerField()
    mean_monthly_return = DifferenceSerializer(source="mean")
    sharpe_ratio = DifferenceSerializer(source="sharpe")
    correlation = serializers.FloatField(allow_null=True)
    trade_overlap = serializers.FloatField(allow_null=True, source="overlap")


class RegimeCellsSerializer(serializers.Serializer[Any]):
    """One regime of every run; every win rate beside its n, its interval and its null."""

    regime = serializers.CharField()
    cells = serializers.ListField(child=serializers.JSONField(allow_null=True))


class SettingSerializer(serializers.Serializer[Any]):
    """A setting in which the runs differ."""

    name = serializers.CharField(source="label")
    values = serializers.ListField(child=serializers.JSONField(allow_null=True))


class ComparisonSerializer(serializers.Serializer[Any]):
    """Two to four runs side by side."""

    runs = ComparedRunSerializer(many=True)
    differences = serializers.ListField(
        child=serializers.CharField(), help_text="In what they differ beside their rules."
    )
    common_from = serializers.DateField(allow_null=True)
    common_to = serializers.DateField(allow_null=True)
    figures = FiguresSerializer(many=True, source="metrics")
    pairs = PairSerializer(many=True)
    regimes = RegimeCellsSerializer(many=True)
    settings = SettingSerializer(many=True)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
