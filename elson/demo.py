"""The demo person and, on a developer's machine, the member of staff."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db import transaction

from accounts.models import User
from accounts.selectors import user_get_by_email
from elson.serving.people import DEMO_EMAIL, STAFF_EMAIL
from elson.showcase import showcase_request
from elson.signup import person_sign_up


@dataclass(frozen=True)
class DemoMade:
    """Who was made, who was there already."""

    created: tuple[str, ...]
    kept: tuple[str, ...]


@transaction.atomic
def demo_create(*, demo_password: str, staff_password: str | None, now: dt.datetime) -> DemoMade:
    """Make the demo person with portfolio and running strategy, and staff when a password is given.

    A second call only sets the passwords right.
    """
    people = [User(email=DEMO_EMAIL, is_demo=True)]
    passwords = {DEMO_EMAIL: demo_password}
    if staff_password:
        people.append(User(email=STAFF_EMAIL, is_demo=True, is_staff=True, is_superuser=True))
        passwords[STAFF_EMAIL] = staff_password
    created: list[str] = []
    kept: list[str] = []
    for person in people:
        is_new = _person_make(person, passwords[person.email], now)
        (created if is_new else kept).append(person.email)
    showcase_request(user=User.objects.get(email=DEMO_EMAIL), now=now)
    return DemoMade(tuple(created), tuple(kept))


@transaction.atomic
def demo_reset(*, demo_password: str, now: dt.datetime) -> DemoMade:
    """Begin the demo afresh.

    Ledger, orders and fills are never deleted: the person of before is retired under another
    address, signed out for good, and a new one is made.
    """
    before = user_get_by_email(DEMO_EMAIL)
    if before:
        retired = f"demo-{now:%Y%m%d%H%M%S}-{before.pk}@retired.elson.local"
        EmailAddress.objects.filter(user=before).update(email=retired)
        before.email = retired
        before.is_active = False
        before.set_unusable_password()
        before.save()
    return demo_create(demo_password=demo_password, staff_password=None, now=now)


def _person_make(person: User, password: str, now: dt.datetime) -> bool:
    known = user_get_by_email(person.email)
    if known:
        if not known.check_password(password):
            known.set_password(password)
            known.save(update_fields=["password"])
        return False
    person.set_password(password)
    person_sign_up(user=person, now=now)
    # Nobody reads mail at elson.local; asking to confirm it would be noise on every page.
    EmailAddress.objects.filter(user=person).update(verified=True)
    return True
