"""The one WebSocket of a page: signs in, subscribes, numbers and forwards.

It holds no state of the business: who may hear what and what is said come from channel kinds, and
apps above add their kinds by subclassing. `/ws/stream/` is wired where all kinds are known.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from asgiref.sync import sync_to_async
from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from django.utils.module_loading import import_string

from elson.common.errors import DomainError
from marketdata import selectors, services
from marketdata.streaming import protocol
from marketdata.streaming.channels import BarsChannel, ChannelKind, ClockChannel, Opened
from marketdata.streaming.protocol import FrameRefused, Outbox, RateWindow, SlowConsumer
from marketdata.streaming.seats import seat_leave, seat_take

logger = structlog.get_logger(__name__)


class StreamConsumer(AsyncWebsocketConsumer):
    """One socket of one signed-in person."""

    kinds: ClassVar[Mapping[str, ChannelKind]] = {"bars": BarsChannel(), "clock": ClockChannel()}
    _tasks: list[asyncio.Task[None]]

    async def connect(self) -> None:
        """Take the socket of a signed-in person; tell others why not."""
        self._prepare()
        await self.accept()
        if not self.user.is_authenticated:
            await self._refuse("SIGNED_OUT", "Sign in to listen.", protocol.CLOSE_SIGNED_OUT)
            return
        await self.channel_layer.group_add(self._person_group, self.channel_name)
        self._tasks = [
            asyncio.create_task(self._guard(self._write())),
            asyncio.create_task(self._guard(self._watch())),
        ]

    def _prepare(self) -> None:
        self.user = self.scope["user"]
        self._seat = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        self._session_key = getattr(self.scope.get("session"), "session_key", None)
        self._person_group = f"person.{self.user.pk}"
        self._opened: dict[str, tuple[ChannelKind, Opened]] = {}
        self._groups: Counter[str] = Counter()
        self._outbox = Outbox()
        self._news = asyncio.Event()
        self._frames = RateWindow(protocol.MAX_FRAMES_PER_SECOND, 1.0)
        self._faults = RateWindow(protocol.MAX_FAULTS_PER_MINUTE, 60.0)
        self._tasks = []
        self._is_closing = False

    async def disconnect(self, code: int) -> None:
        """Leave every group; errors of a Redis that is away cannot matter any more."""
        self._is_closing = True
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        with contextlib.suppress(Exception):
            for group in [*self._groups, self._person_group]:
                await self.channel_layer.group_discard(group, self.channel_name)
        if self.user.is_authenticated:
            await sync_to_async(seat_leave, thread_sensitive=False)(
                user_id=self.user.pk, seat=self._seat
            )

    # --- from the client ------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Carry out one client frame, or say what is wrong with it."""
        if self._is_closing:
            return
        if not self._frames.hit(time.monotonic()):
            await self._refuse(
                "TOO_MANY_FRAMES",
                f"More than {protocol.MAX_FRAMES_PER_SECOND} frames in a second.",
                protocol.CLOSE_TOO_MANY,
            )
            return
        try:
            for request in protocol.parse_frame(text_data):
                await self._carry_out(request)
        except FrameRefused as error:
            await self._fault(error)

    async def _carry_out(self, request: protocol.Request) -> None:
        if isinstance(request, protocol.Ping):
            self._put("", "heartbeat", {})
        elif isinstance(request, protocol.Unsubscribe):
            await self._unsubscribe(request.ch)
        else:
            await self._subscribe(request)

    async def _subscribe(self, request: protocol.Subscribe) -> None:
        """Join the group first and read the snapshot then, so that nothing falls between."""
        ch = request.ch
        if ch not in self._opened and len(self._opened) >= protocol.MAX_SUBSCRIPTIONS:
            raise FrameRefused(
                "TOO_MANY", f"{protocol.MAX_SUBSCRIPTIONS} channels are open; close one first."
            )
        name, *arguments = ch.split(":")
        kind = self.kinds.get(name)
        if kind is None:
            self._put(ch, "error", _error("FORBIDDEN", f"There is no channel {ch!r}."))
            return
        try:
            group = await database_sync_to_async(kind.group)(
                user=self.user, ch=ch, arguments=arguments
            )
            await self._join(group)
            opened = await database_sync_to_async(kind.open)(
                user=self.user, ch=ch, arguments=arguments, since=request.since,
                now=timezone.now(),
            )  # fmt: skip
        except DomainError as error:
            # The same answer for what is unknown and what belongs to somebody else.
            code = error.code if error.status in (403, 429) else "FORBIDDEN"
            self._put(ch, "error", _error(code, error.message))
            return
        before = self._opened.pop(ch, None)
        self._opened[ch] = (kind, opened)
        if before is not None:
            await self._leave(before[1].group)
        self._put(ch, "snapshot", opened.snapshot)

    async def _unsubscribe(self, ch: str) -> None:
        found = self._opened.pop(ch, None)
        if found is not None:
            self._outbox.drop(ch)
            await self._leave(found[1].group)

    async def _join(self, group: str) -> None:
        self._groups[group] += 1
        if self._groups[group] == 1:
            await self.channel_layer.group_add(group, self.channel_name)

    async def _leave(self, group: str) -> None:
        self._groups[group] -= 1
        if self._groups[group] <= 0:
            del self._groups[group]
            await self.channel_layer.group_discard(group, self.channel_name)

    async def _fault(self, error: FrameRefused) -> None:
        """Answer the first faults of a minute; then the socket is not worth keeping."""
        if not self._faults.hit(time.monotonic()):
            await self._refuse(error.code, error.message, protocol.CLOSE_TOO_MANY)
        elif error.is_fatal:
            await self._refuse(error.code, error.message, protocol.CLOSE_BAD_FRAME)
        else:
            self._put("", "error", _error(error.code, error.message))

    # --- from publishers ------------------------------------------------------------------------

    async def replay_step(self, message: dict[str, Any]) -> None:
        """Forward a move of a replay."""
        self._forward(message)

    async def replay_clock(self, message: dict[str, Any]) -> None:
        """Forward a change of a replay's state."""
        self._forward(message)

    async def stream_event(self, message: dict[str, Any]) -> None:
        """Forward what another app published."""
        self._forward(message)

    async def person_recheck(self, message: dict[str, Any]) -> None:
        """Look at the session now: somebody signed out."""
        await self._check_session()

    async def person_seats(self, message: dict[str, Any]) -> None:
        """Give way when this is the oldest of too many sockets."""
        if self._seat in message["leave"]:
            await self._refuse(
                "TOO_MANY_SOCKETS",
                f"{protocol.MAX_SOCKETS_PER_USER} newer tabs are open; this one no longer listens.",
                protocol.CLOSE_TOO_MANY,
            )

    def _forward(self, message: dict[str, Any]) -> None:
        for ch, (kind, opened) in list(self._opened.items()):
            for frame in kind.frames(opened, message):
                self._put(ch, frame.kind, frame.data, slot=frame.slot)
                if frame.kind == "resync":
                    # Silence until the client asks again: what follows a hole would mislead.
                    self._opened.pop(ch, None)
                    self._groups[opened.group] -= 1
                    break

    # --- to the client --------------------------------------------------------------------------

    def _put(self, ch: str, kind: protocol.Kind, data: Any, *, slot: str = "") -> None:
        if self._is_closing:
            return
        try:
            self._outbox.put(ch, kind, data, slot=slot)
        except SlowConsumer:
            self._is_closing = True
            asyncio.get_running_loop().create_task(self._close_slow())
            return
        self._news.set()

    async def _write(self) -> None:
        """Write what waits: events at once, deltas four times a second, heartbeats."""
        flushed_at = beaten_at = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience(flushed_at, beaten_at)):
                    await self._news.wait()
            self._news.clear()
            moment = time.monotonic()
            is_flush = moment - flushed_at >= protocol.FLUSH_SECONDS
            messages = self._outbox.take(_now_text(), with_deltas=is_flush)
            if is_flush:
                flushed_at = moment
            if moment - beaten_at >= protocol.HEARTBEAT_SECONDS:
                beaten_at = moment
                messages.append(protocol.envelope(kind="heartbeat", ts=_now_text()))
            for message in messages:
                await self._send(message)

    def _patience(self, flushed_at: float, beaten_at: float) -> float:
        moment = time.monotonic()
        until_beat = protocol.HEARTBEAT_SECONDS - (moment - beaten_at)
        until_flush = protocol.FLUSH_SECONDS - (moment - flushed_at)
        wanted = min(until_beat, until_flush) if self._outbox.has_deltas else until_beat
        return max(wanted, 0.001)

    async def _send(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(protocol.SEND_SECONDS_MAX):
            await self.send(text_data=json.dumps(message, separators=(",", ":")))

    async def _guard(self, work: Any) -> None:
        """End the socket when its writer or watcher fails; tell a stalled reader to return."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except TimeoutError:
            await self._close_slow()
        except OSError:
            # The page is gone; Channels will say so as well.
            self._is_closing = True
        except Exception:
            logger.exception("stream_failed", user_id=self.user.pk)
            await self._close(1011)

    async def _refuse(self, code: str, message: str, close_code: int) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        frame = protocol.envelope(kind="error", ts=_now_text(), data=_error(code, message))
        with contextlib.suppress(OSError, RuntimeError):
            await self._send(frame)
        await self._close(close_code)

    async def _close_slow(self) -> None:
        logger.info("stream_slow", user_id=self.user.pk, waiting=len(self._outbox))
        await self._close(protocol.CLOSE_SLOW)

    async def _close(self, code: int) -> None:
        self._is_closing = True
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        with contextlib.suppress(OSError, RuntimeError):
            async with asyncio.timeout(2):
                await self.close(code=code)

    # --- once in a while ------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Renew the seat, note that somebody watches, and look whether they may still."""
        checked_at = time.monotonic()
        while True:
            await self._renew()
            await asyncio.sleep(protocol.HEARTBEAT_SECONDS * 2)
            if time.monotonic() - checked_at >= protocol.RECHECK_SECONDS:
                checked_at = time.monotonic()
                await self._check_session()

    async def _renew(self) -> None:
        leave = await sync_to_async(seat_take, thread_sensitive=False)(
            user_id=self.user.pk, seat=self._seat, now=timezone.now().timestamp()
        )
        if leave:
            await self.channel_layer.group_send(
                self._person_group, {"type": "person.seats", "leave": leave}
            )
        try:
            await database_sync_to_async(self._touch)()
        except (DatabaseError, DomainError) as error:
            logger.info("replay_not_touched", user_id=self.user.pk, error=str(error))

    def _touch(self) -> None:
        session = selectors.replay_get_for_user(self.user)
        if session is not None:
            services.replay_touch(session=session, now=timezone.now())

    async def _check_session(self) -> None:
        """Close when the session ended, the password changed or the person was locked out."""
        if not await self._may_stay():
            await self._refuse("SIGNED_OUT", "The session has ended.", protocol.CLOSE_SIGNED_OUT)

    async def _may_stay(self) -> bool:
        if self._session_key is None:
            return self.user.is_active
        sessions = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        store = sessions(session_key=self._session_key)
        user = await get_user({"session": store})
        return bool(user.is_authenticated and user.is_active and user.pk == self.user.pk)


def _error(code: str, message: str) -> dict[str, str]:
    return {"code": code, "detail": message}


def _now_text() -> str:
    return selectors.iso(timezone.now())
