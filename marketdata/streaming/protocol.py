"""The words of the socket: envelope, client frames, limits and close codes. Pure.

INPUT   text of a client, group messages of publishers
OUTPUT  envelopes `{"v", "ch", "seq", "ts", "kind", "data"}` and refusals with a code

Client frames: `{"sub": [{"ch": "bars:SPX:1d", "since": null}]}`, `{"unsub": ["bars:SPX:1d"]}`,
`{"ping": 1}`. Close codes below 4400 mean "connect again", from 4400 on "do not".
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

VERSION = 1
Kind = Literal["snapshot", "delta", "event", "heartbeat", "resync", "error"]

CLOSE_RESTART = 4012
CLOSE_SLOW = 4013
CLOSE_BAD_FRAME = 4400
CLOSE_SIGNED_OUT = 4401
CLOSE_PLAN = 4403
CLOSE_TOO_MANY = 4429

MAX_FRAME_CHARS = 64 * 1024
MAX_DEPTH = 16
MAX_CHANNEL_CHARS = 80
MAX_SUBSCRIPTIONS = 200
MAX_FRAMES_PER_SECOND = 30
MAX_FAULTS_PER_MINUTE = 3
MAX_SOCKETS_PER_USER = 5
MAX_QUEUED_EVENTS = 500
FLUSH_SECONDS = 0.25
HEARTBEAT_SECONDS = 5.0
RECHECK_SECONDS = 60.0
SEND_SECONDS_MAX = 10.0


class FrameRefused(Exception):
    """A client frame is not what the protocol allows; `is_fatal` when the socket must close."""

    def __init__(self, code: str, message: str, *, is_fatal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.is_fatal = is_fatal


class SlowConsumer(Exception):
    """More events wait for this client than it can be trusted to read."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Wish to hear a channel; `since` is an ISO time or None."""

    ch: str
    since: str | None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Wish to hear it no more."""

    ch: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Wish for a heartbeat now."""


Request = Subscribe | Unsubscribe | Ping


def envelope(
    *, kind: Kind, ts: str, ch: str = "", seq: int | None = None, data: Any = None
) -> dict[str, Any]:
    """Build one message to the client."""
    message: dict[str, Any] = {"v": VERSION, "ch": ch, "seq": seq, "ts": ts, "kind": kind}
    message["data"] = {} if data is None else data
    return message


def parse_frame(text: str | None) -> list[Request]:
    """Read a client frame; raises FrameRefused naming the fault."""
    if text is None:
        raise FrameRefused("BINARY", "Frames are text, this one is binary.", is_fatal=True)
    if len(text) > MAX_FRAME_CHARS:
        raise FrameRefused(
            "TOO_LARGE",
            f"The frame has {len(text):,} characters; {MAX_FRAME_CHARS:,} are allowed.",
            is_fatal=True,
        )
    if _nesting(text) > MAX_DEPTH:
        raise FrameRefused(
            "TOO_DEEP", f"The frame is nested deeper than {MAX_DEPTH} levels.", is_fatal=True
        )
    try:
        frame = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FrameRefused("BAD_JSON", "The frame is not JSON.", is_fatal=True) from error
    if not isinstance(frame, dict):
        raise FrameRefused("BAD_FRAME", "The frame is not a JSON object.", is_fatal=True)
    if frame.get("v", VERSION) != VERSION:
        raise FrameRefused(
            "WRONG_VERSION", f"The version {str(frame['v'])[:20]} is not {VERSION}.", is_fatal=True
        )
    return _requests_of(frame)


def _requests_of(frame: dict[str, Any]) -> list[Request]:
    requests: list[Request] = []
    for name, value in frame.items():
        if name == "v":
            continue
        if name == "ping":
            requests.append(Ping())
        elif name == "sub":
            requests += [_subscribe_of(item) for item in _list_of(name, value)]
        elif name == "unsub":
            requests += [Unsubscribe(_channel_of(item)) for item in _list_of(name, value)]
        else:
            raise FrameRefused(
                "UNKNOWN_TYPE", f"The frame type {name[:40]!r} is none of sub, unsub, ping."
            )
    if not requests:
        raise FrameRefused("UNKNOWN_TYPE", "The frame asks for nothing: sub, unsub or ping.")
    return requests


