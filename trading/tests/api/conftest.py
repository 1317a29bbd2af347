"""Who asks: a person, signed in; a file with other needs has its own."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from trading.tests.factories import user_make


@pytest.fixture
def owner() -> User:
    """A person on the free plan."""
    return user_make()


@pytest.fixture
def desk(client: Client, owner: User) -> Client:
    """What the owner asks with."""
    client.force_login(owner)
    return client
