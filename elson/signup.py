"""Signing up: one transaction over every app, so all of it exists or none."""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from accounts.models import User
from accounts.services import user_signup


@transaction.atomic
def person_sign_up(*, user: User, time_zone: str = "UTC", now: dt.datetime) -> User:
    """Store the person with everything a first visit needs."""
    user_signup(user=user, time_zone=time_zone)
    return user
