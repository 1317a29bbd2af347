"""The circuit breaker: levels, cool-down, back-off, re-entry; tapes first, then laws."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine import breaker_kernels, breaker_watch
from trading.engine.breaker import (
    NS,
    BreakerConfig,
    BreakerState,
    breaker_next,
    breaker_sentence,
    config_vector,
    state_of,
    state_vector,
)
from trading.engine.errors import ConfigInvalid, StateInvalid
from trading.engine.types import AssetClass
from trading.tests.engine.laws import examples

DAY = 86_400 * NS
CONFIG = BreakerConfig()
LIMITS = config_vector(CONFIG)
CALM = {"quantity": 1.0, "volatility": 0.15, "percentile": 0.5}


def feed(equities, state=None, *, first_day=0, **given):
    """Feed one equity a day; return the states and factors."""
    found = []
    for k, equity in enumerate(equities):
        inputs = {**CALM, **given}
        state, factor = breaker_next(state, LIMITS, (first_day + k) * DAY, equity, **inputs)
        found.append((state, factor))
    return found


def levels(found):
    return [state.name for state, _ in found]


def test_a_calm_book_is_left_alone():
    found = feed([100.0, 101.0, 100.5, 102.0])

    assert levels(found) == ["NORMAL"] * 4
    assert [factor for _, factor in found] == [1.0] * 4


def test_the_daily_loss_rises_in_three_grades():
    grades = [feed([100.0, 100.0 - loss])[-1] for loss in (1.9, 2.1, 2.6, 3.1)]

    assert levels(grades) == ["NORMAL", "CAUTIOUS", "RESTRICTED", "HALTED"]
    assert [factor for _, factor in grades] == [1.0, 0.75, 0.5, 0.0]


def test_losses_of_one_day_add_up_across_its_bars():
    state, _ = breaker_next(None, LIMITS, 0, 100.0, **CALM)
    for hour, equity in ((24, 99.0), (25, 98.4), (26, 97.9)):
        state, _ = breaker_next(state, LIMITS, hour * 3_600 * NS, equity, **CALM)

    assert state.name == "CAUTIOUS"
    assert state.value == pytest.approx(0.021)


def test_the_drawdown_counts_what_is_not_realized():
    found = feed([100.0 * 0.985**k for k in range(8)])

    assert found[-1][0].name == "CAUTIOUS"
    assert "drawdown 10.0% reached the limit of 10.0%" in breaker_sentence(found[-1][0], 7 * DAY)


def test_losing_round_trips_in_a_row_are_counted_when_flat_again():
    state, equity = None, 100.0
    for k in range(13):
        quantity = float(k % 2)
        equity -= 0.1 if quantity == 0.0 else 0.0
        state, _ = breaker_next(
            state, LIMITS, k * DAY, equity, quantity=quantity, volatility=0.1, percentile=0.5
        )

    assert state.loss_streak == 6
    assert state.name == "CAUTIOUS"


@pytest.mark.parametrize(("last", "streak"), [(97.9, 3), (98.0, 0), (98.1, 0)])
def test_a_round_trip_that_does_not_lose_ends_the_streak(last, streak):
    state = None
    for k, equity in enumerate((100.0, 100.0, 99.0, 99.0, 98.0, 98.0, last)):
        inputs = CALM | {"quantity": float(k % 2)}
        state, _ = breaker_next(state, LIMITS, k * DAY, equity, **inputs)

    assert state.loss_streak == streak


def test_volatility_and_correlation_raise_the_level_too():
    wild = feed([100.0], volatility=0.61)[-1][0]
    high = feed([100.0], percentile=0.96)[-1][0]
    alike = feed([100.0], correlation=0.82)[-1][0]

    assert levels([(wild, 0), (high, 0), (alike, 0)]) == ["RESTRICTED", "CAUTIOUS", "CAUTIOUS"]


def test_what_moves_together_is_cut_and_never_halted():
    twins = feed([100.0] * 5, correlation=1.0)

    assert levels(twins) == ["RESTRICTED"] * 5


def test_crypto_may_swing_more_before_its_breaker_speaks():
    limits = config_vector(CONFIG, AssetClass.CRYPTO)

    state, _ = breaker_next(None, limits, 0, 1.0, quantity=0.0, volatility=0.61, percentile=0.5)

    assert state.name == "NORMAL"


def test_after_the_cool_down_size_comes_back_in_steps():
    found = feed([100.0, 96.0] + [96.0] * 7)

    expected = ["NORMAL", *["HALTED"] * 3, "RESTRICTED", "CAUTIOUS", "NORMAL", "NORMAL", "NORMAL"]
    assert levels(found) == expected


def test_each_trip_within_the_look_back_doubles_the_cool_down_up_to_the_cap():
    state, day, spans = None, 0, []
    for _ in range(7):
        found = feed([100.0, 95.0], state and replace(state, level=0, until_at=0), first_day=day)
        state = found[-1][0]
        spans.append((state.until_at - state.since_at) // DAY)
        day = state.until_at // DAY + 1

    assert spans == [3, 6, 12, 24, 48, 48, 48]


def test_quiet_time_takes_the_doubling_back():
    tripped = feed([100.0, 95.0])[-1][0]
    quiet_days = int(CONFIG.look_back_days) + 5

    soon = feed([95.0, 90.0], replace(tripped, level=0), first_day=10)[-1][0]
    late = feed([95.0, 90.0], replace(tripped, level=0), first_day=quiet_days)[-1][0]

    assert soon.until_at - soon.since_at == 6 * DAY
    assert late.until_at - late.since_at == 3 * DAY


def test_a_new_trip_while_coming_back_halts_again():
    state = feed([100.0, 96.0, 96.0, 96.0, 96.0])[-1][0]

    again = feed([90.0], state, first_day=5)[-1][0]

    assert state.name == "RESTRICTED"
    assert again.name == "HALTED"
    assert again.n_trips == 2


def test_the_sentence_names_rule_value_limit_time_and_what_is_allowed():
    state = feed([100.0, 96.0])[-1][0]

    assert breaker_sentence(state, DAY) == (
        "HALTED: daily loss 4.0% reached the limit of 3.0%; held until 1970-01-05 00:00 at least; "
        "only selling is allowed, what is held is sold"
    )


def test_a_trip_that_lasts_is_not_quiet_time():
    long = feed([100.0] * 125, volatility=0.61)[-1][0]
    after = feed([100.0] * 25, long, first_day=125)[-1][0]

    assert (long.name, long.backoff, after.backoff) == ("RESTRICTED", 1, 1)
    assert feed([100.0] * 10, after, first_day=150)[-1][0].backoff == 0


def test_the_halt_counts_as_quiet_no_earlier_than_it_ends():
    halted = feed([100.0] * 60, volatility=0.95)[-1][0]

    assert feed([100.0] * 29, halted, first_day=60)[-1][0].backoff == 1


def test_the_sentence_names_the_rule_that_keeps_the_level_now():
    falling = [100.0, 98.3, 96.6, 94.9, 93.2, 91.5, 89.8, 88.1, 86.4]
    wild = feed(falling, volatility=0.61)[-1][0]
    state = feed([84.7], wild, first_day=9)[-1][0]

    assert "volatility 61.0% reached the limit of 60.0%; held while" in breaker_sentence(
        wild, 8 * DAY
    )
    assert state.name == "RESTRICTED"
    assert breaker_sentence(state, 9 * DAY) == (
        "RESTRICTED: drawdown 15.3% reached the limit of 15.0%; held while that lasts; "
        "wanted sizes are much smaller, everything else is allowed"
    )


def test_on_the_way_back_no_rule_is_named_that_does_not_ask_for_the_level():
    states = [state for state, _ in feed([100.0, 97.2, *[97.2] * 6])]

    words = [breaker_sentence(state, day * DAY) for day, state in enumerate(states)]

    assert [state.name for state in states[1:5]] == ["RESTRICTED"] * 2 + ["CAUTIOUS", "NORMAL"]
    assert words[2].startswith("RESTRICTED: daily loss 2.8% reached the limit of 2.5%; held until")
    assert words[3].startswith("CAUTIOUS: on the way back; held until 1970-01-05 00:00 at least;")
    assert (states[4].rule, states[4].value, states[4].limit) == (0, 0.0, 0.0)


def test_a_rule_that_asks_for_the_level_on_the_way_back_is_named():
    tripped = feed([100.0, 97.2], volatility=0.15)[-1][0]

    back = feed([97.2, 97.2], tripped, first_day=2, volatility=0.45)[-1][0]

    assert back.name == "CAUTIOUS"
    assert "volatility 45.0% reached the limit of 40.0%" in breaker_sentence(back, 3 * DAY)


PATHS = st.lists(
    st.tuples(
        st.floats(-0.06, 0.06),
        st.sampled_from([0.0, 1.0]),
        st.floats(0.05, 1.2),
        st.floats(0.0, 1.0),
        st.floats(0.1, 40.0),
    ),
    min_size=1,
    max_size=25,
)


def walk(path, cells):
    """Drive the kernel's vector along a path; return time, equity and factor at the end."""
    now, equity, factor = 0.0, 100.0, 1.0
    for change, held, volatility, percentile, days in path:
        now += days * breaker_kernels.DAY_S
        equity *= 1.0 + change
        factor = breaker_kernels.breaker_next_nb(
            cells, LIMITS, now, equity, held, volatility, percentile, np.nan, np.nan
        )
    return now, equity, factor


