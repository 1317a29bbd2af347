"""Moving replays: opened, paused, resumed, restarted, and carried forward by the clock."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F

from elson.common.errors import Conflict, DomainError, TooMany, Unavailable
from elson.common.wake import wake
from marketdata import broadcast
from marketdata.models import Instrument, ReplaySession
from marketdata.providers.base import ProviderRejected
from marketdata.providers.replay import (
    SPEED_MAX,
    SPEED_MIN,
    UNSEEN_PAUSE,
    Episode,
    bars_due,
    cursor_index,
    episode_named,
)
from marketdata.selectors.bars import NoBars, closes_at
from marketdata.selectors.columns import instant, nanoseconds
from marketdata.selectors.instruments import UnknownSymbol, instrument_get, instrument_list
from marketdata.selectors.replay import replay_clock

if TYPE_CHECKING:
    from accounts.models import User

# Rows are the truth; these topics only shorten the wait of the process that looks at them.
TOPIC_STREAMER = "streamer"
TOPIC_RUNNER = "runner"
# A page that is open says so at most this often.
SEEN_EVERY = dt.timedelta(seconds=30)
MAX_INSTRUMENTS = 60
State = ReplaySession.State


class EpisodeUnknown(DomainError):
    """No episode has this key."""

    title = "Unknown episode"


class SpeedOutOfRange(DomainError):
    """The speed is outside what a replay can do."""

    title = "Speed out of range"


class ReplayDataMissing(Unavailable):
    """The bars of the episode are not stored."""

    title = "Replay data missing"


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One move of a cursor: bars after `from_at` up to `to_at` have become visible."""

    session: ReplaySession
    from_at: dt.datetime
    n_bars: int


@transaction.atomic
def replay_open(*, user: User, episode: str, now: dt.datetime, speed: int = 60) -> ReplaySession:
    """Start a replay at the first bar of the episode, running.

    Raises EpisodeUnknown, SpeedOutOfRange, and ReplayDataMissing when its bars are not imported.
    """
    chosen = _episode(episode)
    _check_speed(speed)
    lead, start_at = _first_bar(chosen)
    session = ReplaySession.objects.create(
        user=user, episode=chosen.key, lead=lead, timeframe=chosen.timeframe, starts_at=start_at,
        cursor_at=start_at, sequence=1, speed=speed, advanced_at=now, seen_at=now,
    )  # fmt: skip
    session.instruments.set(instrument_list(symbols=[*chosen.watch, chosen.lead]))
    transaction.on_commit(lambda: wake(TOPIC_STREAMER))
    return session


def replay_pause(*, session: ReplaySession, now: dt.datetime) -> ReplaySession:
    """Hold the cursor; pausing a paused replay is the same as once. Raises Conflict when ended."""
    return _change(session, now=now, state=State.PAUSED, is_auto_paused=False)


def replay_resume(*, session: ReplaySession, now: dt.datetime) -> ReplaySession:
    """Let the cursor move on from where it stands. Raises Conflict when ended."""
    return _change(session, now=now, state=State.RUNNING, is_auto_paused=False)


def replay_set_speed(*, session: ReplaySession, speed: int, now: dt.datetime) -> ReplaySession:
    """Set the bars a minute, 1 to 600; raises SpeedOutOfRange or Conflict when ended."""
    _check_speed(speed)
    return _change(session, now=now, speed=speed)


@transaction.atomic
def replay_restart(*, session: ReplaySession, now: dt.datetime, episode: str = "") -> ReplaySession:
    """Begin a new epoch at the first bar of the same or another episode.

    It only moves the market: what the portfolio did in the epoch before is the caller's to settle.
    """
    chosen = _episode(episode or session.episode)
    lead, start_at = _first_bar(chosen)
    row = ReplaySession.objects.select_for_update().get(pk=session.pk)
    row.episode, row.lead, row.timeframe = chosen.key, lead, chosen.timeframe
    row.starts_at = row.cursor_at = start_at
    row.sequence, row.epoch = 1, row.epoch + 1
    row.state, row.is_auto_paused = State.RUNNING, False
    row.advanced_at = row.seen_at = now
    row.save()
    row.instruments.set(instrument_list(symbols=[*chosen.watch, chosen.lead]))
    _tell(row)
    return row


def replay_watch(*, session: ReplaySession, symbol: str) -> None:
    """Add an instrument to those the replay plays; raises TooMany when it plays very many."""
    instrument = instrument_get(symbol)
    if session.instruments.filter(pk=instrument.pk).exists():
        return
    if session.instruments.count() >= MAX_INSTRUMENTS:
        raise TooMany(
            "TOO_MANY_SYMBOLS",
            f"The replay plays {MAX_INSTRUMENTS} symbols already; restart it to begin anew.",
            field="symbol",
        )
    session.instruments.add(instrument)


def replay_touch(*, session: ReplaySession, now: dt.datetime) -> bool:
    """Note that somebody is watching; resume what was paused because nobody did.

    Returns whether it resumed.
    """
    resumed = ReplaySession.objects.filter(
        pk=session.pk, state=State.PAUSED, is_auto_paused=True
    ).update(state=State.RUNNING, is_auto_paused=False, advanced_at=now, seen_at=now)
    if resumed:
        session.refresh_from_db()
        _tell(session)
        return True
    ReplaySession.objects.filter(pk=session.pk, seen_at__lt=now - SEEN_EVERY).update(seen_at=now)
    return False


