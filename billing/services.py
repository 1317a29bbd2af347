"""What payments change: the plan somebody is on, and with it what they may do."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction

from accounts.entitlements import FREE
from accounts.models import User
from accounts.services import entitlement_grant, entitlement_revoke
from billing.models import PaymentEvent, Plan, Provider, Subscription
from billing.selectors import plan_get, plan_list
from elson.common.errors import Conflict, DomainError


class NoSubscription(Conflict):
    """There is nothing to change or cancel."""


class EventInvalid(DomainError):
    """A payment event without the fields that make it one."""


@transaction.atomic
def subscription_activate(
    *,
    user: User,
    plan_key: str,
    provider: str = Provider.STAFF,
    provider_subscription_id: str = "",
    paid_until: dt.datetime | None = None,
    reason: str,
) -> Subscription:
    """Put the user on a plan and give what it includes until `paid_until`.

    The same call again changes nothing; an earlier subscription of the user is taken over. Locks
    the user's row, so that two events of one user are applied one after the other. Raises NotFound.
    """
    plan = plan_get(plan_key)
    User.objects.select_for_update().get(pk=user.pk)
    wanted = {
        "plan": plan,
        "provider": provider,
        "provider_subscription_id": provider_subscription_id,
        "status": Subscription.Status.ACTIVE,
        "paid_until": paid_until,
        "is_cancel_at_period_end": False,
    }
    subscription = Subscription.objects.filter(user=user).first() or Subscription(user=user)
    if _is_different(subscription, wanted):
        _save(subscription, wanted, reason)
    _entitlements_write(user, plan, paid_until)
    return subscription


@transaction.atomic
def subscription_change(*, user: User, plan_key: str, reason: str) -> Subscription:
    """Move a running subscription to another plan; to the same plan is no change.

    Raises NoSubscription, NotFound.
    """
    plan = plan_get(plan_key)
    subscription = _locked(user)
    if subscription.plan_id != plan.pk:
        _save(subscription, {"plan": plan}, reason)
    _entitlements_write(user, plan, subscription.paid_until)
    return subscription


@transaction.atomic
def subscription_cancel(
    *, user: User, is_at_period_end: bool = True, reason: str, now: dt.datetime
) -> Subscription:
    """End a subscription: what is paid stays usable until it runs out, unless told otherwise.

    A second call returns the same. Raises NoSubscription for who never had one.
    """
    subscription = _locked(user, is_ended_allowed=True)
    if subscription.status == Subscription.Status.CANCELED:
        return subscription
    has_paid_time = subscription.paid_until is not None and subscription.paid_until > now
    if is_at_period_end and has_paid_time:
        if not subscription.is_cancel_at_period_end:
            _save(subscription, {"is_cancel_at_period_end": True}, reason)
        return subscription
    _save(
        subscription,
        {"status": Subscription.Status.CANCELED, "is_cancel_at_period_end": False},
        reason,
    )
    _entitlements_take_back(user)
    return subscription


def payment_event_take_in(
    *,
    provider: str,
    event_id: str,
    event_type: str,
    payload: dict[str, Any],
    occurred_at: dt.datetime | None = None,
) -> tuple[PaymentEvent, bool]:
    """Store one verified event of a provider once; return it and whether it is new.

    Sixteen deliveries at once leave one row: the database decides, not a look before.
    Raises EventInvalid.
    """
    if provider not in Provider.values or not event_id or len(event_id) > 160:
        raise EventInvalid(
            "EVENT_INVALID", f"event {event_id[:80]!r} of {provider[:20]!r} cannot be stored"
        )
    try:
        with transaction.atomic():
            event = PaymentEvent.objects.create(
                provider=provider,
                event_id=event_id,
                event_type=event_type[:80],
                payload=payload,
                occurred_at=occurred_at,
            )
    except IntegrityError:
        return PaymentEvent.objects.get(provider=provider, event_id=event_id), False
    return event, True


def _locked(user: User, *, is_ended_allowed: bool = False) -> Subscription:
    subscription = (
        Subscription.objects.select_for_update(of=("self",))
        .select_related("plan")
        .filter(user=user)
        .first()
    )
    ended = subscription and subscription.status == Subscription.Status.CANCELED
    if subscription is None or (ended and not is_ended_allowed):
        raise NoSubscription("NO_SUBSCRIPTION", f"{user.email} has no running subscription.")
    return subscription


def _is_different(subscription: Subscription, wanted: dict[str, Any]) -> bool:
    if subscription.pk is None:
        return True
    return any(getattr(subscription, name) != value for name, value in wanted.items())


def _save(subscription: Subscription, changed: dict[str, Any], reason: str) -> None:
    for name, value in changed.items():
        setattr(subscription, name, value)
    subscription.change_reason = reason[:200]
    vars(subscription)["_change_reason"] = reason[:100]  # what the history row says
    subscription.save()


def _entitlements_write(user: User, plan: Plan, expires_at: dt.datetime | None) -> None:
    _entitlements_take_back(user, but=plan.key)
    source = f"plan:{plan.key}"
    for key, value in plan.entitlements.items():
        if value > FREE[key]:
            entitlement_grant(user=user, key=key, value=value, source=source, expires_at=expires_at)


def _entitlements_take_back(user: User, *, but: str = "") -> None:
    for plan in plan_list():
        if plan.key != but:
            entitlement_revoke(user=user, source=f"plan:{plan.key}")
