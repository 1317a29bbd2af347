"""Sums of money that are exact on both databases.

SQLite keeps decimals as floats, so adding them up in SQL drifts in the last place. There, each
amount is turned into a whole number of the smallest unit first; whole numbers add up exactly.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, DecimalField

ZERO = Decimal(0)
_PLACES = 8


class _Total(DecimalField):
    """What an ExactSum is compared with: whole units on SQLite, an amount on PostgreSQL."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Prepare the other side of a comparison."""
        if connection.vendor == "sqlite" and value is not None:
            return int(Decimal(value).scaleb(_PLACES))
        return super().get_db_prep_value(value, connection, prepared)


class ExactSum(Aggregate):
    """Sum of a decimal column, 0 of nothing."""

    function = "SUM"
    name = "ExactSum"

    def __init__(self, expression: Any, **extra: Any) -> None:
        super().__init__(
            expression, output_field=_Total(max_digits=24, decimal_places=_PLACES), **extra
        )

    template = "COALESCE(SUM(%(expressions)s), 0)"

    def as_sqlite(self, compiler: Any, connection: Any, **options: Any) -> Any:
        """Add whole units."""
        template = "COALESCE(SUM(CAST(ROUND((%(expressions)s) * 100000000) AS INTEGER)), 0)"
        return self.as_sql(compiler, connection, template=template, **options)

    def get_db_converters(self, connection: Any) -> list[Any]:
        """Turn SQLite's units back into an amount; PostgreSQL answers one."""
        if connection.vendor == "sqlite":
            return [_from_units]
        return super().get_db_converters(connection)


def _from_units(value: Any, expression: Any, connection: Any) -> Decimal:
    return Decimal(int(value or 0)).scaleb(-_PLACES)
