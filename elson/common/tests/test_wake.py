"""A nudge reaches who waits, and its absence costs only time."""

from __future__ import annotations

import threading
import time

import pytest

from elson.common import wake as waking
from elson.common.wake import Waiter, wake


def test_a_nudge_wakes_a_waiter_before_its_time_is_up() -> None:
    with Waiter("runner-test") as waiter:
        threading.Timer(0.05, wake, args=["runner-test"]).start()

        assert waiter.wait(600)  # longer than a test may take


def test_a_nudge_that_came_before_the_wait_counts() -> None:
    with Waiter("runner-test") as waiter:
        wake("runner-test")

        assert waiter.wait(5)


def test_many_nudges_are_one() -> None:
    with Waiter("runner-test") as waiter:
        for _ in range(10):
            wake("runner-test")
        # Redis answers who nudges before it tells who waits; with another answer all ten are told.
        wake("streamer-test")
        assert waiter.wait(5)

        assert not waiter.wait(0.05)


def test_another_topic_wakes_nobody() -> None:
    with Waiter("runner-test") as waiter:
        wake("streamer-test")

        assert not waiter.wait(0.05)


def test_without_redis_a_waiter_just_waits_and_a_nudge_says_so(
    settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis+socket:///nowhere/redis.sock"
    monkeypatch.setattr(waking, "_senders", {})
    with Waiter("runner-test") as waiter:
        started = time.monotonic()

        assert not waiter.wait(0.05)
        assert time.monotonic() - started >= 0.05
        assert not wake("runner-test")
