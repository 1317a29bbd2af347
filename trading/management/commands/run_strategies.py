"""`manage.py run_strategies`: works portfolios through their replayed bars."""

from __future__ import annotations

import signal
from argparse import RawDescriptionHelpFormatter
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from elson.common.beats import HeartbeatThread
from elson.common.models import Component
from elson.common.wake import Waiter
from marketdata.services import TOPIC_RUNNER
from trading.selectors.portfolios import portfolios_behind
from trading.services.runner import portfolio_advance

logger = structlog.get_logger(__name__)
# Rows say who is behind; a nudge only shortens the wait.
WAIT_SECONDS = 0.5
# One portfolio far behind must not keep the others waiting.
MAX_BARS_A_TURN = 50
EXAMPLES = """
example:
  manage.py run_strategies

It runs until SIGTERM or Ctrl-C and then finishes the bar under way. Several may run at once: a
portfolio is worked on under its row lock, and a bar is worked through once.
"""


class Command(BaseCommand):
    """The strategy runner of the production shape."""

    help = "Fill orders, decide and mark portfolios bar by bar."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the line breaks of the example."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter,
            **kwargs,
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Take turns until asked to stop."""
        runner = Runner()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, runner.stop)
        beats = HeartbeatThread(Component.RUNNER)
        beats.start()
        try:
            runner.run()
        finally:
            beats.stop()
            beats.join(timeout=5)


class Runner:
    """Turns: who is behind, work through their bars, wait for the next nudge."""

    def __init__(self) -> None:
        self._is_stopping = False
        self.n_bars = 0

    def stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Ask for the end; the bar under way is finished."""
        self._is_stopping = True

    def run(self) -> None:
        """Take turns until stopped; a database that is away is waited for."""
        with Waiter(TOPIC_RUNNER) as waiter:
            while not self._is_stopping:
                try:
                    n_bars = self.turn()
                except DatabaseError as error:
                    logger.warning("turn_failed", error=str(error))
                    close_old_connections()
                    n_bars = 0
                if not n_bars and not self._is_stopping:
                    waiter.wait(WAIT_SECONDS)

    def turn(self) -> int:
        """Work through the bars of every portfolio that is behind; return how many there were."""
        n_bars = 0
        for portfolio in portfolios_behind():
            if self._is_stopping:
                break
            if portfolio.replay is not None:
                n_bars += self._advance(portfolio.pk, portfolio.replay.cursor_at)
        self.n_bars += n_bars
        return n_bars

    def _advance(self, portfolio_id: int, until: Any) -> int:
        try:
            done = portfolio_advance(
                portfolio_id=portfolio_id,
                until=until,
                now=timezone.now(),
                max_bars=MAX_BARS_A_TURN,
                is_stopping=lambda: self._is_stopping,
            )
        except DatabaseError:
            raise
        except Exception:
            # One portfolio in trouble must not stop the others; the log says which and why.
            logger.exception("portfolio_failed", portfolio=portfolio_id)
            return 0
        return done.n_bars
