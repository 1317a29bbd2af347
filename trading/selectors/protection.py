"""What protects a strategy's position at the market, as its page says it."""

from __future__ import annotations

from dataclasses import dataclass

from trading.engine.strategies.tables import RESTING
from trading.engine.types import WORKING_STATUSES, OrderStatus
from trading.models import Deployment, Order

NOT_HELD = "Nothing is held. With the fill of an entry its stop and target are left at the market."
CANCELED = "No order rests for the position. They are placed again with the next decision."
REFUSED = (
    "An order could not rest: {reason}. Stop and target of this position are watched at each "
    "close instead."
)


@dataclass(frozen=True, slots=True)
class ProtectionNow:
    """Orders that rest for a position, stop first; without any, `sentence` says why."""

    orders: list[Order]
    sentence: str
    is_refused: bool = False


def protection_now(deployment: Deployment) -> ProtectionNow | None:
    """Say what rests for a deployment; None where its parameters ask for nothing to rest."""
    if deployment.version.parameters.get("protection") != RESTING:
        return None
    if not deployment.state.get("quantity"):
        return ProtectionNow([], NOT_HELD)
    orders = Order.objects.filter(deployment=deployment).exclude(protection="")
    if not deployment.state.get("rests_protection"):
        refusals = (OrderStatus.DENIED, OrderStatus.REJECTED)
        last = orders.filter(status__in=refusals).order_by("-pk").first()
        reason = last.reason if last else "the position was opened without one"
        return ProtectionNow([], REFUSED.format(reason=reason), is_refused=True)
    working = orders.filter(status__in=WORKING_STATUSES).select_related("instrument")
    found = sorted(working, key=lambda order: order.protection)
    return ProtectionNow(found, "" if found else CANCELED)