def replay_is_due(*, session: ReplaySession, now: dt.datetime) -> bool:
    """Tell whether `replay_advance` would write anything; costs no query."""
    if now - session.seen_at > UNSEEN_PAUSE:
        return True
    return bars_due(advanced_at=session.advanced_at, now=now, speed=session.speed).n_bars > 0


def replay_advance(*, session: ReplaySession, now: dt.datetime) -> ReplayStep | None:
    """Move the cursor by the bars the clock has reached; None when there are none.

    1. nobody watched for two minutes: the replay pauses itself
    2. count the bars due since `advanced_at` (a long silence is forgotten, not caught up)
    3. move the cursor along the lead's bars, at most to their end, where the replay is ENDED
    4. write all of it only if nobody else moved this row meanwhile

    The cursor never moves back and never passes the clock. `session` is brought up to date.
    """
    if session.state != State.RUNNING:
        return None
    if now - session.seen_at > UNSEEN_PAUSE:
        _pause_unseen(session)
        return None
    due = bars_due(advanced_at=session.advanced_at, now=now, speed=session.speed)
    if due.n_bars == 0:
        return None
    calendar = closes_at(session.lead, session.timeframe)
    here = cursor_index(calendar, nanoseconds(session.cursor_at))
    there = min(here + due.n_bars, calendar.shape[0] - 1)
    from_at, n_bars = session.cursor_at, there - here
    moved = _move(
        session,
        cursor_at=instant(int(calendar[there])) if n_bars else session.cursor_at,
        n_bars=n_bars,
        advanced_at=due.advanced_at,
        is_end=there == calendar.shape[0] - 1,
    )
    return ReplayStep(session, from_at, n_bars) if moved else None


def _move(
    session: ReplaySession,
    *,
    cursor_at: dt.datetime,
    n_bars: int,
    advanced_at: dt.datetime,
    is_end: bool,
) -> bool:
    """Write the move if the row still stands where this process read it."""
    state = State.ENDED if is_end else State.RUNNING
    n_rows = ReplaySession.objects.filter(
        pk=session.pk, epoch=session.epoch, sequence=session.sequence, state=State.RUNNING,
        speed=session.speed, advanced_at=session.advanced_at,
    ).update(
        cursor_at=cursor_at, sequence=F("sequence") + n_bars, advanced_at=advanced_at, state=state
    )  # fmt: skip
    if not n_rows:
        return False
    session.cursor_at, session.advanced_at, session.state = cursor_at, advanced_at, state
    session.sequence += n_bars
    return True


def _pause_unseen(session: ReplaySession) -> None:
    n_rows = ReplaySession.objects.filter(
        pk=session.pk, state=State.RUNNING, seen_at=session.seen_at
    ).update(state=State.PAUSED, is_auto_paused=True)
    if n_rows:
        session.state, session.is_auto_paused = State.PAUSED, True
        _tell(session)


@transaction.atomic
def _change(session: ReplaySession, *, now: dt.datetime, **fields: object) -> ReplaySession:
    row = ReplaySession.objects.select_for_update().select_related("lead").get(pk=session.pk)
    if row.state == State.ENDED:
        raise Conflict("REPLAY_ENDED", "The replay has reached the end of its data; restart it.")
    for name, value in fields.items():
        setattr(row, name, value)
    row.advanced_at = row.seen_at = now
    row.save()
    _tell(row)
    return row


def _tell(session: ReplaySession) -> None:
    """Publish the replay's state and wake the streamer, once this is committed."""
    message = replay_clock(session)

    def publish() -> None:
        broadcast.clock_publish(key=session.key, clock=message.as_dict())
        wake(TOPIC_STREAMER)

    transaction.on_commit(publish)


def _episode(key: str) -> Episode:
    try:
        return episode_named(key)
    except ProviderRejected as error:
        raise EpisodeUnknown("UNKNOWN_EPISODE", str(error), field="episode") from error


def _check_speed(speed: int) -> None:
    if isinstance(speed, bool) or not isinstance(speed, int) or not SPEED_MIN <= speed <= SPEED_MAX:
        raise SpeedOutOfRange(
            "SPEED_OUT_OF_RANGE",
            f"The speed {str(speed)[:20]} is outside {SPEED_MIN} to {SPEED_MAX} bars a minute.",
            field="speed",
        )


def _first_bar(episode: Episode) -> tuple[Instrument, dt.datetime]:
    """Lead instrument and close of the episode's first bar."""
    try:
        lead = instrument_get(episode.lead)
        calendar = closes_at(lead, episode.timeframe)
    except (UnknownSymbol, NoBars) as error:
        raise ReplayDataMissing(
            "REPLAY_DATA_MISSING",
            f"The episode {episode.key} needs {episode.timeframe} bars of {episode.lead}, which "
            "are not stored: run `manage.py import_bars --source embedded`.",
        ) from error
    start = nanoseconds(dt.datetime.combine(episode.starts_on, dt.time(), tzinfo=dt.UTC))
    i = cursor_index(calendar, start - 1) + 1
    if i >= calendar.shape[0]:
        raise ReplayDataMissing(
            "REPLAY_DATA_MISSING",
            f"The stored bars of {episode.lead} end before {episode.starts_on}.",
        )
    return lead, instant(int(calendar[i]))
