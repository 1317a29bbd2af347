"""Who of the staff may do what: one rule for staff pages, REST and buttons."""

from __future__ import annotations

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings

from accounts.models import User
from elson.common.errors import Forbidden


def lacks_second_factor(user: User) -> bool:
    """Tell whether the settings ask staff for a second factor that this person has not set up."""
    return bool(settings.STAFF_NEEDS_SECOND_FACTOR and not is_mfa_enabled(user))


def staff_may(user: User, permission: str) -> bool:
    """Tell whether this is staff with the permission, and with the second factor asked for."""
    return user.is_staff and user.has_perm(permission) and not lacks_second_factor(user)


def staff_check(user: User, permission: str, what: str) -> None:
    """Raise Forbidden, naming what is missing, for everybody who may not do this as staff."""
    if not (user.is_staff and user.has_perm(permission)):
        raise Forbidden("NOT_ALLOWED", f"Only staff with {permission} may {what}.")
    if lacks_second_factor(user):
        raise Forbidden(
            "SECOND_FACTOR_MISSING",
            f"Only staff with a second factor may {what}: set one up first.",
        )
