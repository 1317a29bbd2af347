"""From a moved cursor to the message that says what became visible."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from marketdata import broadcast, selectors, serializers
from marketdata.services import ReplayStep

# How long a replay's list of instruments is trusted; a page that opens a symbol adds it.
REFRESH_SECONDS = 2.0


@dataclass(slots=True)
class _Feed:
    epoch: int
    read_at: float
    series: list[Any]


class Feeds:
    """Builds step messages; keeps each replay's series between steps."""

    def __init__(self) -> None:
        self._feeds: dict[int, _Feed] = {}

    def message_of(self, step: ReplayStep) -> dict[str, Any]:
        """Collect the bars that became visible with this step, of every series of the replay."""
        session = step.session
        after_ns = selectors.nanoseconds(step.from_at)
        until_ns = selectors.nanoseconds(session.cursor_at)
        bars: dict[str, list[dict[str, str]]] = {}
        last: dict[str, dict[str, str | None]] = {}
        forming: dict[str, dict[str, Any]] = {}
        for series in self._series_of(session):
            name = f"{series.instrument.symbol}:{series.timeframe}"
            columns = selectors.columns_between(series, after_ns, until_ns)
            rows = list(zip(*(column.tolist() for column in columns), strict=True))
            if rows:
                bars[name] = [serializers.bar_row(*row) for row in rows]
                last[name] = _change_of(series, rows)
            if series.timeframe == session.timeframe:
                following = selectors.next_open_get(series, until_ns)
                if following:
                    forming[name] = serializers.forming_row(*following)
        return broadcast.step_message(
            clock=selectors.replay_clock(session).as_dict(),
            n_from=session.sequence - step.n_bars,
            bars=bars,
            last=last,
            forming=forming,
        )

    def forget(self, running: set[int]) -> None:
        """Drop what belongs to replays that no longer run."""
        for session_id in set(self._feeds) - running:
            del self._feeds[session_id]

    def _series_of(self, session: Any) -> list[Any]:
        feed = self._feeds.get(session.pk)
        moment = time.monotonic()
        if feed is None or feed.epoch != session.epoch or moment - feed.read_at > REFRESH_SECONDS:
            instruments = selectors.replay_instruments(session)
            feed = _Feed(session.epoch, moment, selectors.series_list(instruments))
            self._feeds[session.pk] = feed
        return feed.series


def _change_of(series: Any, rows: list[tuple[Any, ...]]) -> dict[str, str | None]:
    """Change of the newest bar against the one before, as pages show it."""
    before = rows[-2][4] if len(rows) > 1 else selectors.close_before(series, rows[0][0])
    if before is None:
        return {"previous_close": None, "change": None, "simple_return": None}
    close = rows[-1][4]
    return {
        "previous_close": serializers.number(before),
        "change": serializers.number(close - before),
        "simple_return": serializers.number(close / before - 1.0),
    }
