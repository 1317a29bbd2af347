"""Reading replay sessions."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketdata.models import Instrument, ReplaySession
from marketdata.selectors.bars import Coverage, coverage_get

if TYPE_CHECKING:
    from accounts.models import User


@dataclass(frozen=True, slots=True)
class ReplayClock:
    """What a page shows of a replay; built from the row alone."""

    key: str
    episode: str
    symbol: str
    timeframe: str
    state: str
    is_auto_paused: bool
    speed: int
    cursor_at: dt.datetime
    starts_at: dt.datetime
    sequence: int
    epoch: int

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON for the `clock` channel and the REST answer."""
        return {
            "key": self.key,
            "episode": self.episode,
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "state": self.state,
            "is_auto_paused": self.is_auto_paused,
            "speed": self.speed,
            "cursor_at": iso(self.cursor_at),
            "starts_at": iso(self.starts_at),
            "date": self.cursor_at.date().isoformat(),
            "sequence": self.sequence,
            "epoch": self.epoch,
        }


def iso(moment: dt.datetime) -> str:
    """ISO 8601 UTC with Z."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def replay_get_for_user(user: User) -> ReplaySession | None:
    """Return the user's newest replay with its lead, or None before the first."""
    return (
        ReplaySession.objects.select_related("lead__venue")
        .filter(user=user)
        .order_by("-id")
        .first()
    )


def replay_get(session_id: int) -> ReplaySession | None:
    """Return a replay by id with its lead."""
    return ReplaySession.objects.select_related("lead__venue").filter(pk=session_id).first()


def replay_get_by_key(key: str | uuid.UUID) -> ReplaySession | None:
    """Return a replay by the key in its channel names."""
    return ReplaySession.objects.select_related("lead__venue").filter(key=key).first()


def replay_running_list() -> list[ReplaySession]:
    """Every replay that moves, longest unmoved first."""
    return list(
        ReplaySession.objects.select_related("lead__venue")
        .filter(state=ReplaySession.State.RUNNING)
        .order_by("advanced_at")
    )


def replay_instruments(session: ReplaySession) -> list[Instrument]:
    """Instruments of the replay with their venues, by symbol."""
    return list(session.instruments.select_related("venue").order_by("symbol"))


def replay_clock(session: ReplaySession) -> ReplayClock:
    """Describe the replay; `lead` must be at hand."""
    return ReplayClock(
        key=str(session.key), episode=session.episode, symbol=session.lead.symbol,
        timeframe=session.timeframe, state=session.state, is_auto_paused=session.is_auto_paused,
        speed=session.speed, cursor_at=session.cursor_at, starts_at=session.starts_at,
        sequence=session.sequence, epoch=session.epoch,
    )  # fmt: skip


def replay_coverage(session: ReplaySession) -> Coverage:
    """Say what is stored of the lead: how far the replay can go."""
    return coverage_get(session.lead, session.timeframe)


def visible_until(user: User) -> dt.datetime | None:
    """Market time after which this user may see nothing; None without a replay."""
    return (
        ReplaySession.objects.filter(user=user)
        .order_by("-id")
        .values_list("cursor_at", flat=True)
        .first()
    )
