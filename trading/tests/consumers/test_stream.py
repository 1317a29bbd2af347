"""The portfolio and backtest channels on the real channel layer and the real database."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction

from marketdata.tests.test_consumers import Page
from trading.broadcast import backtest_progress, study_progress
from trading.consumers import TradingStreamConsumer
from trading.models import Backtest, Portfolio, Study
from trading.services.fills import fill_record
from trading.services.orders import order_cancel, order_submit
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make, user_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _threads_leave_the_database() -> AsyncIterator[None]:
    """Close what the socket's database thread holds open: PostgreSQL drops no database in use."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def portfolio() -> Portfolio:
    return portfolio_make(lead=instrument_make("SPX", [100.0] * 5))


def page_of(user: Any) -> Page:
    return Page(user, consumer=TradingStreamConsumer)


@sync_to_async
def place(portfolio: Portfolio, key: str = "k", quantity: str = "10") -> Any:
    return order_submit(
        portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY", order_type="MARKET",
        quantity=quantity, client_order_id=key, now=NOW,
    )  # fmt: skip


async def opened(page: Page) -> dict[str, Any]:
    await page.ask(sub=[{"ch": "portfolio"}])
    return await page.hear("snapshot")


async def test_the_portfolio_channel_starts_with_the_numbers_of_the_page(
    portfolio: Portfolio,
) -> None:
    async with page_of(portfolio.user) as page:
        message = await opened(page)

    assert (message["v"], message["ch"], message["seq"]) == (1, "portfolio", 1)
    assert Decimal(message["data"]["equity"]) == 100_000
    assert message["data"]["points"] == []


async def test_orders_and_fills_arrive_as_events_in_sequence(portfolio: Portfolio) -> None:
    async with page_of(portfolio.user) as page:
        await opened(page)
        order = await place(portfolio)
        await sync_to_async(fill_record)(
            order=order, trade_id="t", quantity=Decimal(10), price=Decimal(100),
            filled_at=FIRST_CLOSE,
        )  # fmt: skip
        heard = [await page.hear("event") for _ in range(4)]

    assert [message["seq"] for message in heard] == [2, 3, 4, 5]
    assert [message["data"]["event"] for message in heard] == ["order", "fill", "position", "order"]
    assert heard[0]["data"]["status"] == "ACCEPTED"
    assert heard[1]["data"]["price"] == "100"
    assert Decimal(heard[2]["data"]["quantity"]) == 10
    assert heard[3]["data"]["status"] == "FILLED"


async def test_what_was_rolled_back_is_not_told(portfolio: Portfolio) -> None:
    @sync_to_async
    def placed_and_regretted() -> None:
        with transaction.atomic():
            order_submit(
                portfolio=portfolio, instrument=portfolio.replay.lead, side="BUY",
                order_type="MARKET", quantity="1", client_order_id="lost", now=NOW,
            )  # fmt: skip
            transaction.set_rollback(True)

    async with page_of(portfolio.user) as page:
        await opened(page)
        await placed_and_regretted()
        order = await place(portfolio, key="kept")
        message = await page.hear()

    assert message["data"]["id"] == str(order.uuid)
    assert message["seq"] == 2


async def test_a_hole_in_the_counter_asks_for_a_new_start(portfolio: Portfolio) -> None:
    async with page_of(portfolio.user) as page:
        await opened(page)
        await Portfolio.objects.filter(pk=portfolio.pk).aupdate(event_sequence=7)
        await place(portfolio)
        lost = await page.hear("resync", "event")
        again = await opened(page)

    assert (lost["kind"], lost["ch"]) == ("resync", "portfolio")
    assert Decimal(again["data"]["reserved_cash"]) > 0


async def test_nobody_hears_of_another_portfolio(portfolio: Portfolio) -> None:
    other = await sync_to_async(portfolio_make)()
    async with page_of(other.user) as page:
        await opened(page)
        order = await place(portfolio)
        await sync_to_async(order_cancel)(order=order)
        await page.ask(ping=1)
        message = await page.hear("event", "heartbeat")

    assert message["kind"] == "heartbeat"


async def test_a_person_without_a_portfolio_is_told_there_is_none() -> None:
    person = await sync_to_async(user_make)()
    async with page_of(person) as page:
        await page.ask(sub=[{"ch": "portfolio"}])
        message = await page.hear("error")

    assert (message["ch"], message["data"]["code"]) == ("portfolio", "FORBIDDEN")


@sync_to_async
def backtest_of(portfolio: Portfolio) -> Backtest:
    return Backtest.objects.create(
        user=portfolio.user, strategy_key="sma_cross", instrument=portfolio.replay.lead,
        timeframe="1d", parameters={}, cash=Decimal(100_000),
    )  # fmt: skip


async def test_an_own_backtest_tells_how_far_it_is(portfolio: Portfolio) -> None:
    backtest = await backtest_of(portfolio)

    @sync_to_async
    def progressed() -> None:
        with transaction.atomic():
            backtest_progress(backtest_id=backtest.pk, values={"phase": "RUN", "progress": 0.5})

    async with page_of(portfolio.user) as page:
        await page.ask(sub=[{"ch": f"backtest:{backtest.pk}"}])
        snapshot = await page.hear("snapshot")
        await progressed()
        delta = await page.hear("delta")

    assert snapshot["data"]["id"] == backtest.pk
    assert delta["data"] == {"phase": "RUN", "progress": 0.5}


async def test_a_foreign_backtest_is_refused_like_an_unknown_one(portfolio: Portfolio) -> None:
    backtest = await backtest_of(portfolio)
    stranger = await sync_to_async(user_make)()
    answers = []
    async with page_of(stranger) as page:
        for name in (str(backtest.pk), "999999", "x", "1:2"):
            await page.ask(sub=[{"ch": f"backtest:{name}"}])
            answers.append(await page.hear("error", "snapshot"))

    assert {answer["data"]["code"] for answer in answers} == {"FORBIDDEN"}
    texts = [a["data"]["detail"].replace(n, "ID") for a, n in
             zip(answers, (str(backtest.pk), "999999"), strict=False)]  # fmt: skip
    assert texts[0] == texts[1]


@sync_to_async
def study_of(portfolio: Portfolio) -> Study:
    return Study.objects.create(
        user=portfolio.user, strategy_key="sma_cross", instrument=portfolio.replay.lead,
        space={}, n_trials=10, end_date=dt.date(2020, 1, 1),
    )  # fmt: skip


async def test_an_own_study_tells_how_many_trials_are_done(portfolio: Portfolio) -> None:
    study = await study_of(portfolio)

    @sync_to_async
    def progressed() -> None:
        with transaction.atomic():
            study_progress(study_id=study.pk, values={"n_done": 4})

    async with page_of(portfolio.user) as page:
        await page.ask(sub=[{"ch": f"study:{study.pk}"}])
        snapshot = await page.hear("snapshot")
        await progressed()
        delta = await page.hear("delta")

    assert (snapshot["data"]["n_trials"], snapshot["data"]["n_done"]) == (10, 0)
    assert delta["data"] == {"n_done": 4}


async def test_a_foreign_study_is_refused(portfolio: Portfolio) -> None:
    study = await study_of(portfolio)
    stranger = await sync_to_async(user_make)()
    async with page_of(stranger) as page:
        await page.ask(sub=[{"ch": f"study:{study.pk}"}])
        message = await page.hear("error", "snapshot")

    assert message["data"]["code"] == "FORBIDDEN"
