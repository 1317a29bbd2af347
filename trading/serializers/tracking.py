"""A strategy at work beside its backtest, and what a version would hold, as the API writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trading.serializers.fields import AmountField, FigureField


class BookSerializer(serializers.Serializer[Any]):
    """The own book since the start; fractions, drawdown at most 0."""

    total_return = serializers.FloatField(allow_null=True)
    return_month = serializers.FloatField(allow_null=True, help_text="Last 30 days of the market.")
    max_drawdown = serializers.FloatField(allow_null=True)
    exposure = serializers.FloatField(allow_null=True)
    n_fills = serializers.IntegerField()


class BreakerSerializer(serializers.Serializer[Any]):
    """The circuit breaker as it stands."""

    level = serializers.CharField()
    sentence = serializers.CharField()
    n_trips = serializers.IntegerField()


class AgainstBacktestSerializer(serializers.Serializer[Any]):
    """Own book against the same rule on the same bars; null figures while there are too few."""

    n_bars = serializers.IntegerField()
    live_return = serializers.FloatField()
    expected_return = serializers.FloatField()
    difference = serializers.FloatField()
    expected_drawdown = serializers.FloatField()
    place = serializers.FloatField(
        allow_null=True, help_text="Share of paths drawn from its past at or below the own book."
    )
    standing = serializers.CharField(allow_blank=True, help_text="below, inside or above the band.")


class MeanCostSerializer(serializers.Serializer[Any]):
    """A mean per fill in basis points with its 95 % interval."""

    n = serializers.IntegerField()
    mean = FigureField(help_text="Null without a fill.")
    interval = serializers.ListField(child=serializers.FloatField(), allow_null=True)


class CostLineSerializer(serializers.Serializer[Any]):
    """One kind of cost over all fills: expected, paid, and paid beyond expected."""

    kind = serializers.CharField(source="label")
    expected = MeanCostSerializer(allow_null=True)
    paid = MeanCostSerializer()
    excess = MeanCostSerializer(allow_null=True)


class TrackingSerializer(serializers.Serializer[Any]):
    """How a deployment does beside its own backtest, and what its fills cost."""

    book = BookSerializer()
    breaker = BreakerSerializer(allow_null=True)
    against_backtest = AgainstBacktestSerializer(allow_null=True)
    costs = CostLineSerializer(many=True)


class DecisionCountsSerializer(serializers.Serializer[Any]):
    """How often each action was decided and each reason kept a decision from trading."""

    actions = serializers.DictField(child=serializers.IntegerField())
    blocked = serializers.DictField(child=serializers.IntegerField())


class HoldingNowSerializer(serializers.Serializer[Any]):
    """What a version would hold of one instrument at its last close; `error` says why nothing."""

    symbol = serializers.CharField()
    market_at = serializers.DateTimeField(allow_null=True)
    close = AmountField(allow_null=True)
    regime = serializers.CharField(allow_blank=True)
    quantity = AmountField(allow_null=True)
    weight = serializers.FloatField(allow_null=True)
    order_quantity = AmountField()
    action = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    refused_by = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)