@examples(60)
@given(PATHS, st.floats(0.0, 0.2), st.floats(0.0, 0.5), st.floats(0.0, 0.5))
def test_a_worse_input_never_leaves_more_size(path, loss, more_volatility, more_rank):
    cells = state_vector(None)
    now, equity, _ = walk(path, cells)
    worse = cells.copy()
    later = now + 86_400.0

    factor = breaker_kernels.breaker_next_nb(
        cells, LIMITS, later, equity, 1.0, 0.2, 0.5, *[np.nan] * 2
    )
    less = breaker_kernels.breaker_next_nb(
        worse, LIMITS, later, equity * (1.0 - loss), 1.0, 0.2 + more_volatility,
        0.5 + more_rank, np.nan, np.nan,
    )  # fmt: skip

    assert less <= factor


@examples(60)
@given(PATHS)
def test_a_level_falls_one_step_at_a_time_and_never_before_its_time(path):
    state, now, equity = None, 0, 100.0
    for change, held, volatility, percentile, days in path:
        before = state or BreakerState()
        now += int(days * 86_400) * NS
        equity *= 1.0 + change
        state, factor = breaker_next(
            state, LIMITS, now, equity, quantity=held, volatility=volatility, percentile=percentile
        )
        assert factor == (1.0, *CONFIG.factors)[state.level]
        if state.level < before.level:
            assert before.level - state.level == 1
            assert now >= before.until_at


