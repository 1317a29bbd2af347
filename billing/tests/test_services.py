from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.entitlements import ENTITLEMENTS, FREE
from accounts.models import User
from accounts.selectors import entitlement_value
from billing.models import PaymentEvent, Plan, Provider, Subscription
from billing.selectors import plan_list, plan_of, plan_rows
from billing.services import (
    EventInvalid,
    NoSubscription,
    payment_event_take_in,
    subscription_activate,
    subscription_cancel,
    subscription_change,
)
from elson.common.errors import NotFound

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
IN_A_MONTH = NOW + dt.timedelta(days=30)


@pytest.fixture
def person(db):
    return User.objects.create_user("owner@example.com", "a long enough password")


def test_stored_plans_give_what_the_entitlement_table_says(db):
    stored = {plan.key: plan.entitlements for plan in plan_list()}

    assert stored == {
        "free": {item.key: item.free for item in ENTITLEMENTS},
        "plus": {item.key: item.plus for item in ENTITLEMENTS},
        "pro": {item.key: item.pro for item in ENTITLEMENTS},
    }


def test_plan_prices_are_proposals_until_staff_publishes_them(db):
    assert [
        (plan.key, int(plan.monthly_price), plan.is_price_proposed) for plan in plan_list()
    ] == [
        ("free", 0, False),
        ("plus", 15, True),
        ("pro", 39, True),
    ]


def test_plan_rows_compare_the_plans_in_order(db):
    row = next(row for row in plan_rows(plan_list()) if row.key == "strategies.running")

    assert row.values == (1, 5, 20)


def test_subscription_activate_gives_what_the_plan_includes(person):
    subscription_activate(user=person, plan_key="plus", paid_until=IN_A_MONTH, reason="paid")

    assert entitlement_value(person, "strategies.running", now=NOW) == 5
    assert plan_of(person, now=NOW).key == "plus"


def test_subscription_activate_twice_changes_nothing(person):
    for _ in range(2):
        subscription = subscription_activate(
            user=person, plan_key="pro", paid_until=IN_A_MONTH, reason="paid"
        )

    assert Subscription.objects.count() == 1
    assert subscription.history.count() == 1


def test_entitlements_end_with_the_paid_time_without_any_event(person):
    subscription_activate(user=person, plan_key="pro", paid_until=IN_A_MONTH, reason="paid")

    after = IN_A_MONTH + dt.timedelta(seconds=1)
    assert entitlement_value(person, "strategies.running", now=after) == FREE["strategies.running"]
    assert plan_of(person, now=after).key == "free"


def test_subscription_change_to_a_smaller_plan_takes_the_rest_back(person):
    subscription_activate(user=person, plan_key="pro", paid_until=IN_A_MONTH, reason="paid")

    subscription_change(user=person, plan_key="plus", reason="asked for it")

    assert entitlement_value(person, "strategies.running", now=NOW) == 5
    assert entitlement_value(person, "trading.live", now=NOW) == 0
    assert {row.source for row in person.entitlements.all()} == {"plan:plus"}


def test_subscription_change_leaves_what_staff_granted(person):
    person.entitlements.create(key="strategies.running", value=7, source="staff:goodwill")
    subscription_activate(user=person, plan_key="pro", reason="gift")

    subscription_cancel(user=person, is_at_period_end=False, reason="over", now=NOW)

    assert entitlement_value(person, "strategies.running", now=NOW) == 7


def test_subscription_change_without_a_subscription_is_refused(person):
    with pytest.raises(NoSubscription, match=r"owner@example\.com has no running subscription"):
        subscription_change(user=person, plan_key="plus", reason="asked")


def test_unknown_plan_is_refused_and_nothing_is_stored(person):
    with pytest.raises(NotFound, match="There is no plan gold"):
        subscription_activate(user=person, plan_key="gold", reason="typo")

    assert not Subscription.objects.exists()


def test_subscription_cancel_keeps_what_is_paid_until_its_end(person):
    subscription_activate(user=person, plan_key="pro", paid_until=IN_A_MONTH, reason="paid")

    for _ in range(2):
        subscription = subscription_cancel(user=person, reason="asked", now=NOW)

    assert subscription.is_cancel_at_period_end
    assert subscription.history.count() == 2
    assert entitlement_value(person, "trading.live", now=NOW) == 1


def test_subscription_cancel_at_once_takes_everything_back(person):
    subscription_activate(user=person, plan_key="pro", paid_until=IN_A_MONTH, reason="paid")

    subscription = subscription_cancel(
        user=person, is_at_period_end=False, reason="refund", now=NOW
    )

    assert subscription.status == Subscription.Status.CANCELED
    assert subscription.history.first().history_change_reason == "refund"
    assert not person.entitlements.exists()


def test_payment_event_is_taken_in_once(db):
    event = {"provider": Provider.STRIPE, "event_id": "evt_1", "event_type": "invoice.paid"}

    first = payment_event_take_in(**event, payload={"n": 1})
    second = payment_event_take_in(**event, payload={"n": 2})

    assert (first[1], second[1]) == (True, False)
    assert PaymentEvent.objects.get().payload == {"n": 1}


def test_payment_event_of_another_provider_may_have_the_same_id(db):
    for provider in (Provider.STRIPE, Provider.PAYPAL):
        payment_event_take_in(provider=provider, event_id="1", event_type="paid", payload={})

    assert PaymentEvent.objects.count() == 2


@pytest.mark.parametrize(
    ("provider", "event_id"), [("CASH", "1"), ("STRIPE", ""), ("STRIPE", "x" * 161)]
)
def test_payment_event_without_provider_or_id_is_refused(db, provider, event_id):
    with pytest.raises(EventInvalid):
        payment_event_take_in(provider=provider, event_id=event_id, event_type="paid", payload={})


@pytest.mark.django_db(transaction=True)
def test_payment_event_delivered_by_many_at_once_leaves_one_row():
    def deliver(_):
        try:
            return payment_event_take_in(
                provider=Provider.PAYPAL, event_id="same", event_type="paid", payload={}
            )[1]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        are_new = list(pool.map(deliver, range(16)))

    assert are_new.count(True) == 1
    assert PaymentEvent.objects.filter(event_id="same").count() == 1


def test_negative_price_is_refused_by_the_database(db):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        Plan.objects.filter(key="plus").update(monthly_price=-1)
