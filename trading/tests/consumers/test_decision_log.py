"""A decision on its way to an open page: told by the socket, fetched as a part, shown once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client

from marketdata.tests.test_consumers import Page
from trading.consumers import TradingStreamConsumer
from trading.models import Deployment
from trading.tests.factories import DAY, FIRST_CLOSE, instrument_make
from trading.tests.services.test_runner import deploy, play
from trading.tests.views.pages import address

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _threads_leave_the_database() -> AsyncIterator[None]:
    """Close what the socket's database thread holds open: PostgreSQL drops no database in use."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def deployment() -> Deployment:
    lead = instrument_make("TAPE", [100.0 + k for k in range(9)], asset_class="CRYPTO")
    return deploy(lead, "sma_cross", {"fast": 2, "slow": 3}, start_at=FIRST_CLOSE)


@sync_to_async
def log_of(deployment: Deployment) -> str:
    """What the page fetches when it hears of a decision."""
    client = Client()
    client.force_login(deployment.portfolio.user)
    path = address(deployment.version, "decisions/")
    return client.get(path, headers={"hx-request": "true"}).content.decode()


async def decided(page: Page) -> dict[str, Any]:
    """The next decision that the socket tells."""
    while True:
        message = await page.hear("event")
        if message["data"]["event"] == "decision":
            return message


async def test_a_decision_is_told_and_its_part_shows_it_once_also_after_a_new_connection(
    deployment: Deployment,
) -> None:
    user = deployment.portfolio.user
    async with Page(user, consumer=TradingStreamConsumer) as page:
        await page.ask(sub=[{"ch": "portfolio"}])
        await page.hear("snapshot")
        await sync_to_async(play)(deployment.portfolio, FIRST_CLOSE + 1 * DAY)
        first = await decided(page)
        shown = await log_of(deployment)
    # Told while nobody listened.
    await sync_to_async(play)(deployment.portfolio, FIRST_CLOSE + 2 * DAY)
    async with Page(user, consumer=TradingStreamConsumer) as page:
        await page.ask(sub=[{"ch": "portfolio"}])
        await page.hear("snapshot")
        caught_up = await log_of(deployment)
        await sync_to_async(play)(deployment.portfolio, FIRST_CLOSE + 3 * DAY)
        third = await decided(page)
        at_last = await log_of(deployment)

    assert shown.count(f"/decisions/{first['data']['id']}/") == 1
    assert [text.count('id="decision-') for text in (shown, caught_up, at_last)] == [1, 2, 3]
    assert at_last.count(f"/decisions/{third['data']['id']}/") == 1
