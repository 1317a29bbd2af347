"""Who looks at the pages, and what is theirs; a file with other needs has its own."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client

from accounts.models import User
from accounts.services import entitlement_grant
from trading.models import Deployment, Portfolio, StrategyVersion
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.factories import (
    DAY,
    FIRST_CLOSE,
    NOW,
    instrument_make,
    portfolio_make,
    user_make,
)


@pytest.fixture
def owner() -> User:
    """A person whose plan allows as many runs as a test asks for."""
    person = user_make()
    entitlement_grant(user=person, key="backtests.at_once", value=100, source="test")
    entitlement_grant(user=person, key="backtests.per_day", value=100, source="test")
    return person


@pytest.fixture
def desk(client: Client, owner: User) -> Client:
    """The browser of the owner."""
    client.force_login(owner)
    return client


@pytest.fixture
def portfolio() -> Portfolio:
    """A portfolio on day 650 of a seeded walk."""
    rng = np.random.default_rng(3)
    closes = list(100 * np.exp(np.cumsum(rng.normal(0, 0.01, 700))))
    return portfolio_make(lead=instrument_make("SPX", closes), cursor_at=FIRST_CLOSE + 650 * DAY)


@pytest.fixture
def member(client: Client, portfolio: Portfolio) -> Client:
    """The browser of the portfolio's owner."""
    client.force_login(portfolio.user)
    return client


@pytest.fixture
def version(portfolio: Portfolio) -> StrategyVersion:
    """The first version of a strategy that adapts."""
    return strategy_create(user=portfolio.user, key="volatility_adaptive_trend", name="Trend")


@pytest.fixture
def deployment(portfolio: Portfolio, version: StrategyVersion) -> Deployment:
    """That version at work on the portfolio's instrument."""
    return deployment_start(
        version=version, portfolio=portfolio, instrument=portfolio.replay.lead, now=NOW
    )