@examples(40)
@given(PATHS)
def test_compiled_and_uncompiled_breaker_agree_to_the_bit(path):
    compiled, plain = state_vector(None), state_vector(None)
    now, equity = 0.0, 100.0
    for change, held, volatility, percentile, days in path:
        now, equity = now + days * 86_400.0, equity * (1.0 + change)
        args = (LIMITS, now, equity, held, volatility, percentile, np.nan, np.nan)
        factor = breaker_kernels.breaker_next_nb(compiled, *args)
        assert breaker_kernels.breaker_next_nb.py_func(plain, *args) == factor

    assert np.array_equal(compiled, plain, equal_nan=True)


@examples(40)
@given(PATHS)
def test_a_restart_between_any_two_bars_changes_nothing(path):
    state, kept, now, equity = None, None, 0, 100.0
    for change, held, volatility, percentile, days in path:
        now += int(days * 86_400) * NS
        equity *= 1.0 + change
        inputs = {"quantity": held, "volatility": volatility, "percentile": percentile}
        state, _ = breaker_next(state, LIMITS, now, equity, **inputs)
        kept, _ = breaker_next(kept, LIMITS, now, equity, **inputs)
        kept = BreakerState.from_dict(json.loads(json.dumps(kept.to_dict())))

    assert kept == state
    assert state_of(state_vector(state)) == state


