"""A schedule withholds entries by the exchange's clock, on every path alike, and nothing else."""

import datetime as dt
from dataclasses import replace
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from trading.engine import account_loop
from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestConfig, is_compiled, run
from trading.engine.errors import ParameterInvalid
from trading.engine.portfolio_backtest import account_opened
from trading.engine.schedule import (
    MEANINGS,
    is_withheld,
    local_close,
    local_closes,
    schedule_of,
    withheld_bars,
)
from trading.engine.shared_account import Leg, replay
from trading.engine.strategies import STRATEGIES, resolve_params, strategy_get
from trading.engine.types import OrderSide
from trading.tests.engine.laws import length, some, stepping
from trading.tests.engine.test_account_loop import FAST
from trading.tests.engine.walks import random_walk

KEYS = sorted(STRATEGIES)
NEW_YORK = ZoneInfo("America/New_York")
NS = 10**9
WALK = random_walk(8, length(420, quick=320), 0.03)
SMALL = {"sma_cross": {"fast": 5, "slow": 20}, "rsi2_reversion": {"trend_bars": 50}}
OFTEN = {
    "sma_cross": {"sizing": "volatility_target", **SMALL["sma_cross"]},
    "rsi2_reversion": SMALL["rsi2_reversion"],
    "volatility_adaptive_trend": {"no_trade_band": 0.02, "blend_bars": 3, "blend_share": 0.5},
}
ALLOCATION = Allocation()
CLOCK = {"schedule.days": "MON TUE WED", "schedule.from": "10:00", "schedule.until": "15:00"}


def session(n_days):
    """Closes of quarters from 09:45 to 16:00 in New York, over the change to summer time."""
    day, closes = dt.date(2024, 3, 1), []
    for k in range(n_days):
        opened = dt.datetime.combine(day + dt.timedelta(days=k), dt.time(9, 30), tzinfo=NEW_YORK)
        if opened.weekday() < 5:
            steps = [opened.timestamp() + 900 * (j + 1) for j in range(26)]
            closes += [int(step) * NS for step in steps]
    return np.array(closes, dtype=np.int64)


CLOSES = session(30)
INTRADAY = replace(
    WALK,
    timeframe="15m",
    closed_at=CLOSES[: len(WALK)],
    time_zone="America/New_York",
)


