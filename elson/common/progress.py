"""Progress of long commands on a terminal: how far, how fast, how long still."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TextIO

WIDTH = 24
REDRAW_SECONDS = 0.1


class Bar:
    """Draws on a terminal at most ten times a second; says quarters in plain lines elsewhere."""

    def __init__(
        self, label: str, *, total: int, unit: str = "", say: Callable[[str], None] | None = None
    ) -> None:
        self._label = label
        self._total = max(total, 1)
        self._unit = unit
        self._say = say
        self._started = time.monotonic()
        self._drawn = 0.0
        self._quarter = 0

    def show(self, n_done: int) -> None:
        """Show that `n_done` of the total is behind us."""
        share = min(n_done / self._total, 1.0)
        if sys.stderr.isatty():
            self._draw(n_done, share)
        elif self._say and int(share * 4) > self._quarter:
            self._quarter = int(share * 4)
            self._say(f"{self._label}: {n_done}/{self._total}")

    def close(self) -> None:
        """Clear the line."""
        if sys.stderr.isatty() and self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def _draw(self, n_done: int, share: float) -> None:
        now = time.monotonic()
        if now - self._drawn < REDRAW_SECONDS and share < 1:
            return
        self._drawn = now
        seconds = max(now - self._started, 1e-6)
        rate = n_done / seconds
        left = (self._total - n_done) / rate if rate > 0 else 0.0
        filled = round(WIDTH * share)
        sys.stderr.write(
            f"\r\x1b[2K{self._label} {'█' * filled}{'░' * (WIDTH - filled)} {n_done}/{self._total}"
            f" {rate:,.0f} {self._unit}/s, {left:.0f} s left"
        )
        sys.stderr.flush()


class PhaseLine:
    """One line that tells the share, what is being done, rate and time left; on a terminal only.

    A context manager that clears its line; `total` counts what the rate is measured in.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        total: int,
        unit: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._total = total
        self._unit = unit
        self._is_shown = stream.isatty()
        self._clock = clock
        self._started = clock()
        self._drawn = -math.inf

    def __enter__(self) -> PhaseLine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def draw(self, share: float, text: str) -> None:
        """Draw the line anew, at most ten times a second; the start of a phase always."""
        now = self._clock()
        is_too_soon = share > 0.0 and now - self._drawn < REDRAW_SECONDS
        if not self._is_shown or is_too_soon:
            return
        self._drawn = now
        filled = round(WIDTH * share)
        line = f"{'█' * filled}{'░' * (WIDTH - filled)} {share:4.0%}  {text}"
        seconds = now - self._started
        if share > 0.0 and seconds > 0.5:
            rate = share * self._total / seconds
            shown = f"{rate:,.0f}" if rate >= 10.0 else f"{rate:.1f}"
            line += f"  {shown} {self._unit}/s  {seconds / share - seconds:.0f} s left"
        self._stream.write(f"\r\x1b[2K{line}")
        self._stream.flush()
