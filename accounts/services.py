"""What happens to people: they sign up, say how they like to read, are granted things."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from accounts.entitlements import FREE
from accounts.models import Entitlement, NumberFormat, Profile, Theme, UpDown, User
from accounts.selectors import profile_get
from accounts.time_zones import time_zones
from elson.common.errors import Conflict, DomainError


class EmailTaken(Conflict):
    """Somebody else signs in with this address."""


class PreferenceInvalid(DomainError):
    """A preference has a value Elson does not know."""


class EntitlementUnknown(DomainError):
    """No plan knows this key."""


@dataclass(frozen=True)
class Preferences:
    """How a person likes to read Elson."""

    time_zone: str = "UTC"
    number_format: str = NumberFormat.EN_US.value
    theme: str = Theme.AUTO.value
    up_down: str = UpDown.DEFAULT.value


@transaction.atomic
def user_signup(*, user: User, time_zone: str = "UTC") -> Profile:
    """Store a new person with an unverified primary address and a profile.

    `user` is unsaved and has its password set (hashing is slow and belongs outside transactions).
    An unknown time zone becomes UTC. Raises EmailTaken.
    """
    user.email = user.email.lower()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken("EMAIL_TAKEN", f"{user.email} already signs in here.") from error
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    known = time_zone if time_zone in time_zones() else "UTC"
    return Profile.objects.create(user=user, time_zone=known)


@transaction.atomic
def preferences_update(*, user: User, preferences: Preferences) -> Profile:
    """Store how the person likes to read. Raises PreferenceInvalid and changes nothing."""
    _check(preferences)
    profile = profile_get(user)
    profile.time_zone = preferences.time_zone
    profile.number_format = preferences.number_format
    profile.theme = preferences.theme
    profile.up_down = preferences.up_down
    profile.save()
    return profile


@transaction.atomic
def profile_rename(*, user: User, display_name: str) -> Profile:
    """Change the name shown to the person; empty means the e-mail address is shown."""
    profile = profile_get(user)
    profile.display_name = display_name
    profile.save()
    return profile


def onboarding_finish(*, user: User, now: dt.datetime) -> None:
    """Remember that the person saw the onboarding page; a second call changes nothing."""
    Profile.objects.filter(user=user, onboarded_at__isnull=True).update(onboarded_at=now)


def checklist_dismiss(*, user: User, now: dt.datetime) -> None:
    """Put the checklist of the dashboard away for good; a second call changes nothing."""
    Profile.objects.filter(user=user, checklist_dismissed_at__isnull=True).update(
        checklist_dismissed_at=now
    )


@transaction.atomic
def checklist_step_finish(*, user: User, step: str) -> None:
    """Tick one step of the checklist; a second call changes nothing."""
    profile = Profile.objects.select_for_update().get(user=user)
    if step not in profile.checklist_steps:
        profile.checklist_steps = [*profile.checklist_steps, step]
        profile.save(update_fields=["checklist_steps", "updated_at"])


@transaction.atomic
def entitlement_grant(
    *, user: User, key: str, value: int = 1, source: str, expires_at: dt.datetime | None = None
) -> Entitlement:
    """Give the user `value` of `key`; the same source again replaces what it gave before.

    Raises EntitlementUnknown.
    """
    _check_key(key)
    granted, _ = Entitlement.objects.update_or_create(
        user=user, key=key, source=source, defaults={"value": value, "expires_at": expires_at}
    )
    return granted


@transaction.atomic
def entitlement_revoke(*, user: User, source: str, key: str | None = None) -> int:
    """Take back what a source gave, one key or all; return how many there were."""
    granted = Entitlement.objects.filter(user=user, source=source)
    if key is not None:
        _check_key(key)
        granted = granted.filter(key=key)
    rows = list(granted)
    for row in rows:  # one by one, so that the history records it
        row.delete()
    return len(rows)


def _check(preferences: Preferences) -> None:
    for field, value, allowed in (
        ("time_zone", preferences.time_zone, time_zones()),
        ("number_format", preferences.number_format, NumberFormat.values),
        ("theme", preferences.theme, Theme.values),
        ("up_down", preferences.up_down, UpDown.values),
    ):
        if value not in allowed:
            raise PreferenceInvalid(
                "PREFERENCE_INVALID", f"{field} {value[:64]!r} is not known to Elson.", field=field
            )


def _check_key(key: str) -> None:
    if key not in FREE:
        raise EntitlementUnknown(
            "ENTITLEMENT_UNKNOWN", f"Entitlement {key!r} is not one of {', '.join(FREE)}."
        )