def test_a_book_that_lost_everything_is_halted():
    assert feed([100.0, -5.0, -5.0])[-1][1] == 0.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"daily_losses": (0.03, 0.02, 0.01)}, "daily loss limits"),
        ({"factors": (0.5, 0.75, 0.0)}, "must fall"),
        ({"factors": (0.5, 0.25, 0.1)}, "must fall"),
        ({"look_back_days": 0.0}, "above 0"),
    ],
)
def test_limits_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ConfigInvalid, match=words):
        config_vector(replace(CONFIG, **change))


@pytest.mark.parametrize("stored", [{"speed": 1}, {"level": 7}])
def test_a_stored_state_of_another_kind_is_refused(stored):
    with pytest.raises(StateInvalid, match="breaker state has"):
        BreakerState.from_dict(stored)


def steady(cells, now, equity, held, volatility, percentile):
    """Ask for a close whether it certainly changes nothing, before it is fed."""
    limits = breaker_kernels.limits_of_nb.py_func(LIMITS)
    book = breaker_kernels.book_of_nb.py_func(cells)
    today = np.floor(now / 86_400.0)
    book = breaker_kernels.booked_nb.py_func(book, today, equity, equity, held != 0.0)
    return breaker_watch.is_steady_nb.py_func(
        breaker_kernels.level_of_nb.py_func(cells),
        book,
        breaker_watch.bounds_nb(limits),
        limits.look_back,
        now,
        equity,
        volatility,
        percentile,
    )


@examples(100)
@given(PATHS)
def test_a_steady_close_leaves_level_and_factor_as_they_are(path):
    cells, now, equity, factor = state_vector(None), 0.0, 100.0, 1.0
    for change, held, volatility, percentile, days in path:
        now, equity = now + days * 86_400.0, equity * (1.0 + change)
        is_steady = steady(cells, now, equity, held, volatility, percentile)
        before = cells[: breaker_kernels.PEAK].copy(), factor
        factor = breaker_kernels.breaker_next_nb(
            cells, LIMITS, now, equity, held, volatility, percentile, np.nan, np.nan
        )
        if is_steady:
            assert np.array_equal(cells[: breaker_kernels.PEAK], before[0])
            assert factor == before[1]


def test_a_close_of_a_trip_on_its_way_back_is_not_steady():
    cells = state_vector(None)
    for day, equity in ((0.0, 100.0), (1.0, 96.0), (4.0, 96.0)):
        breaker_kernels.breaker_next_nb(
            cells, LIMITS, day * 86_400.0, equity, 1.0, 0.15, 0.5, np.nan, np.nan
        )

    assert cells[breaker_kernels.LEVEL] == 2.0
    assert not steady(cells, 4.5 * 86_400.0, 96.0, 1.0, 0.15, 0.5)


@pytest.mark.parametrize(
    ("path", "is_steady"),
    [
        ([100.0, 101.0, 100.5], True),
        ([100.0, 97.9], False),
        ([100.0, 97.9, 97.8], False),
        ([100.0, 94.9, 95.0, 94.0, 94.5, 94.0, 89.8, 89.9], True),
        ([100.0, 98.5, 97.0, 95.5, 94.0, 92.5, 91.0, 89.9, 89.8], False),
    ],
    ids=["calm", "a loss raises the level", "time falls it", "a halt lasts", "a drawdown asks"],
)
def test_a_close_is_steady_where_nothing_speaks_for_a_level(path, is_steady):
    cells = state_vector(None)
    for day, equity in enumerate(path[:-1]):
        breaker_kernels.breaker_next_nb(
            cells, LIMITS, day * 86_400.0, equity, 1.0, 0.15, 0.5, np.nan, np.nan
        )

    assert steady(cells, 9 * 86_400.0, path[-1], 1.0, 0.15, 0.5) == is_steady
