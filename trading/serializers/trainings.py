"""Trainings as the API writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from elson.common.api import StrictSerializer


class TrainingRequestSerializer(StrictSerializer):
    """A training to ask for; without symbols every stored daily series is learned from."""

    kind = serializers.CharField(max_length=24, default="LOGISTIC")
    symbols = serializers.ListField(child=serializers.CharField(max_length=24), default=list)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=7)
    note = serializers.CharField(max_length=200, allow_blank=True, default="")


class ModelTrainingSerializer(serializers.Serializer[Any]):
    """What was asked for and how far it is; not who asked."""

    id = serializers.IntegerField()
    strategy = serializers.CharField(source="strategy_key")
    kind = serializers.CharField()
    trigger = serializers.CharField()
    status = serializers.CharField()
    phase = serializers.CharField()
    progress = serializers.FloatField()
    detail = serializers.CharField()
    is_cancel_requested = serializers.BooleanField()
    error_code = serializers.CharField()
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