def moments(bars):
    return [
        dt.datetime.fromtimestamp(at / NS, dt.UTC).astimezone(NEW_YORK)
        for at in bars.closed_at.tolist()
    ]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("schedule.days", "fri, mon", "MON FRI"),
        ("schedule.days", ["TUE"], "TUE"),
        ("schedule.days", "MON TUE WED THU FRI SAT SUN", None),
        ("schedule.days", "", None),
        ("schedule.from", "9:30", "09:30"),
        ("schedule.from", "00:00", None),
        ("schedule.until", "24:00", None),
        ("schedule.until", "00:00", "00:00"),
        ("schedule.skip_minutes", "30", 30),
        ("schedule.skip_minutes", 0, None),
        ("schedule.every_bars", 5.0, 5),
        ("schedule.every_bars", "1", None),
    ],
)
def test_a_schedule_is_kept_in_one_way_of_writing_and_left_out_where_it_restricts_nothing(
    name, value, kept
):
    found = resolve_params(strategy_get("sma_cross"), {name: value})

    assert found.get(name) == kept
    assert (name in found) == (kept is not None)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("schedule.days", "MON FUN", "some of MON TUE WED THU FRI SAT SUN"),
        ("schedule.days", 3, "some of MON"),
        ("schedule.from", "25:00", "a time from 00:00 to 24:00, written HH:MM"),
        ("schedule.until", "930", "written HH:MM"),
        ("schedule.until", "9:5", "written HH:MM"),
        ("schedule.skip_minutes", 1440, "a whole number from 0 to 1439"),
        ("schedule.every_bars", 2.5, "a whole number from 1 to 1000"),
        ("schedule.every_bars", "often", "a whole number from 1 to 1000"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_its_limit(name, value, rule):
    with pytest.raises(ParameterInvalid, match=rf"parameter {name} of hybrid is .*{rule}"):
        resolve_params(strategy_get("hybrid"), {name: value})


def test_an_unknown_part_of_a_schedule_is_no_parameter():
    with pytest.raises(ParameterInvalid, match=r"no parameter 'schedule\.months'"):
        resolve_params(strategy_get("hybrid"), {"schedule.months": 3})


def test_the_clock_is_that_of_the_exchange_through_summer_time():
    hours = [moment.strftime("%H:%M") for moment in moments(INTRADAY)]

    assert {"09:45", "16:00"} <= set(hours)
    local = local_closes(INTRADAY)
    assert [f"{at // (3600 * NS) % 24:02d}:{at // (60 * NS) % 60:02d}" for at in local] == hours
    assert len({at - close for at, close in zip(local, INTRADAY.closed_at, strict=True)}) == 2
    assert [local_close(INTRADAY, i) for i in range(len(INTRADAY))] == local.tolist()


CLOCKS = [
    CLOCK,
    {"schedule.from": "15:00", "schedule.until": "10:30"},
    {"schedule.skip_minutes": 60},
    {"schedule.days": "FRI", "schedule.skip_minutes": 30},
]


@pytest.mark.parametrize("params", CLOCKS)
def test_one_bar_and_all_bars_are_judged_alike_and_by_the_clock(params):
    schedule = schedule_of(resolve_params(strategy_get("sma_cross"), params))

    withheld = withheld_bars(INTRADAY, schedule)

    assert withheld.tolist() == [is_withheld(INTRADAY, schedule, i) for i in range(len(INTRADAY))]
    assert withheld.tolist() == [not allowed(moment, params) for moment in moments(INTRADAY)]
    assert 0 < withheld.sum() < len(INTRADAY)


def allowed(moment, params):
    """Tell again, from the calendar, whether an entry is allowed at a close."""
    begin, end = params.get("schedule.from", "00:00"), params.get("schedule.until", "24:00")
    clock, day = moment.strftime("%H:%M"), moment.strftime("%a").upper()
    is_within = begin <= clock <= end if begin <= end else clock >= begin or clock <= end
    opened = moment.replace(hour=9, minute=30)
    minutes = (moment - opened).total_seconds() / 60
    return (
        day in params.get("schedule.days", day)
        and is_within
        and minutes >= params.get("schedule.skip_minutes", 0)
    )


def test_what_is_withheld_at_a_bar_hangs_on_no_later_bar():
    for params in CLOCKS:
        schedule = schedule_of(resolve_params(strategy_get("sma_cross"), params))
        whole = withheld_bars(INTRADAY, schedule)

        for cut in (40, 133, 200):
            later = INTRADAY.closed_at.copy()
            later[cut + 1 :] += 7 * 3600 * NS
            other = withheld_bars(replace(INTRADAY, closed_at=later), schedule)
            part = withheld_bars(INTRADAY.until(cut), schedule)

            assert whole[: cut + 1].tolist() == part.tolist() == other[: cut + 1].tolist()


def test_a_daily_bar_is_long_past_the_open_of_its_own_day():
    schedule = schedule_of({"schedule.skip_minutes": 600})

    assert not withheld_bars(WALK, schedule).any()


def params_of(key, **more):
    return {**OFTEN.get(key, {}), **more}


@cache
def played(key, *scheduled, config=BacktestConfig(allows_all_cash=False, quantity_step=1.0)):  # noqa: B008
    return run(INTRADAY, key, params_of(key, **dict(scheduled)), config)


ORDERS = BacktestConfig(
    allows_all_cash=False, quantity_step=1.0, max_participation=0.02, commission_bps=2.0
)
CONFIGS = [BacktestConfig(allows_all_cash=False, quantity_step=1.0), ORDERS]
EVERY = {"schedule.every_bars": 9}
TWINS = [
    (key, params, config)
    for key in KEYS
    for params in (CLOCK, CLOCKS[2], {**CLOCK, **EVERY})
    for config in CONFIGS
]


@pytest.mark.parametrize(("key", "params", "config"), some(TWINS, 3))
def test_every_path_withholds_the_same(key, params, config):
    fast = run(INTRADAY, key, params_of(key, **params), config)
    stepped = run(INTRADAY, key, params_of(key, **params), stepping(config))

    assert fast.fills == stepped.fills
    assert fast.orders == stepped.orders
    assert np.array_equal(fast.equity, stepped.equity)
    assert fast.final_state == stepped.final_state


@pytest.mark.parametrize("key", KEYS)
def test_the_clock_needs_no_step_and_the_distance_does(key):
    spec, config = strategy_get(key), CONFIGS[0]
    clocked, spaced = (resolve_params(spec, params_of(key, **params)) for params in (CLOCK, EVERY))

    assert is_compiled(INTRADAY, spec, clocked, config)
    assert not is_compiled(INTRADAY, spec, spaced, config)


@pytest.mark.slow
@pytest.mark.parametrize("key", sorted(FAST))
def test_the_compiled_account_withholds_what_the_replay_withholds(key):
    legs = [
        Leg(replace(INTRADAY, symbol=symbol), key, {**FAST[key], **CLOCK}) for symbol in ("A", "B")
    ]
    account, clock = account_opened(legs, BacktestConfig(), ALLOCATION)
    assert account_loop.runs_compiled(account)

    equity = account_loop.curve_of(account, clock).equity

    expected, _, _ = replay(account, clock)
    np.testing.assert_allclose(equity, expected, rtol=1e-10)


@pytest.mark.parametrize("key", ["sma_cross", "volatility_adaptive_trend"])
def test_all_that_adds_was_decided_within_the_schedule_and_exits_at_any_time(key):
    free, bound = played(key), played(key, *CLOCK.items())
    at = moments(INTRADAY)

    def decided(result, side):
        pairs = zip(result.signal_bars, result.fills, strict=True)
        return [allowed(at[i], CLOCK) for i, fill in pairs if fill.side is side]

    bought = decided(bound, OrderSide.BUY)
    assert bought
    assert all(bought)
    assert not all(decided(bound, OrderSide.SELL))
    assert not all(decided(free, OrderSide.BUY))


def test_additions_lie_as_many_bars_apart_as_asked():
    key = "volatility_adaptive_trend"
    free, spaced = played(key), played(key, *EVERY.items())

    def added(result):
        pairs = zip(result.signal_bars, result.fills, strict=True)
        return np.array([i for i, fill in pairs if fill.side is OrderSide.BUY])

    assert np.diff(added(free)).min() < 9
    assert np.diff(added(spaced)).min() >= 9
    assert added(spaced)[0] == added(free)[0]
    assert spaced.final_state.added_at == INTRADAY.closed_at[added(spaced)[-1]]


@pytest.mark.parametrize("key", KEYS)
def test_a_schedule_that_restricts_nothing_changes_no_bit(key):
    everything = dict.fromkeys(MEANINGS, "")
    everything |= {"schedule.from": "00:00", "schedule.until": "24:00", "schedule.every_bars": 1}
    plain, scheduled = played(key), played(key, *everything.items())

    assert scheduled.params == plain.params
    assert scheduled.fills == plain.fills
    assert np.array_equal(scheduled.equity, plain.equity)
    assert scheduled.final_state == plain.final_state


def test_a_withheld_entry_says_by_what_and_when():
    config = replace(CONFIGS[0], keeps_decisions=True)
    decisions = played("volatility_adaptive_trend", *CLOCK.items(), config=config).decisions

    withheld = [one for one in decisions if one.blocked_by == "OFF_SCHEDULE"]
    assert withheld
    assert "; outside its schedule: " in withheld[0].reason
    assert "What would have changed it: a close within its schedule; " in withheld[0].would_change
    line = next(line for line in withheld[0].parameters if line.name == "entries")
    assert (line.base, line.now) == ("allowed", "withheld")
    moment = moments(INTRADAY)[withheld[0].bar]
    assert line.because == (
        f"{moment:%a %H:%M} exchange time is outside its schedule: Mon, Tue, Wed, 10:00 to 15:00"
    )
    rules = {rule.rule: rule for rule in withheld[0].rules}
    assert str(rules["OFF_SCHEDULE"].status) == "FAIL"
    assert rules["OFF_SCHEDULE"].sentence.startswith("outside its schedule: ")
    said = {line.now for one in decisions for line in one.parameters if line.name == "entries"}
    assert said == {"allowed", "withheld"}


def test_an_entry_too_soon_after_the_last_one_says_so():
    config = replace(CONFIGS[0], keeps_decisions=True)
    decisions = played("volatility_adaptive_trend", *EVERY.items(), config=config).decisions

    withheld = [one for one in decisions if one.blocked_by == "TOO_SOON"]
    assert "; too soon by its schedule: " in withheld[0].reason
    assert "at most every 9 bars" in next(
        line.because for line in withheld[0].parameters if line.name == "entries"
    )
