"""The socket on the real channel layer and the real database."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.cached_db import SessionStore
from django.db import connections
from django.test import RequestFactory

from marketdata import broadcast, services
from marketdata.consumers import StreamConsumer
from marketdata.management.commands.stream_marketdata import Streamer
from marketdata.models import ReplaySession
from marketdata.streaming import protocol
from marketdata.tests.factories import NOW, market_make, user_make

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = dt.timedelta(seconds=1)
# What a busy machine may take; only a failure waits for its end.
PATIENCE_SECONDS = 60


class Page:
    """A browser page's end of the socket."""

    def __init__(self, user: Any, session: Any = None, consumer: Any = StreamConsumer) -> None:
        scope = {"type": "websocket", "path": "/ws/stream/", "user": user, "session": session}
        self.wire = ApplicationCommunicator(consumer.as_asgi(), scope)

    async def __aenter__(self) -> Page:
        await self.wire.send_input({"type": "websocket.connect"})
        accepted = await self.wire.receive_output(timeout=PATIENCE_SECONDS)
        assert accepted["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.wire.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wire.wait(timeout=PATIENCE_SECONDS)

    async def ask(self, **frame: Any) -> None:
        await self.say(json.dumps(frame))

    async def say(self, text: str) -> None:
        await self.wire.send_input({"type": "websocket.receive", "text": text})

    async def hear(self, *kinds: str) -> dict[str, Any]:
        """Next message of one of these kinds; heartbeats are passed over unless asked for."""
        while True:
            message = json.loads((await self.wire.receive_output(timeout=PATIENCE_SECONDS))["text"])
            if message["kind"] in kinds or (not kinds and message["kind"] != "heartbeat"):
                return message

    async def closed(self) -> int:
        while True:
            output = await self.wire.receive_output(timeout=PATIENCE_SECONDS)
            if output["type"] == "websocket.close":
                return int(output["code"])


@pytest.fixture(autouse=True)
async def _threads_leave_the_database() -> AsyncIterator[None]:
    """Close what the socket's database thread holds open: PostgreSQL drops no database in use."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def person() -> Any:
    market_make()
    user = user_make()
    services.replay_open(user=user, episode="sp500-2008", now=NOW)
    return user


async def step(now: dt.datetime) -> None:
    """One turn of the streamer."""
    streamer = Streamer()

    def turn() -> list[Any]:
        return [(s.session.key, streamer._feeds.message_of(s)) for s in streamer.turn(now)]

    await broadcast.steps_publish(await sync_to_async(turn)())


async def test_a_stranger_is_told_to_sign_in_and_not_to_come_back() -> None:
    async with Page(AnonymousUser()) as page:
        assert (await page.hear("error"))["data"]["code"] == "SIGNED_OUT"
        assert await page.closed() == 4401


async def test_a_bars_channel_starts_with_a_snapshot_that_ends_at_the_cursor(person: Any) -> None:
    async with Page(person) as page:
        await page.ask(sub=[{"ch": "bars:SPX:1d", "since": None}])
        message = await page.hear("snapshot")

    row = await ReplaySession.objects.aget()
    assert (message["v"], message["ch"], message["seq"]) == (1, "bars:SPX:1d", 1)
    assert message["data"]["bars"][-1]["closed_at"] == row.cursor_at.isoformat().replace(
        "+00:00", "Z"
    )


async def test_closed_bars_arrive_as_events_in_sequence_with_the_forming_open(person: Any) -> None:
    async with Page(person) as page:
        await page.ask(sub=[{"ch": "bars:SPX:1d"}])
        await page.hear("snapshot")
        await step(NOW + SECOND)
        closed, forming = await page.hear("event"), await page.hear("delta")
        await step(NOW + 2 * SECOND)
        following = await page.hear("event")

    assert [m["seq"] for m in (closed, forming, following)] == [2, 3, 4]
    assert set(closed["data"]["bar"]) == {"closed_at", "open", "high", "low", "close", "volume"}
    assert forming["data"]["bar"]["is_forming"] is True
    assert "close" not in forming["data"]["bar"]
    assert following["data"]["bar"]["open"] == forming["data"]["bar"]["open"]


async def test_a_missing_step_is_noticed_and_a_new_snapshot_heals_it(person: Any) -> None:
    async with Page(person) as page:
        await page.ask(sub=[{"ch": "bars:SPX:1d"}])
        await page.hear("snapshot")
        session = await ReplaySession.objects.select_related("lead").aget()
        await sync_to_async(services.replay_advance)(session=session, now=NOW + SECOND)  # unsent
        await step(NOW + 2 * SECOND)
        assert (await page.hear())["kind"] == "resync"
        await page.ask(sub=[{"ch": "bars:SPX:1d"}])
        snapshot = await page.hear("snapshot")
        await step(NOW + 3 * SECOND)
        event = await page.hear("event")

    assert event["seq"] == snapshot["seq"] + 1
    assert event["data"]["bar"]["closed_at"] > snapshot["data"]["bars"][-1]["closed_at"]


async def test_a_restart_of_the_replay_resyncs_its_bars(person: Any) -> None:
    async with Page(person) as page:
        await page.ask(sub=[{"ch": "bars:SPX:1d"}])
        await page.hear("snapshot")
        session = await ReplaySession.objects.aget()
        await sync_to_async(services.replay_restart)(session=session, now=NOW)

        assert (await page.hear())["kind"] == "resync"


async def test_the_clock_tells_pause_and_speed(person: Any) -> None:
    async with Page(person) as page:
        await page.ask(sub=[{"ch": "clock"}])
        assert (await page.hear("snapshot"))["data"]["state"] == "RUNNING"
        session = await ReplaySession.objects.aget()
        await sync_to_async(services.replay_set_speed)(session=session, speed=300, now=NOW)
        assert (await page.hear("delta"))["data"]["speed"] == 300
        await sync_to_async(services.replay_pause)(session=session, now=NOW)
        assert (await page.hear("delta"))["data"]["state"] == "PAUSED"


async def test_one_person_never_hears_another_persons_market(person: Any) -> None:
    stranger = await sync_to_async(user_make)()
    await sync_to_async(services.replay_open)(user=stranger, episode="sp500-2008", now=NOW + SECOND)
    async with Page(stranger) as page:
        await page.ask(sub=[{"ch": "bars:SPX:1d"}, {"ch": "clock"}])
        await page.hear("snapshot")
        await page.hear("snapshot")
        await step(NOW + SECOND)  # only the first person's replay is due
        mine = await ReplaySession.objects.aget(user=stranger)
        await sync_to_async(services.replay_set_speed)(session=mine, speed=300, now=NOW)

        # What is told later is heard next: nothing came between.
        message = await page.hear()
        assert (message["ch"], message["data"]["speed"]) == ("clock", 300)


@pytest.mark.parametrize(
    "ch", ["bars:NOPE:1d", "bars:SPX:1h", "bars:SPX", "bars:SPX:1d:x", "orders", "x:y"]
)
async def test_an_unknown_channel_is_an_error_and_the_socket_stays(person: Any, ch: str) -> None:
    async with Page(person) as page:
        await page.ask(sub=[{"ch": ch}])
        message = await page.hear("error")
        await page.ask(ping=1)
        await page.hear("heartbeat")

    assert (message["ch"], message["data"]["code"]) == (ch, "FORBIDDEN")


async def test_unsubscribing_silences_a_channel(person: Any) -> None:
    async with Page(person) as page:
        await page.ask(sub=[{"ch": "bars:SPX:1d"}, {"ch": "clock"}])
        await page.hear("snapshot")
        await page.hear("snapshot")
        await page.ask(unsub=["bars:SPX:1d"])
        await page.ask(ping=1)
        await page.hear("heartbeat")
        await step(NOW + SECOND)

        # The same step moves the clock, which is told after the bars.
        assert (await page.hear())["ch"] == "clock"


async def test_a_frame_that_is_not_json_is_named_and_closes_the_socket(person: Any) -> None:
    async with Page(person) as page:
        await page.say("{")

        assert (await page.hear("error"))["data"]["code"] == "BAD_JSON"
        assert await page.closed() == 4400


async def test_the_fourth_fault_of_a_minute_closes_for_good(person: Any) -> None:
    async with Page(person) as page:
        for _ in range(4):
            await page.ask(nonsense=1)

        assert await page.closed() == 4429


async def test_too_many_frames_in_a_second_close_for_good(person: Any) -> None:
    async with Page(person) as page:
        # Many more, so that the socket reads too many in some second however slow it begins.
        for _ in range(10 * protocol.MAX_FRAMES_PER_SECOND):
            await page.ask(ping=1)

        assert await page.closed() == 4429


class FullSocket(StreamConsumer):
    """A socket whose other end stopped reading: its buffer takes nothing any more."""

    async def send(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.Event().wait()


async def test_a_client_that_stopped_reading_is_closed_when_too_much_waits(
    person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_QUEUED_EVENTS", 3)
    async with Page(person, consumer=FullSocket) as page:
        await page.ask(sub=[{"ch": "bars:SPX:1d"}])
        for symbol in ("NASDAQ", "AAPL", "JPM", "XOM"):
            await page.ask(sub=[{"ch": f"bars:{symbol}:1d"}])

        assert await page.closed() == 4013


async def test_a_client_that_does_not_take_one_message_in_time_is_closed(
    person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "SEND_SECONDS_MAX", 0.05)
    async with Page(person, consumer=FullSocket) as page:
        assert await page.closed() == 4013


async def test_signing_out_closes_the_socket(person: Any) -> None:
    request = RequestFactory().get("/")
    request.session = SessionStore()

    def sign_in() -> None:
        login(request, person, backend="django.contrib.auth.backends.ModelBackend")
        request.session.save()

    await sync_to_async(sign_in)()
    async with Page(person, request.session) as page:
        await page.ask(ping=1)
        await page.hear("heartbeat")
        await sync_to_async(logout)(request)
        await sync_to_async(broadcast.sessions_recheck)(user_id=person.pk)

        assert await page.closed() == 4401


async def test_the_sixth_socket_sends_the_oldest_away(person: Any) -> None:
    pages = [Page(person) for _ in range(6)]
    for page in pages:
        await page.__aenter__()
        await page.ask(ping=1)
        await page.hear("heartbeat")
        await page.ask(sub=[{"ch": "clock"}])
        await page.hear("snapshot")

    assert await pages[0].closed() == 4429
    for page in pages[1:]:
        await page.ask(ping=1)
        await page.hear("heartbeat")
        await page.__aexit__()
