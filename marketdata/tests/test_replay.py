"""The cursor moves by the clock, never back, and nothing after it is ever shown."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elson.common.errors import Conflict
from marketdata import selectors, services
from marketdata.management.commands.stream_marketdata import Streamer
from marketdata.models import ReplaySession
from marketdata.providers.replay import EPISODES, bars_due, cursor_index
from marketdata.tests.factories import NOW, instrument_make, market_make, raw_make, user_make

SECOND = dt.timedelta(seconds=1)


def replay_make(speed: int = 60) -> ReplaySession:
    market_make()
    return services.replay_open(user=user_make(), episode="sp500-2008", now=NOW, speed=speed)


@pytest.mark.parametrize(
    ("seconds", "speed", "n_bars"),
    [(0.9, 60, 0), (1, 60, 1), (2.5, 60, 2), (0.1, 600, 1), (0.25, 600, 2), (59, 1, 0), (60, 1, 1),
     (-5, 60, 0)],
)  # fmt: skip
def test_bars_due_counts_whole_bars_at_the_speed(seconds: float, speed: int, n_bars: int) -> None:
    due = bars_due(advanced_at=NOW, now=NOW + seconds * SECOND, speed=speed)

    assert due.n_bars == n_bars


def test_bars_due_keeps_the_started_bar() -> None:
    due = bars_due(advanced_at=NOW, now=NOW + 2.5 * SECOND, speed=60)

    assert due.advanced_at == NOW + 2 * SECOND


def test_bars_due_goes_on_from_now_after_a_long_sleep() -> None:
    due = bars_due(advanced_at=NOW, now=NOW + 3600 * SECOND, speed=60)

    assert (due.n_bars, due.advanced_at) == (5, NOW + 3600 * SECOND)


@pytest.mark.django_db
def test_replay_open_starts_at_the_first_bar_of_the_episode() -> None:
    session = replay_make()

    assert session.cursor_at.date() == EPISODES["sp500-2008"].starts_on
    assert (session.sequence, session.state, session.lead.symbol) == (1, "RUNNING", "SPX")
    assert {i.symbol for i in selectors.replay_instruments(session)} >= {"SPX", "NASDAQ"}


@pytest.mark.django_db
def test_replay_open_says_what_to_import_when_the_bars_are_missing() -> None:
    with pytest.raises(services.ReplayDataMissing, match="import_bars --source embedded"):
        services.replay_open(user=user_make(), episode="sp500-2008", now=NOW)


@pytest.mark.django_db
def test_replay_open_refuses_an_unknown_episode_and_a_speed_out_of_range() -> None:
    user = user_make()

    with pytest.raises(services.EpisodeUnknown, match="known are sp500-2008"):
        services.replay_open(user=user, episode="nope", now=NOW)
    with pytest.raises(services.SpeedOutOfRange, match="601 is outside 1 to 600"):
        services.replay_open(user=user, episode="sp500-2008", now=NOW, speed=601)


@pytest.mark.django_db
def test_replay_advance_moves_one_bar_a_second_at_sixty() -> None:
    session = replay_make()
    first = session.cursor_at

    step = services.replay_advance(session=session, now=NOW + SECOND)

    stored = ReplaySession.objects.get()
    assert step is not None
    assert (step.n_bars, step.from_at) == (1, first)
    assert stored.cursor_at - first == dt.timedelta(days=1)
    assert (stored.sequence, stored.advanced_at) == (2, NOW + SECOND)


@pytest.mark.django_db
def test_two_streamers_never_move_the_same_bar_twice() -> None:
    session = replay_make()
    twin = ReplaySession.objects.select_related("lead").get(pk=session.pk)

    moves = [services.replay_advance(session=row, now=NOW + SECOND) for row in (session, twin)]

    assert [move is None for move in moves] == [False, True]
    assert ReplaySession.objects.get().sequence == 2


@pytest.mark.django_db
def test_replay_advance_ends_with_the_data() -> None:
    session = replay_make(speed=600)
    now = NOW
    while session.state == "RUNNING":
        now += SECOND
        services.replay_advance(session=session, now=now)

    stored = ReplaySession.objects.get()
    assert stored.state == "ENDED"
    assert stored.cursor_at == selectors.coverage_get("SPX").last_at
    with pytest.raises(Conflict, match="restart it"):
        services.replay_resume(session=stored, now=now)


@pytest.mark.django_db
def test_replay_pauses_itself_unseen_and_resumes_with_the_next_visit() -> None:
    session = replay_make()
    later = NOW + dt.timedelta(minutes=10, seconds=1)

    services.replay_advance(session=session, now=later)
    paused = ReplaySession.objects.get()
    assert (paused.state, paused.is_auto_paused, paused.sequence) == ("PAUSED", True, 1)
    resumed = services.replay_touch(session=paused, now=later + SECOND)

    assert resumed
    row = ReplaySession.objects.get()
    assert (row.state, row.advanced_at) == ("RUNNING", later + SECOND)


@pytest.mark.django_db
def test_replay_touch_leaves_a_replay_paused_that_a_person_paused() -> None:
    session = services.replay_pause(session=replay_make(), now=NOW)

    assert not services.replay_touch(session=session, now=NOW + 60 * SECOND)

    assert ReplaySession.objects.get().state == "PAUSED"


@pytest.mark.django_db
def test_replay_resume_goes_on_without_catching_up_the_pause() -> None:
    session = services.replay_pause(session=replay_make(), now=NOW)

    session = services.replay_resume(session=session, now=NOW + 300 * SECOND)
    services.replay_advance(session=session, now=NOW + 301 * SECOND)

    assert ReplaySession.objects.get().sequence == 2


@pytest.mark.django_db
def test_replay_restart_begins_a_new_epoch_at_the_first_bar() -> None:
    session = replay_make()
    start = session.cursor_at
    services.replay_advance(session=session, now=NOW + 3 * SECOND)

    session = services.replay_restart(session=session, now=NOW + 4 * SECOND)

    assert (session.epoch, session.sequence, session.cursor_at) == (2, 1, start)


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.floats(-3, 30),
            st.sampled_from(["advance", "pause", "resume", "touch", "slow", "fast"]),
        ),
        max_size=25,
    )
)
def test_the_cursor_never_moves_back_and_never_outruns_the_clock(moves: list) -> None:
    if not selectors.series_exist():
        market_make(400)
    session = services.replay_open(user=user_make(), episode="sp500-2008", now=NOW)
    calendar = selectors.closes_at("SPX")
    start = cursor_index(calendar, selectors.nanoseconds(session.cursor_at))
    now, awake, cursors = NOW, 0.0, [session.cursor_at]
    actions = {
        "advance": lambda: services.replay_advance(session=session, now=now),
        "pause": lambda: services.replay_pause(session=session, now=now),
        "resume": lambda: services.replay_resume(session=session, now=now),
        "touch": lambda: services.replay_touch(session=session, now=now),
        "slow": lambda: services.replay_set_speed(session=session, speed=7, now=now),
        "fast": lambda: services.replay_set_speed(session=session, speed=600, now=now),
    }
    for seconds, name in moves:
        now += seconds * SECOND
        awake += max(seconds, 0)
        actions[name]()
        session = ReplaySession.objects.select_related("lead").get(pk=session.pk)
        cursors.append(session.cursor_at)
        shown = cursor_index(calendar, selectors.nanoseconds(session.cursor_at)) - start
        bars = selectors.bars_get("NASDAQ", until=session.cursor_at)
        assert session.sequence == shown + 1
        assert shown <= (awake + 3 * len(moves)) * 10 + 1
        assert bars.closed_at[-1] <= selectors.nanoseconds(session.cursor_at)

    assert cursors == sorted(cursors)


@pytest.mark.django_db
def test_a_step_message_holds_the_new_bars_and_of_the_next_only_its_open() -> None:
    session = replay_make()
    streamer = Streamer()

    (step,) = streamer.turn(NOW + 2 * SECOND)
    message = streamer._feeds.message_of(step)

    visible = selectors.bars_get("SPX", until=step.session.cursor_at)
    full = selectors.bars_get("SPX")
    assert (message["n_from"], message["n"]) == (1, 3)
    assert [float(row["close"]) for row in message["bars"]["SPX:1d"]] == visible.close[-2:].tolist()
    assert set(message["forming"]["SPX:1d"]) == {"closed_at", "open", "is_forming"}
    assert float(message["forming"]["SPX:1d"]["open"]) == full.open[len(visible)]
    assert "AAPL:1d" in message["bars"]
    assert "AAPL:1d" not in message["forming"], "the open of a close-only bar is its close to come"
    assert session.pk == step.session.pk


@pytest.mark.django_db
def test_no_number_of_a_later_bar_is_in_any_message_of_the_streamer() -> None:
    replay_make()
    streamer, now, said = Streamer(), NOW, ""
    for _ in range(8):
        now += SECOND
        for step in streamer.turn(now):
            said += str(streamer._feeds.message_of(step))

    cursor_at = ReplaySession.objects.get().cursor_at
    for symbol in ("SPX", "NASDAQ", "AAPL"):
        bars = selectors.bars_get(symbol)
        later = bars.closed_at > selectors.nanoseconds(cursor_at)
        assert later.sum() > 10
        for value in np.concatenate([bars.close[later], bars.high[later]]).tolist():
            assert repr(value) not in said


@pytest.mark.django_db
def test_a_turn_moves_fifty_replays_in_few_queries(django_assert_max_num_queries) -> None:
    market_make()
    for _ in range(50):
        services.replay_open(user=user_make(), episode="sp500-2008", now=NOW)
    streamer = Streamer()
    streamer.turn(NOW + SECOND)

    with django_assert_max_num_queries(2 * 50 + 3):  # calendar check and move of each
        steps = streamer.turn(NOW + 2 * SECOND)

    assert len(steps) == 50


@pytest.mark.django_db
def test_replay_watch_plays_a_symbol_that_a_page_opened() -> None:
    session = replay_make()
    instrument_make("GE", raw_make([5.0, 6.0]).close)

    services.replay_watch(session=session, symbol="GE")

    assert "GE" in {i.symbol for i in selectors.replay_instruments(session)}
