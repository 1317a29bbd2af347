"""The list of one's strategies as the API writes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trading.serializers.fields import AmountField


class BoardRowSerializer(serializers.Serializer[Any]):
    """One strategy at work, stopped or never run; null where it has not run far enough."""

    strategy_id = serializers.IntegerField()
    deployment_id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    rule = serializers.CharField()
    version = serializers.IntegerField()
    state = serializers.CharField(help_text="RUNNING, PAUSED, HALTED, STOPPED, ERROR or DRAFT.")
    symbol = serializers.CharField(allow_null=True)
    timeframe = serializers.CharField(allow_null=True)
    regime = serializers.CharField(allow_null=True, allow_blank=True)
    exposure = serializers.FloatField(allow_null=True, help_text="Of its own equity.")
    result = AmountField(allow_null=True, help_text="Of its own book since its start.")
    result_ratio = serializers.FloatField(allow_null=True)
    return_30_days = serializers.FloatField(allow_null=True)
    max_drawdown = serializers.FloatField(allow_null=True)
    last_decision_at = serializers.DateTimeField(allow_null=True)
    last_decision = serializers.CharField(allow_null=True, allow_blank=True)
    error = serializers.CharField(allow_blank=True)


class BoardSerializer(serializers.Serializer[Any]):
    """What runs, what was stopped, and what never ran."""

    results = BoardRowSerializer(many=True)
