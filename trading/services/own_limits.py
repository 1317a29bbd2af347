"""Risk limits a strategy version sets itself, beside those of the portfolio it trades in.

The tighter of the two holds. They bind orders that add risk: getting out is always possible. The
step cuts what the strategy asks for to the limits of size (`engine_limits`); what it cannot know,
open orders and orders per minute, is refused by the check in front of every order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

from elson.common.errors import DomainError
from elson.common.formatting import NumberNotUnderstood, parse_decimal
from trading.engine import risk
from trading.engine.own_limits import BY_ITSELF
from trading.engine.own_limits import OwnLimits as EngineLimits
from trading.engine.types import RuleStatus
from trading.models import RiskLimits
from trading.selectors.parameter_shares import share_text
from trading.selectors.parameter_words import LIMITS

OwnLimits = Mapping[str, float]
NO_LIMITS: OwnLimits = {}


class OwnLimitInvalid(DomainError):
    """A limit is no number, or looser than the portfolio's; `errors` has a sentence per limit."""

    title = "The strategy's own limits cannot be as asked"

    def __init__(self, faults: Mapping[str, str]) -> None:
        name, message = next(iter(faults.items()))
        super().__init__("OWN_LIMIT_INVALID", message, field=f"limits.{name}", errors=dict(faults))


@dataclass(frozen=True, slots=True)
class OwnLimit:
    """One limit a version may set: the portfolio's field of the same name is its cap."""

    name: str
    label: str
    rule: str
    unit: str
    is_whole: bool = False

    def text(self, value: float) -> str:
        """Write a value with its unit, the way its error sentences do."""
        if self.unit == "ratio":
            return f"{share_text(value)} of equity"
        return f"{value:,.0f}" if self.is_whole else f"{value:,.2f}"


OWN_LIMITS = (
    OwnLimit("max_position_weight", LIMITS["max_position_weight"], "MAX_POSITION_WEIGHT", "ratio"),
    OwnLimit("max_gross_exposure", LIMITS["max_gross_exposure"], "MAX_GROSS_EXPOSURE", "ratio"),
    OwnLimit("max_daily_loss_ratio", LIMITS["max_daily_loss_ratio"], "DAILY_LOSS", "ratio"),
    OwnLimit("max_order_notional", LIMITS["max_order_notional"], "MAX_NOTIONAL", "money"),
    OwnLimit(
        "max_open_orders", LIMITS["max_open_orders"], "MAX_OPEN_ORDERS", "count", is_whole=True
    ),
    OwnLimit(
        "max_orders_per_minute", LIMITS["max_orders_per_minute"], "MAX_ORDERS_PER_MINUTE", "count",
        is_whole=True,
    ),
)  # fmt: skip
SIZE_LIMITS = tuple(field.name for field in fields(EngineLimits))


def limits_read(given: Mapping[str, Any], account: RiskLimits) -> dict[str, float]:
    """Check own limits against the portfolio's; empty ones are left to the portfolio.

    Raises OwnLimitInvalid with a sentence for every one at fault.
    """
    known = {limit.name: limit for limit in OWN_LIMITS}
    faults: dict[str, str] = {}
    read: dict[str, float] = {}
    for name, value in given.items():
        if name not in known:
            faults[name] = f"limit {str(name)[:40]!r} is unknown; there are {', '.join(known)}"
        elif value not in (None, ""):
            try:
                read[name] = _checked(known[name], value, float(getattr(account, name)))
            except _Fault as fault:
                faults[name] = str(fault)
    if faults:
        raise OwnLimitInvalid(faults)
    return read


def tightened(account: RiskLimits, name: str, own: OwnLimits) -> float:
    """Return the limit that holds: the portfolio's, or the strategy's where that is tighter."""
    return min(float(getattr(account, name)), own.get(name, math.inf))


def engine_limits(own: OwnLimits) -> EngineLimits:
    """Return the limits that the engine's step cuts to, in a backtest and live alike."""
    return EngineLimits(**{name: own[name] for name in SIZE_LIMITS if name in own})


def owned(
    results: list[risk.RuleResult], account: RiskLimits, own: OwnLimits
) -> list[risk.RuleResult]:
    """Say of a rule that refused or warns by the strategy's own limit whose limit that is."""
    mine = {
        limit.rule
        for limit in OWN_LIMITS
        if limit.name in own and own[limit.name] < float(getattr(account, limit.name))
    }
    return [
        replace(result, sentence=f"{result.sentence}, {BY_ITSELF}")
        if result.rule in mine and result.status is not RuleStatus.PASS
        else result
        for result in results
    ]


class _Fault(ValueError):
    """One limit cannot be taken; the text is for the person."""


def _checked(limit: OwnLimit, value: Any, cap: float) -> float:
    number = _number(limit, value)
    if limit.is_whole and number != int(number):
        raise _Fault(f"{limit.label} {number:g} must be a whole number")
    if number <= 0 or number > cap:
        raise _Fault(
            f"{limit.label} {limit.text(number)} must be above 0 and at most "
            f"{limit.text(cap)}, the portfolio’s limit"
        )
    return number


def _number(limit: OwnLimit, value: Any) -> float:
    if isinstance(value, bool):
        raise _Fault(f"{limit.label} must be a number, not true or false")
    try:
        number = float(value if isinstance(value, int | float | Decimal) else parse_decimal(value))
    except (NumberNotUnderstood, TypeError, ValueError, AttributeError):
        raise _Fault(f"{limit.label} {str(value)[:40]!r} is not a number") from None
    if not math.isfinite(number):
        raise _Fault(f"{limit.label} {str(value)[:40]!r} is not a finite number")
    return number
