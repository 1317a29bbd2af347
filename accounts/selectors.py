"""What other parts of Elson read about a person."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q

from accounts.entitlements import FREE
from accounts.models import Entitlement, Profile, Theme, UpDown, User

# What templates and stylesheets call the presets (`<html data-updown>`).
UP_DOWN_CSS = {
    UpDown.DEFAULT: "default",
    UpDown.COLOR_BLIND_SAFE: "cb",
    UpDown.CLASSIC: "classic",
    UpDown.EAST_ASIA: "east-asia",
}


def profile_get(user: User) -> Profile:
    """Return how this user likes to read; unsaved defaults for one made without a profile."""
    try:
        return user.profile
    except Profile.DoesNotExist:
        return Profile(user=user)


def profile_css(profile: Profile) -> dict[str, str]:
    """Return the profile in the words of templates/base.html."""
    return {
        "theme": Theme(profile.theme).value.lower(),
        "updown": UP_DOWN_CSS[UpDown(profile.up_down)],
        "locale": profile.number_format,
        "time_zone": profile.time_zone,
    }


def user_get_by_email(email: str) -> User | None:
    """Return the person with this address, compared in lower case."""
    return User.objects.filter(email=email.lower()).first()


def entitlement_value(user: User, key: str, *, now: dt.datetime) -> int:
    """Return how much of `key` the user has: the best of the free plan and what was granted.

    Raises KeyError for a key no plan knows.
    """
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    granted = Entitlement.objects.filter(unexpired, user=user, key=key)
    return max([FREE[key], *granted.values_list("value", flat=True)])
