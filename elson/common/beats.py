"""Keep a process's sign of life going, in a thread or in an ASGI server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from elson.common.heartbeats import BEAT_SECONDS, heartbeat_beat, heartbeat_end
from elson.common.models import Component

logger = structlog.get_logger(__name__)


def beat_once(component: Component, detail: dict[str, Any] | None = None) -> None:
    """Write one beat; a database that is away is logged, never raised."""
    try:
        close_old_connections()
        now = timezone.now()  # noqa: TID251 - a beat is the clock
        heartbeat_beat(component=component, now=now, detail=detail or {})
    except DatabaseError as error:
        logger.warning("heartbeat_not_written", component=component.value, error=str(error))


def beat_last(component: Component) -> None:
    """Take the row away: a process that stopped on purpose is not a dead one."""
    with contextlib.suppress(DatabaseError):
        heartbeat_end(component=component)
    connection.close()


class HeartbeatThread(threading.Thread):
    """Beats every few seconds until stopped."""

    def __init__(self, component: Component) -> None:
        super().__init__(daemon=True, name=f"heartbeat-{component.value.lower()}")
        self._component = component
        self._stopped = threading.Event()

    def run(self) -> None:
        """Beat, wait, beat."""
        while not self._stopped.is_set():
            beat_once(self._component)
            self._stopped.wait(BEAT_SECONDS)
        beat_last(self._component)

    def stop(self) -> None:
        """Ask for the end; the thread says goodbye and ends."""
        self._stopped.set()


class HeartbeatLifespan:
    """ASGI lifespan application: beats from the server's start to its stop.

    `at_start` is called once by a server that serves, not where the module is only loaded.
    """

    def __init__(self, component: Component, at_start: Callable[[], None] = lambda: None) -> None:
        self._component = component
        self._at_start = at_start

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer the server's start and stop."""
        beats: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._at_start()
                beats = asyncio.create_task(self._beat())
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if beats:
                    beats.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await beats
                await sync_to_async(beat_last)(self._component)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _beat(self) -> None:
        while True:
            await sync_to_async(beat_once)(self._component)
            await asyncio.sleep(BEAT_SECONDS)
