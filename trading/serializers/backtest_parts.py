"""What the pages of backtests are made of, as the API writes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from elson.common.api import StrictSerializer
from trading.selectors.comparison import MOST_RUNS
from trading.serializers.fields import AmountField

# What the column of an id holds; SQLite cannot even be asked for more.
LARGEST_ID = 2**63 - 1


class BacktestQuotaSerializer(serializers.Serializer[Any]):
    """What your plan allows today, and at once."""

    n_used = serializers.IntegerField()
    n_left = serializers.IntegerField()
    per_day = serializers.IntegerField()
    n_unfinished = serializers.IntegerField()
    at_once = serializers.IntegerField()
    compare_at_once = serializers.IntegerField(help_text="Runs side by side in a comparison.")
    resets_at = serializers.DateTimeField()


class LogLineSerializer(serializers.Serializer[Any]):
    """One line of a run's log."""

    at = serializers.CharField(help_text="ISO 8601.")
    text = serializers.CharField()


class BacktestLogSerializer(serializers.Serializer[Any]):
    """The last fifty lines of a run's log, oldest first."""

    results = LogLineSerializer(many=True)


class DailySerializer(serializers.Serializer[Any]):
    """Equity at each day's last bar: the tear sheet's raw data, the curve is down-sampled."""

    id = serializers.IntegerField()
    daily = serializers.JSONField(help_text="Columns of equal length; empty in results of old.")


class TradeDecisionSerializer(serializers.Serializer[Any]):
    """What was decided, with its inputs, parameters, arithmetic and rules."""

    action = serializers.CharField()
    decided_at = serializers.DateTimeField()
    symbol = serializers.CharField()
    close = AmountField()
    regime = serializers.CharField(allow_null=True)
    signal = serializers.FloatField(allow_null=True)
    target_weight = serializers.FloatField(allow_null=True)
    target_quantity = AmountField(allow_null=True)
    reason = serializers.CharField()
    would_change = serializers.CharField(allow_blank=True)
    blocked_by = serializers.CharField(allow_null=True)
    inputs = serializers.JSONField()
    parameters = serializers.JSONField()
    sizing = serializers.JSONField()
    rules = serializers.JSONField()


class BacktestTradeSerializer(serializers.Serializer[Any]):
    """One round trip and why it was made: the rule is gone through again up to its end."""

    trade = serializers.JSONField()
    entry = TradeDecisionSerializer()
    exit = TradeDecisionSerializer(
        allow_null=True, help_text="At the last close before it ended; null within one bar."
    )


class CompareRerunSerializer(StrictSerializer):
    """Which runs are made again over the days they share."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        min_length=2,
        max_length=MOST_RUNS,
    )


class CompareRerunAnswerSerializer(serializers.Serializer[Any]):
    """The runs to compare, in order: new ones, and those that cover the days already."""

    ids = serializers.ListField(child=serializers.IntegerField())
