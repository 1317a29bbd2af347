"""Kinds of channels a socket can hear; apps above add theirs to the same registry.

A kind says who may hear it (`open`), which channel-layer group carries it, what stands at the
beginning (`snapshot`) and what a group message means for it (`frames`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from elson.common.errors import DomainError, NotFound
from marketdata import selectors, serializers, services
from marketdata.broadcast import replay_group
from marketdata.streaming.protocol import Kind

if TYPE_CHECKING:
    from accounts.models import User

SNAPSHOT_BARS = 300


@dataclass(frozen=True, slots=True)
class Frame:
    """One message for one channel; deltas of the same slot replace each other."""

    kind: Kind
    data: Any
    slot: str = ""


@dataclass(slots=True)
class Opened:
    """A channel that this user may hear.

    `n` is the publisher's counter at the snapshot: messages up to it are known already, and one
    that does not follow it means that something was lost. None where the publisher does not count.
    """

    ch: str
    group: str
    snapshot: Any
    n: int | None = None
    context: dict[str, Any] = field(default_factory=dict)


class ChannelKind(Protocol):
    """One kind of channel; `open` runs in a thread with the database, `frames` in the loop."""

    def open(
        self, *, user: User, ch: str, arguments: list[str], since: str | None, now: dt.datetime
    ) -> Opened:
        """Check the right to hear it and read the snapshot; raises DomainError."""
        ...

    def group(self, *, user: User, ch: str, arguments: list[str]) -> str:
        """Check the right to hear it and name its group; raises DomainError."""
        ...

    def frames(self, opened: Opened, message: dict[str, Any]) -> list[Frame]:
        """Turn a group message into frames; an empty list when it does not concern the channel."""
        ...


class EventChannel:
    """Frames of `stream.event` messages: `{"type", "ch", "seq"?, "kind", "data"}`.

    Base of channels whose publisher says what it means; subclasses write `group` and `open`.
    """

    def frames(self, opened: Opened, message: dict[str, Any]) -> list[Frame]:
        """Pass the message on when it follows the one before; resync when one is missing."""
        if message["type"] != "stream.event" or message.get("ch", opened.ch) != opened.ch:
            return []
        n = message.get("seq")
        lost = _is_lost(opened, n, None if n is None else n - 1)
        if lost is None:
            return []
        return [Frame("resync", {})] if lost else [Frame(message["kind"], message["data"])]


class ClockChannel:
    """State, speed and cursor of the user's own replay; the newest value wins."""

    def group(self, *, user: User, ch: str, arguments: list[str]) -> str:
        """Group of the user's replay."""
        return replay_group(_replay_of(user).key)

    def open(
        self, *, user: User, ch: str, arguments: list[str], since: str | None, now: dt.datetime
    ) -> Opened:
        """Read the replay's row."""
        session = _replay_of(user)
        clock = selectors.replay_clock(session).as_dict()
        return Opened(ch, replay_group(session.key), clock)

    def frames(self, opened: Opened, message: dict[str, Any]) -> list[Frame]:
        """Every message of a replay carries its clock."""
        clock = message.get("clock")
        return [Frame("delta", clock)] if clock else []


class BarsChannel:
    """`bars:<SYMBOL>:<TIMEFRAME>`: closed bars of the user's replay, and the open of the next."""

    def group(self, *, user: User, ch: str, arguments: list[str]) -> str:
        """Group of the user's replay, which plays the symbol from now on."""
        session = _replay_of(user)
        symbol, _ = _series_named(ch, arguments)
        services.replay_watch(session=session, symbol=symbol)
        return replay_group(session.key)

    def open(
        self, *, user: User, ch: str, arguments: list[str], since: str | None, now: dt.datetime
    ) -> Opened:
        """Read the newest visible bars, or those since a time."""
        session = _replay_of(user)
        symbol, timeframe = _series_named(ch, arguments)
        try:
            bars = selectors.bars_get(
                symbol, timeframe, until=session.cursor_at, since=_instant_of(since),
                limit=SNAPSHOT_BARS,
            )  # fmt: skip
            rows = serializers.bar_rows(bars)
        except selectors.NoBars:
            rows = []
        snapshot = {"symbol": symbol, "timeframe": timeframe, "epoch": session.epoch, "bars": rows}
        return Opened(
            ch, replay_group(session.key), snapshot, n=session.sequence,
            context={"series": f"{symbol}:{timeframe}", "epoch": session.epoch},
        )  # fmt: skip

    def frames(self, opened: Opened, message: dict[str, Any]) -> list[Frame]:
        """Bars of a step that follows the last one; resync when a step is missing."""
        if message["type"] == "replay.clock":
            is_same = message["clock"]["epoch"] == opened.context["epoch"]
            return [] if is_same else [Frame("resync", {})]
        if message["type"] != "replay.step":
            return []
        if message["epoch"] != opened.context["epoch"]:
            return [Frame("resync", {})]
        lost = _is_lost(opened, message["n"], message["n_from"])
        if lost is None:
            return []
        if lost:
            return [Frame("resync", {})]
        frames = []
        series = opened.context["series"]
        rows = message["bars"].get(series)
        if rows:
            frames.append(
                Frame("event", {**message["last"][series], "bars": rows, "bar": rows[-1]})
            )
        forming = message["forming"].get(series)
        if forming:
            frames.append(Frame("delta", {"bar": forming}))
        return frames


def _is_lost(opened: Opened, n: int | None, n_from: int | None) -> bool | None:
    """Compare counters: None for what is known already, True when something between is missing."""
    if n is None or opened.n is None:
        opened.n = n if n is not None else opened.n
        return False
    if n <= opened.n:
        return None
    is_lost = n_from != opened.n
    opened.n = n
    return is_lost


def _replay_of(user: User) -> Any:
    session = selectors.replay_get_for_user(user)
    if session is None:
        raise NotFound("replay of", user)
    return session


def _series_named(ch: str, arguments: list[str]) -> tuple[str, str]:
    if len(arguments) != 2:
        raise NotFound("channel", ch)
    instrument = selectors.instrument_get(arguments[0])
    if arguments[1] not in selectors.timeframe_list(instrument):
        raise NotFound("channel", ch)
    return instrument.symbol, arguments[1]


def _instant_of(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise DomainError("BAD_TIME", "since is not an ISO 8601 time.", field="since") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
