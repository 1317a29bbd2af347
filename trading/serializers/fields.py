"""Fields every answer of trading is made of: exact amounts as strings, moments in UTC."""

from __future__ import annotations

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from trading.engine.types import OrderSide, OrderType, TimeInForce


class AmountField(serializers.DecimalField):
    """Money, price or quantity as a decimal string with up to 8 decimals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=28, decimal_places=8, **options)


class FigureField(serializers.FloatField):
    """A figure that is not known where it is NaN, which JSON has no word for: null then."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_null=True, **options)

    def to_representation(self, value: Any) -> Any:
        """Write a number, or null."""
        return None if math.isnan(value) else super().to_representation(value)


@extend_schema_field({"type": "string", "format": "decimal", "example": "10.5"})
class AskedNumberField(serializers.Field):
    """A number as it was sent; the service judges it, so that one rule holds for every door."""

    def to_internal_value(self, data: Any) -> Any:
        """Pass on."""
        return data

    def to_representation(self, value: Any) -> Any:
        """Pass on."""
        return value


@extend_schema_field(
    {"oneOf": [{"type": "number"}, {"type": "string", "format": "decimal", "example": "0.005"}]}
)
class AskedMoneyField(serializers.FloatField):
    """An amount asked for, as a number or as a decimal string; the run computes with it."""


@extend_schema_field({"type": "string", "enum": [item.value for item in OrderSide]})
class SideField(serializers.CharField):
    """Buy or sell."""


@extend_schema_field({"type": "string", "enum": [item.value for item in OrderType]})
class OrderTypeField(serializers.CharField):
    """How the price is found."""


@extend_schema_field({"type": "string", "enum": [item.value for item in TimeInForce]})
class TimeInForceField(serializers.CharField):
    """How long it works."""
