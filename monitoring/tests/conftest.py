"""Who looks at the pages of models, and the market they look at."""

from __future__ import annotations

import pytest

from accounts.services import entitlement_grant
from monitoring import checks
from trading.tests.factories import FIRST_CLOSE, instrument_make, portfolio_make, user_make
from trading.tests.model_rows import DAY


@pytest.fixture(autouse=True)
def _looks_have_time(monkeypatch):
    """Let a busy machine finish its looks: one under way would be joined by the next test."""
    monkeypatch.setattr(checks, "CHECK_SECONDS", 60)


@pytest.fixture
def walk():
    return instrument_make("WALK", [100.0 + (i % 9) for i in range(400)])


@pytest.fixture
def member(client, walk):
    person = portfolio_make(user_make(), lead=walk, cursor_at=FIRST_CLOSE + 350 * DAY).user
    client.force_login(person)
    return client, person


@pytest.fixture
def plus(member):
    client, person = member
    entitlement_grant(user=person, key="models.detail", value=1, source="test")
    return client
