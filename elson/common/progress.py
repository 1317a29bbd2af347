"""A progress bar for long commands: how far, how fast, how long still."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


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
        if now - self._drawn < 0.1 and share < 1:
            return
        self._drawn = now
        seconds = max(now - self._started, 1e-6)
        rate = n_done / seconds
        left = (self._total - n_done) / rate if rate > 0 else 0.0
        filled = round(24 * share)
        sys.stderr.write(
            f"\r\x1b[2K{self._label} {'█' * filled}{'░' * (24 - filled)} {n_done}/{self._total}"
            f" {rate:,.0f} {self._unit}/s, {left:.0f} s left"
        )
        sys.stderr.flush()
