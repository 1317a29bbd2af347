"""`manage.py stream_marketdata`: moves replays by the clock and tells their sockets."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import time
from argparse import RawDescriptionHelpFormatter
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone

from elson.common.beats import HeartbeatThread
from elson.common.models import Component
from elson.common.wake import Waiter, wake
from marketdata import broadcast, selectors, services
from marketdata.providers.replay import next_due_at
from marketdata.streaming.feeds import Feeds

logger = structlog.get_logger(__name__)
# Moves that fall together are written together: one transaction for all of a turn.
TURN_SECONDS_MIN = 0.02
# New replays are found at the latest after this long, also when no nudge came.
IDLE_SECONDS = 1.0
RETRY_SECONDS = 0.5
EXAMPLES = """
example:
  manage.py stream_marketdata

It runs until SIGTERM or Ctrl-C and then finishes its turn. Several may run at once: a row is moved
by whoever is first.
"""


class Command(BaseCommand):
    """The market-data streamer of the production shape."""

    help = "Move every running replay by the clock and publish its bars."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the line breaks of the example."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter,
            **kwargs,
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Run turns until asked to stop."""
        streamer = Streamer()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, streamer.stop)
        beats = HeartbeatThread(Component.STREAMER)
        beats.start()
        try:
            streamer.run()
        finally:
            beats.stop()
            beats.join(timeout=5)


class Streamer:
    """Turns: who is due, move them, tell their sockets, wake the strategy runner."""

    def __init__(self) -> None:
        self._is_stopping = False
        self._feeds = Feeds()
        self.n_moves = 0

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Ask for the end of the loop; the turn under way is finished."""
        self._is_stopping = True

    def run(self) -> None:
        """Take turns until stopped; a database or Redis that is away is waited for."""
        with asyncio.Runner() as runner, Waiter(services.TOPIC_STREAMER) as waiter:
            while not self._is_stopping:
                try:
                    pause = self._turn(runner)
                except DatabaseError as error:
                    logger.warning("turn_failed", error=str(error))
                    close_old_connections()
                    pause = RETRY_SECONDS
                self._rest(waiter, pause)

    def turn(self, now: dt.datetime) -> list[services.ReplayStep]:
        """Move every replay that is due at `now`, all in one transaction; return the moves."""
        running = selectors.replay_running_list()
        self._feeds.forget({session.pk for session in running})
        due = [s for s in running if services.replay_is_due(session=s, now=now)]
        steps = []
        if due:
            with transaction.atomic():
                for session in due:
                    step = services.replay_advance(session=session, now=now)
                    if step is not None:
                        steps.append(step)
        self._next_at = min(
            (next_due_at(advanced_at=s.advanced_at, speed=s.speed) for s in running), default=None
        )
        return steps

    def _turn(self, runner: asyncio.Runner) -> float:
        steps = self.turn(timezone.now())
        if steps:
            self.n_moves += len(steps)
            wake(services.TOPIC_RUNNER)
            messages = [(step.session.key, self._feeds.message_of(step)) for step in steps]
            runner.run(broadcast.steps_publish(messages))
        if self._next_at is None:
            return IDLE_SECONDS
        left = (self._next_at - timezone.now()).total_seconds()
        return min(max(left, TURN_SECONDS_MIN), IDLE_SECONDS)

    def _rest(self, waiter: Waiter, seconds: float) -> None:
        """Wait in short pieces, so that a signal is heard while Redis holds us."""
        deadline = time.monotonic() + seconds
        while not self._is_stopping and (left := deadline - time.monotonic()) > 0:
            if waiter.wait(min(left, 0.5)):
                return
