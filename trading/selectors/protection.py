"""What protects a strategy's position at the market, as its page says it."""

from __future__ import annotations

from dataclasses import dataclass

from marketdata.selectors import instant
from trading.engine.strategies.tables import RESTING
from trading.engine.types import WORKING_STATUSES, OrderStatus
from trading.models import Deployment, Order

NOT_HELD = "Nothing is held. With the fill of an entry its stop and target are left at the market."
SOLD = "What it bought was sold by hand: nothing is left to protect."
STOPPED = "Stopped: nothing protects what it left."
CANCELED = "No order rests for the position. Stop and target are placed again {when}."
REFUSED = "An order could not rest: {reason}. Stop and target of this position are watched {when}."
REFUSALS = (OrderStatus.DENIED, OrderStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class ProtectionNow:
    """Orders that rest for a position, stop first; without any, `sentence` says why."""

    orders: list[Order]
    sentence: str
    is_refused: bool = False


def protection_now(deployment: Deployment) -> ProtectionNow | None:
    """Say what rests for a deployment; None where nothing is ever to rest, or no more."""
    if deployment.version.parameters.get("protection") != RESTING:
        return None
    nothing = _nothing_held(deployment)
    if deployment.status == Deployment.Status.STOPPED:
        return None if nothing else ProtectionNow([], STOPPED)
    if nothing:
        return ProtectionNow([], nothing)
    decides = deployment.decides
    if not deployment.state.get("rests_protection"):
        when = "at each close instead" if decides else "only when the strategy decides again"
        sentence = REFUSED.format(reason=_refusal(deployment), when=when)
        return ProtectionNow([], sentence, is_refused=True)
    when = "with the next decision" if decides else "when the strategy decides again"
    found = _resting(deployment)
    return ProtectionNow(found, "" if found else CANCELED.format(when=when))


def _nothing_held(deployment: Deployment) -> str:
    """Why there is nothing to protect; empty where there is."""
    if deployment.state.get("quantity"):
        return ""
    return SOLD if deployment.is_overruled else NOT_HELD


def _refusal(deployment: Deployment) -> str:
    """Reason of the last refusal since the position was opened."""
    refused = Order.objects.filter(
        deployment=deployment,
        status__in=REFUSALS,
        market_at__gte=instant(int(deployment.state.get("entry_at", 0))),
    ).exclude(protection="")
    last = refused.order_by("-pk").first()
    return last.reason if last else "the position was opened without one"


def _resting(deployment: Deployment) -> list[Order]:
    orders = Order.objects.filter(deployment=deployment, status__in=WORKING_STATUSES)
    found = orders.exclude(protection="").select_related("instrument")
    return sorted(found, key=lambda order: order.protection)
