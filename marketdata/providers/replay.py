"""Replay: which stretch of stored history is played, and how far a clock has carried it.

INPUT   closes of the lead instrument (its bars are the calendar), a speed, two readings of a clock
OUTPUT  how many bars are due; never a bar that the clock has not reached

Pure: the rows live in `ReplaySession`, the moves in `marketdata.services.replay`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from marketdata.providers.base import ProviderRejected
from marketdata.types import IntArray

SPEED_MIN = 1
SPEED_MAX = 600
# After a sleep of the machine or of the streamer the replay goes on from now: it never jumps by
# more than this many seconds of play.
CATCH_UP_SECONDS = 5
# Nobody watched for this long: the replay waits for the next visit.
UNSEEN_PAUSE = dt.timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Episode:
    """A documented stretch of history (docs/replay.md): where it starts and what happens in it."""

    key: str
    title: str
    lead: str
    starts_on: dt.date
    watch: tuple[str, ...]
    story: str
    timeframe: str = "1d"


# The one place to move a start. It names the first bar the user sees.
EPISODES: dict[str, Episode] = {
    episode.key: episode
    for episode in (
        Episode(
            "sp500-2008", "S&P 500 from September 2008", "SPX", dt.date(2008, 9, 2),
            ("SPX", "NASDAQ", "AAPL", "JPM", "XOM"),
            "Calm ends: Lehman falls on the tenth bar and volatility goes to its extreme.",
        ),
        Episode(
            "sp500-2011", "S&P 500 from July 2011", "SPX", dt.date(2011, 7, 18),
            ("SPX", "NASDAQ", "AAPL", "BAC", "GE"),
            "The debt-ceiling summer: two quiet weeks, then the downgrade of the United States.",
        ),
        Episode(
            "sp500-2015", "S&P 500 from August 2015", "SPX", dt.date(2015, 8, 3),
            ("SPX", "NASDAQ", "AAPL", "MSFT", "VLUE"),
            "China devalues; on August 24 the market opens five percent lower.",
        ),
        Episode(
            "sp500-2018", "S&P 500 from January 2018", "SPX", dt.date(2018, 1, 2),
            ("SPX", "NASDAQ", "MSFT", "MTUM", "USMV"),
            "The calmest January in decades, then the volatility shock of February 5.",
        ),
    )
}  # fmt: skip
DEFAULT_EPISODE = "sp500-2008"


def episode_named(key: str) -> Episode:
    """Return the episode; raises ProviderRejected listing the known keys."""
    try:
        return EPISODES[key]
    except KeyError as error:
        known = ", ".join(EPISODES)
        raise ProviderRejected(f"There is no episode {key!r}; known are {known}.") from error


@dataclass(frozen=True, slots=True)
class Due:
    """Bars that the clock has reached, and the reading that has been used up."""

    n_bars: int
    advanced_at: dt.datetime


def bars_due(*, advanced_at: dt.datetime, now: dt.datetime, speed: int) -> Due:
    """Count the bars due at `speed` bars a minute, keeping the rest of a started bar.

    A clock that went backward moves nothing. After a long silence at most `CATCH_UP_SECONDS` of
    play are caught up and the rest is forgotten.
    """
    elapsed = (now - advanced_at).total_seconds()
    n_bars = int(elapsed * speed / 60 + 1e-6)  # a bar is due on the microsecond, not after it
    if n_bars <= 0:
        return Due(0, advanced_at)
    n_max = max(1, CATCH_UP_SECONDS * speed // 60)
    if n_bars > n_max:
        return Due(n_max, now)
    return Due(n_bars, advanced_at + dt.timedelta(seconds=n_bars * 60 / speed))


def next_due_at(*, advanced_at: dt.datetime, speed: int) -> dt.datetime:
    """Wall time at which the next bar closes."""
    return advanced_at + dt.timedelta(seconds=60 / speed)


def cursor_index(lead_closed_at: IntArray, cursor_ns: int) -> int:
    """Index of the last lead bar that closed at or before the cursor; -1 before the first."""
    return int(np.searchsorted(lead_closed_at, cursor_ns, side="right")) - 1
