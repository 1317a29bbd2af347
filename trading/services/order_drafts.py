"""What an order asks for, read and bounded; the rules it must pass are in `pretrade`."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from elson.common.errors import DomainError
from trading.engine.types import (
    OrderSide,
    OrderType,
    TimeInForce,
)
from trading.services.amounts import LARGEST, UNIT, plain

# Decimal would also read NaN, 1_000 and other scripts' digits; an order means none of them.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_OFFERED_TIMES = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK)


class OrderInvalid(DomainError):
    """The order cannot be read: a field is missing, superfluous or impossible."""


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """An order as asked for, every field checked for sense."""

    side: OrderSide
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce

    def body_hash(self, symbol: str) -> str:
        """Hash of what was asked, the same for 10 and 10.00."""
        body = [
            symbol,
            str(self.side),
            str(self.order_type),
            plain(self.quantity),
            plain(self.limit_price) if self.limit_price is not None else None,
            plain(self.stop_price) if self.stop_price is not None else None,
            str(self.time_in_force),
        ]
        return hashlib.sha256(json.dumps(body).encode()).hexdigest()


def draft_of(
    *,
    side: str,
    order_type: str,
    quantity: Decimal | str | int,
    limit_price: Decimal | str | None = None,
    stop_price: Decimal | str | None = None,
    time_in_force: str = "GTC",
) -> OrderDraft:
    """Read an order; raise OrderInvalid naming the field, its value and what is allowed."""
    kind = _choice(OrderType, order_type, "order_type")
    needs_limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    needs_stop = kind in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    in_force = _choice(TimeInForce, time_in_force, "time_in_force")
    if in_force not in _OFFERED_TIMES:
        raise OrderInvalid(
            "INVALID_TIME_IN_FORCE",
            f"time in force {in_force} is not offered; use {', '.join(_OFFERED_TIMES)}",
            field="time_in_force",
        )
    return OrderDraft(
        side=_choice(OrderSide, side, "side"),
        order_type=kind,
        quantity=_positive(quantity, "quantity"),
        limit_price=_price(limit_price, "limit_price", kind, is_needed=needs_limit),
        stop_price=_price(stop_price, "stop_price", kind, is_needed=needs_stop),
        time_in_force=in_force,
    )


def _choice(kind: Any, value: object, field: str) -> Any:
    try:
        return kind(str(value))
    except ValueError:
        offered = ", ".join(item.value for item in kind)
        raise OrderInvalid(
            f"INVALID_{field.upper()}",
            f"{field.replace('_', ' ')} {str(value)[:40]!r} is not one of {offered}",
            field=field,
        ) from None


def _positive(value: object, field: str) -> Decimal:
    name = field.replace("_", " ")
    code = f"INVALID_{field.upper()}"
    if isinstance(value, bool | float):
        raise OrderInvalid(code, f"{name} {value!r} must be an exact decimal number", field=field)
    if not _NUMBER.fullmatch(str(value)):
        raise OrderInvalid(code, f"{name} {str(value)[:40]!r} is not a number", field=field)
    number = Decimal(str(value))
    if number <= 0:
        raise OrderInvalid(code, f"{name} {str(value)[:40]} must be above 0", field=field)
    if number > LARGEST:
        raise OrderInvalid(
            code, f"{name} {str(value)[:40]} exceeds the limit of {plain(LARGEST)}", field=field
        )
    if number != number.quantize(UNIT):
        raise OrderInvalid(code, f"{name} {str(value)[:40]} has more than 8 decimals", field=field)
    return number.quantize(UNIT)


def _price(value: object, field: str, order_type: OrderType, *, is_needed: bool) -> Decimal | None:
    name = field.replace("_", " ")
    if value in (None, ""):
        if is_needed:
            raise OrderInvalid(
                f"{field.upper()}_MISSING", f"a {order_type} order needs a {name}", field=field
            )
        return None
    if not is_needed:
        raise OrderInvalid(
            f"{field.upper()}_NOT_ALLOWED",
            f"a {order_type} order takes no {name}, found {str(value)[:40]}",
            field=field,
        )
    return _positive(value, field)
