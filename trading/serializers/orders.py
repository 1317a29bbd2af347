"""Orders as the API reads and writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from elson.common.api import StrictSerializer
from trading.serializers.fields import (
    AmountField,
    AskedNumberField,
    OrderTypeField,
    SideField,
    TimeInForceField,
)


class OrderRequestSerializer(StrictSerializer):
    """An order as asked for; sense and limits are the service's business."""

    symbol = serializers.CharField(max_length=24)
    side = SideField(max_length=12)
    order_type = OrderTypeField(max_length=20, default="MARKET")
    quantity = AskedNumberField()
    limit_price = AskedNumberField(required=False, allow_null=True)
    stop_price = AskedNumberField(required=False, allow_null=True)
    time_in_force = TimeInForceField(max_length=12, default="GTC")

    def draft_values(self) -> dict[str, Any]:
        """Return what `order_submit` and `order_preview` take, without the symbol."""
        return {key: value for key, value in self.validated_data.items() if key != "symbol"}


class OrderSerializer(serializers.Serializer[Any]):
    """One order as it stands."""

    id = serializers.UUIDField(source="uuid")
    client_order_id = serializers.CharField()
    symbol = serializers.CharField(source="instrument.symbol")
    side = SideField()
    order_type = OrderTypeField()
    time_in_force = TimeInForceField()
    quantity = AmountField()
    limit_price = AmountField(allow_null=True)
    stop_price = AmountField(allow_null=True)
    status = serializers.CharField()
    filled_quantity = AmountField()
    avg_fill_price = AmountField(allow_null=True)
    commission_total = AmountField()
    reserved_cash = AmountField()
    protection = serializers.CharField(
        allow_blank=True, help_text="STOP or TARGET where it rests for a strategy's position."
    )
    reason_code = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    regime = serializers.CharField(allow_blank=True)
    deployment_id = serializers.IntegerField(
        allow_null=True, help_text="The strategy at work that placed it; null: a person did."
    )
    decision_id = serializers.UUIDField(source="decision.uuid", allow_null=True, default=None)
    market_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class OrderEventSerializer(serializers.Serializer[Any]):
    """One step of an order through its states."""

    sequence = serializers.IntegerField()
    from_status = serializers.CharField(allow_blank=True)
    to_status = serializers.CharField()
    market_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    detail = serializers.JSONField()


class FillSerializer(serializers.Serializer[Any]):
    """One execution."""

    trade_id = serializers.CharField()
    quantity = AmountField()
    price = AmountField()
    commission = AmountField()
    slippage = AmountField(help_text="Cost already inside the price.")
    filled_at = serializers.DateTimeField()


class RuleSerializer(serializers.Serializer[Any]):
    """One rule of the check in front of an order."""

    rule = serializers.CharField()
    status = serializers.CharField()
    value = serializers.FloatField()
    limit = serializers.FloatField(allow_null=True)
    unit = serializers.CharField()
    sentence = serializers.CharField()


class BookPartSerializer(serializers.Serializer[Any]):
    """Units that a sale by hand takes from one strategy's own book."""

    deployment_id = serializers.IntegerField(source="deployment.pk")
    strategy = serializers.CharField(source="deployment.version.strategy.name")
    quantity = AmountField()
    held_before = AmountField(help_text="What the strategy held before it.")


class OrderDetailSerializer(OrderSerializer):
    """An order with its steps, executions and the check it passed or failed."""

    risk_check = RuleSerializer(many=True)
    events = OrderEventSerializer(many=True)
    fills = FillSerializer(many=True)
    of_strategies = BookPartSerializer(
        many=True, help_text="What a sale by hand has taken from strategies' own books."
    )


class OrderCostsSerializer(serializers.Serializer[Any]):
    """What an order is expected to cost."""

    reference_price = AmountField()
    notional = AmountField()
    commission = AmountField()
    commission_bps = serializers.FloatField()
    slippage = AmountField()
    reserve = AmountField()


class OrderPreviewSerializer(serializers.Serializer[Any]):
    """What an order would do; nothing is stored."""

    symbol = serializers.CharField()
    side = SideField(source="draft.side")
    order_type = OrderTypeField(source="draft.order_type")
    time_in_force = TimeInForceField(source="draft.time_in_force")
    quantity = AmountField(source="draft.quantity")
    limit_price = AmountField(source="draft.limit_price", allow_null=True)
    stop_price = AmountField(source="draft.stop_price", allow_null=True)
    price = AmountField(allow_null=True)
    price_at = serializers.DateTimeField(allow_null=True)
    market_at = serializers.DateTimeField()
    regime = serializers.CharField(allow_null=True)
    costs = OrderCostsSerializer(allow_null=True)
    slippage_basis = serializers.CharField()
    buying_power_before = AmountField()
    buying_power_after = AmountField()
    cash_missing = AmountField()
    position_before = AmountField()
    position_after = AmountField()
    weight_before = serializers.FloatField()
    weight_after = serializers.FloatField()
    daily_loss_left = AmountField()
    of_strategies = BookPartSerializer(
        many=True, help_text="What it would take from strategies' own books."
    )
    rules = RuleSerializer(many=True)
    is_allowed = serializers.BooleanField()
