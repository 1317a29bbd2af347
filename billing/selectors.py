"""Plans, who is on which, and what the providers told."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from accounts.entitlements import ENTITLEMENTS
from accounts.models import User
from billing.models import Plan, Subscription
from elson.common.errors import NotFound


@dataclass(frozen=True)
class PlanRow:
    """One line of the comparison: what each plan gives of one thing."""

    key: str
    label: str
    values: tuple[int, ...]


def plan_list() -> list[Plan]:
    """Return the plans that can be seen, smallest first."""
    return list(Plan.objects.filter(is_public=True).order_by("rank"))


def plan_get(key: str) -> Plan:
    """Return one plan. Raises NotFound."""
    plan = Plan.objects.filter(key=key).first()
    if plan is None:
        raise NotFound("plan", key)
    return plan


def plan_rows(plans: list[Plan]) -> list[PlanRow]:
    """Compare plans, one row a thing, in the order things are sold."""
    return [
        PlanRow(item.key, item.label, tuple(plan.entitlements.get(item.key, 0) for plan in plans))
        for item in ENTITLEMENTS
    ]


def subscription_of(user: User) -> Subscription | None:
    """Return the user's subscription with its plan; None on the free plan without history."""
    return Subscription.objects.select_related("plan").filter(user=user).first()


def plan_of(user: User, *, now: dt.datetime) -> Plan:
    """Return the plan in force for the user at `now`."""
    subscription = subscription_of(user)
    if subscription is None or not subscription_is_in_force(subscription, now=now):
        return plan_get("free")
    return subscription.plan


def subscription_is_in_force(subscription: Subscription, *, now: dt.datetime) -> bool:
    """Tell whether it gives anything at `now`: paid time runs out even without a last event."""
    if subscription.status == Subscription.Status.CANCELED:
        return False
    return subscription.paid_until is None or subscription.paid_until > now
