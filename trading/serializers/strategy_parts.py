"""Orders of a strategy, what was done to it and how its parameters moved, for the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trading.engine.types import WORKING_STATUSES
from trading.selectors.strategy_desk import EVENT_KINDS
from trading.serializers.orders import OrderSerializer

WORKING = frozenset(str(status) for status in WORKING_STATUSES)


class DeploymentEventSerializer(serializers.Serializer[Any]):
    """One thing done to a strategy at work, by its owner or by an error."""

    id = serializers.IntegerField(source="pk")
    deployment_id = serializers.IntegerField()
    version = serializers.IntegerField(source="deployment.version.number")
    symbol = serializers.CharField(source="deployment.instrument.symbol")
    kind = serializers.ChoiceField(choices=EVENT_KINDS)
    market_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    note = serializers.CharField(allow_blank=True)


class StrategyOrderSerializer(OrderSerializer):
    """An order of a strategy, and whether it rests for what the strategy holds."""

    version = serializers.IntegerField(source="deployment.version.number")
    is_resting = serializers.SerializerMethodField(
        help_text="It works now as the stop or the target of a position; which: `protection`."
    )

    def get_is_resting(self, order: Any) -> bool:
        """Protect, and work."""
        return bool(order.protection) and order.status in WORKING


class ParameterSpanSerializer(serializers.Serializer[Any]):
    """Bars in a row with one value in one regime; value null: not in use."""

    value = serializers.JSONField(allow_null=True)
    regime = serializers.CharField(allow_blank=True)
    n_bars = serializers.IntegerField()
    to = serializers.DateTimeField(source="to_at", help_text="Close of its last bar.")

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which Python does not let a class body name."""
        return {"from": serializers.DateTimeField(source="from_at"), **super().get_fields()}


class ParameterHistorySerializer(serializers.Serializer[Any]):
    """One parameter over the window, oldest span first."""

    name = serializers.CharField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    changed_at = serializers.DateTimeField(
        allow_null=True, help_text="Close at which it took its value of now; null: all the time."
    )
    spans = ParameterSpanSerializer(many=True)


class ParameterTimelineSerializer(serializers.Serializer[Any]):
    """Parameters of the newest deployment over its last 30 days of market time.

    Without a decision yet there are no parameters and no window.
    """

    deployment_id = serializers.IntegerField(allow_null=True)
    n_bars = serializers.IntegerField()
    is_cut = serializers.BooleanField(
        help_text="There were more decisions than the thousand newest that are read."
    )
    parameters = ParameterHistorySerializer(many=True)
    to = serializers.DateTimeField(source="to_at", allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which Python does not let a class body name."""
        begin = serializers.DateTimeField(source="from_at", allow_null=True)
        return {"from": begin, **super().get_fields()}
