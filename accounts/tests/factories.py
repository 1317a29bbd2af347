"""People for tests of accounts."""

from __future__ import annotations

import itertools
from typing import Any

from allauth.account.models import EmailAddress

from accounts.models import Profile, User

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def person_make(*, is_verified: bool = True, **preferences: Any) -> User:
    """A person with a confirmed address and a profile, without a portfolio."""
    user = User.objects.create_user(f"person{next(_numbers)}@example.com", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=is_verified)
    Profile.objects.create(user=user, **preferences)
    return user
