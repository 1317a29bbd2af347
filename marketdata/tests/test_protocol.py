"""The words of the socket, without a socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata.streaming import protocol
from marketdata.streaming.protocol import FrameRefused, Outbox, RateWindow, SlowConsumer

REFUSED = [
    ("not json", "BAD_JSON", True),
    ('{"sub": NaN}', "BAD_JSON", True),
    ("[]", "BAD_FRAME", True),
    ("[" * 17 + "]" * 17, "TOO_DEEP", True),
    ('{"v": 2, "sub": ["clock"]}', "WRONG_VERSION", True),
    ("x" * 65_537, "TOO_LARGE", True),
    (None, "BINARY", True),
    ("{}", "UNKNOWN_TYPE", False),
    ('{"order": {}}', "UNKNOWN_TYPE", False),
    ('{"sub": "clock"}', "BAD_FRAME", False),
    ('{"sub": [{"since": null}]}', "BAD_FRAME", False),
    ('{"sub": [{"ch": ""}]}', "BAD_FRAME", False),
    ('{"sub": [{"ch": "clock", "since": 5}]}', "BAD_FRAME", False),
    (json.dumps({"sub": ["clock"] * 201}), "TOO_MANY", False),
]


@pytest.mark.parametrize(
    ("text", "code", "is_fatal"), REFUSED, ids=[str(r[0])[:30] for r in REFUSED]
)
def test_parse_frame_names_what_is_wrong(text: str | None, code: str, is_fatal: bool) -> None:
    with pytest.raises(FrameRefused) as refused:
        protocol.parse_frame(text)

    assert (refused.value.code, refused.value.is_fatal) == (code, is_fatal)


def test_parse_frame_reads_wishes_in_order() -> None:
    text = (
        '{"v":1,"sub":[{"ch":"bars:SPX:1d","since":null},"clock"],"unsub":["portfolio"],"ping":1}'
    )

    assert protocol.parse_frame(text) == [
        protocol.Subscribe("bars:SPX:1d", None),
        protocol.Subscribe("clock", None),
        protocol.Unsubscribe("portfolio"),
        protocol.Ping(),
    ]


@given(st.one_of(st.text(max_size=200), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["sub", "unsub", "ping", "v", "ch"]), inner, max_size=4),
).map(json.dumps)))  # fmt: skip
def test_parse_frame_answers_any_text_or_refuses_it(text: str) -> None:
    try:
        requests = protocol.parse_frame(text)
    except FrameRefused:
        return
    assert requests


def test_outbox_numbers_each_channel_without_holes_though_deltas_are_replaced() -> None:
    outbox = Outbox()
    for price in range(10):
        outbox.put("a", "delta", price)
    outbox.put("a", "event", "closed")
    outbox.put("b", "event", "other")

    first = outbox.take("t", with_deltas=True)
    outbox.put("a", "event", "next")
    second = outbox.take("t", with_deltas=True)

    assert [(m["ch"], m["seq"], m["kind"], m["data"]) for m in first + second] == [
        ("a", 1, "event", "closed"),
        ("b", 1, "event", "other"),
        ("a", 2, "delta", 9),
        ("a", 3, "event", "next"),
    ]


def test_outbox_holds_deltas_back_until_the_flush() -> None:
    outbox = Outbox()
    outbox.put("a", "delta", 1)

    assert outbox.take("t", with_deltas=False) == []
    assert outbox.has_deltas


def test_outbox_lets_a_snapshot_replace_what_waits_on_its_channel() -> None:
    outbox = Outbox()
    outbox.put("a", "event", "old")
    outbox.put("b", "event", "kept")
    outbox.put("a", "delta", "old")
    outbox.put("a", "snapshot", "new")

    assert [m["data"] for m in outbox.take("t", with_deltas=True)] == ["kept", "new"]


def test_outbox_gives_up_on_a_reader_with_five_hundred_events_waiting() -> None:
    outbox = Outbox()
    for i in range(500):
        outbox.put("a", "event", i)

    with pytest.raises(SlowConsumer):
        outbox.put("a", "event", 500)


def test_rate_window_forgets_what_is_older_than_its_time() -> None:
    window = RateWindow(limit=2, seconds=1.0)

    assert [window.hit(now) for now in (0.0, 0.5, 0.9, 1.6)] == [True, True, False, True]
