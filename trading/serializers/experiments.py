"""What requests for backtests and optimizations have in common, and what their answers have."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from elson.common.api import StrictSerializer


class ExperimentRequestSerializer(StrictSerializer):
    """What a POST may say; bounds and meaning are checked by the service, all faults at once."""

    strategy = serializers.CharField(max_length=60)
    timeframe = serializers.CharField(max_length=3, default="1d")
    start_date = serializers.DateField(required=False, allow_null=True)
    end_date = serializers.DateField(required=False, allow_null=True)
    cash = serializers.CharField(default="100000", max_length=40)
    commission_bps = serializers.FloatField(default=0.0)
    slippage_bps = serializers.FloatField(default=0.0)
    has_regime_costs = serializers.BooleanField(default=False)
    has_usual_slippage = serializers.BooleanField(
        default=False, help_text="Add the class's slippage and impact to has_regime_costs."
    )
    is_free_confirmed = serializers.BooleanField(default=False)
    seed = serializers.IntegerField(default=7)
    note = serializers.CharField(max_length=200, default="", allow_blank=True)

    def draft_values(self) -> dict[str, Any]:
        """Return the values under the names that the services' drafts know."""
        values = dict(self.validated_data)
        values["strategy_key"] = values.pop("strategy")
        return values


class ExperimentSerializer(serializers.Serializer[Any]):
    """What was asked, where it stands, and when."""

    id = serializers.IntegerField(read_only=True)
    strategy = serializers.CharField(source="strategy_key")
    symbol = serializers.CharField(source="instrument.symbol")
    timeframe = serializers.CharField()
    start_date = serializers.DateField(allow_null=True)
    end_date = serializers.DateField(allow_null=True)
    cash = serializers.DecimalField(max_digits=24, decimal_places=8)
    commission_bps = serializers.FloatField()
    slippage_bps = serializers.FloatField()
    has_regime_costs = serializers.BooleanField()
    has_usual_slippage = serializers.BooleanField()
    seed = serializers.IntegerField()
    note = serializers.CharField()
    status = serializers.CharField()
    error_code = serializers.CharField()
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