def _list_of(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FrameRefused("BAD_FRAME", f"{name} is not a list.")
    if len(value) > MAX_SUBSCRIPTIONS:
        raise FrameRefused(
            "TOO_MANY", f"{name} names {len(value)} channels; {MAX_SUBSCRIPTIONS} are allowed."
        )
    return value


def _subscribe_of(item: Any) -> Subscribe:
    if isinstance(item, str):
        return Subscribe(_channel_of(item), None)
    if not isinstance(item, dict):
        raise FrameRefused("BAD_FRAME", "An entry of sub is not an object with ch.")
    since = item.get("since")
    if since is not None and (not isinstance(since, str) or len(since) > 40):
        raise FrameRefused("BAD_FRAME", "since is not an ISO time.")
    return Subscribe(_channel_of(item.get("ch")), since)


def _channel_of(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CHANNEL_CHARS:
        raise FrameRefused(
            "BAD_FRAME", f"A channel is a text of 1 to {MAX_CHANNEL_CHARS} characters."
        )
    return value


def _nesting(text: str) -> int:
    """Deepest level of brackets, before a parser is let near; brackets in texts count too."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@dataclass(slots=True)
class RateWindow:
    """Counts what happened within the last `seconds`; the clock is handed in."""

    limit: int
    seconds: float
    _times: deque[float] = field(default_factory=deque)

    def hit(self, now: float) -> bool:
        """Note one more; True while it is within the limit."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        self._times.append(now)
        return len(self._times) <= self.limit


@dataclass(slots=True)
class Outbox:
    """What waits to be written to one client.

    Events keep their order and are never dropped: too many of them end the connection. Of deltas
    only the newest of each channel and slot is kept. A number is given when a message leaves, so
    dropped deltas leave no hole.
    """

    _events: deque[tuple[str, Kind, Any]] = field(default_factory=deque)
    _deltas: dict[tuple[str, str], Any] = field(default_factory=dict)
    _sequences: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the events that wait."""
        return len(self._events)

    @property
    def has_deltas(self) -> bool:
        """Tell whether deltas wait for the next flush."""
        return bool(self._deltas)

    def put(self, ch: str, kind: Kind, data: Any, *, slot: str = "") -> None:
        """Queue a message; raises SlowConsumer when too many events wait."""
        if kind == "delta":
            self._deltas[(ch, slot)] = data
            return
        if kind in ("snapshot", "resync"):
            # What waits on this channel is older than what is now said about it.
            self.drop(ch)
        self._events.append((ch, kind, data))
        if len(self._events) > MAX_QUEUED_EVENTS:
            raise SlowConsumer

    def drop(self, ch: str) -> None:
        """Forget what waits on a channel."""
        self._events = deque(item for item in self._events if item[0] != ch)
        for key in [key for key in self._deltas if key[0] == ch]:
            del self._deltas[key]

    def take(self, ts: str, *, with_deltas: bool) -> list[dict[str, Any]]:
        """Return what may leave now, numbered: events in order, then the newest deltas."""
        leaving = [self._number(ch, kind, data, ts) for ch, kind, data in self._events]
        self._events.clear()
        if with_deltas:
            leaving += [
                self._number(ch, "delta", data, ts) for (ch, _), data in self._deltas.items()
            ]
            self._deltas.clear()
        return leaving

    def _number(self, ch: str, kind: Kind, data: Any, ts: str) -> dict[str, Any]:
        if not ch or kind in ("heartbeat", "error", "resync"):
            return envelope(kind=kind, ts=ts, ch=ch, data=data)
        self._sequences[ch] = self._sequences.get(ch, 0) + 1
        return envelope(kind=kind, ts=ts, ch=ch, seq=self._sequences[ch], data=data)
