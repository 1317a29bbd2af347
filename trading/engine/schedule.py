"""When a strategy may enter: days of the week, hours, minutes after the open, bars in between.

INPUT    close times of bars in exchange time, a strategy's parameters `schedule.*`
OUTPUT   whether entries and increases are withheld at a close, and why
LOOKBACK the closes of the bar's own day; `every_bars` looks back to the last addition

What is judged is the close that decides; its order meets the next bar, wherever that lies. A
schedule withholds as a pause does: exits, stops, targets, holding limits and the circuit breaker
go on. Bars that do not tell their time zone are read in UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from marketdata.types import TIMEFRAME_SECONDS, Bars, IntArray
from trading.engine.breaker import NS
from trading.engine.errors import ParameterInvalid
from trading.engine.kernels import FloatArray
from trading.engine.once import once_per_bars
from trading.engine.rules import SIGNALS, WITHHOLDS

MINUTE_NS, QUARTER_NS, DAY_NS = 60 * NS, 900 * NS, 86_400 * NS
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
# 1970-01-01 was a Thursday.
FIRST_WEEKDAY = 3
MINUTES_PER_DAY = 1440
MOST_BARS = 1000

ON_DAYS, FROM, UNTIL = "schedule.days", "schedule.from", "schedule.until"
SKIP_MINUTES, EVERY_BARS = "schedule.skip_minutes", "schedule.every_bars"
MEANINGS: Mapping[str, str] = {
    ON_DAYS: "Enter only at closes of these days, exchange time: MON TUE WED THU FRI SAT SUN",
    FROM: "Enter only at closes from this time on, exchange time, HH:MM",
    UNTIL: "Enter only at closes up to this time, exchange time, HH:MM; past midnight too",
    SKIP_MINUTES: "No entry so many minutes from the open of the day's first bar, 1 to 1439",
    EVERY_BARS: f"Closes from one entry or increase to the next, at least; 2 to {MOST_BARS}",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a strategy may add to what it holds.

    Attributes
    ----------
    days : int
        Bit k for day k of the week, Monday 0.
    first_minute, last_minute : int
        Minutes of the day, both included; a first after the last goes past midnight.
    skip_minutes : int
        From the open of the day's first bar.
    every_bars : int
        Least distance of two closes that add.
    """

    days: int
    first_minute: int
    last_minute: int
    skip_minutes: int
    every_bars: int

    @property
    def words(self) -> str:
        """Say what it allows.

        Examples
        --------
        >>> schedule_of({"schedule.days": "MON FRI", "schedule.until": "15:30"}).words
        'Mon, Fri, 00:00 to 15:30'
        """
        parts = []
        if self.days != ALL_DAYS:
            parts.append(", ".join(DAYS[k].title() for k in range(7) if self.days >> k & 1))
        if (self.first_minute, self.last_minute) != (0, MINUTES_PER_DAY):
            parts.append(f"{_clock(self.first_minute)} to {_clock(self.last_minute)}")
        if self.skip_minutes:
            parts.append(f"not within {self.skip_minutes} minutes of the open")
        if self.every_bars > 1:
            parts.append(f"at most every {self.every_bars} bars")
        return ", ".join(parts)


ALL_DAYS = 2 ** len(DAYS) - 1


def schedule_convert(strategy_key: str, name: str, value: object) -> int | str | None:
    """Convert one value of a schedule; None where it restricts nothing.

    Parameters
    ----------
    strategy_key : str
        For the sentence of a refusal.
    name : str
        One of `MEANINGS`.
    value : object
        Text as typed, a list of days, or a number.

    Returns
    -------
    int, str or None
        Days in order of the week, times as HH:MM.

    Raises
    ------
    ParameterInvalid
        Naming parameter, value and what is allowed.

    Examples
    --------
    >>> schedule_convert("hybrid", "schedule.days", "fri, Mon")
    'MON FRI'
    >>> [schedule_convert("hybrid", "schedule.from", text) for text in ("9:30", "0:00")]
    ['09:30', None]
    """
    place = f"parameter {name} of {strategy_key} is {value!r:.60}"
    if value is None or value == "":
        return None
    if name == ON_DAYS:
        return _days(place, value)
    if name in (FROM, UNTIL):
        minute = _minute(place, value)
        return None if minute == (0 if name == FROM else MINUTES_PER_DAY) else _clock(minute)
    low, high = (0, MINUTES_PER_DAY - 1) if name == SKIP_MINUTES else (1, MOST_BARS)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not low <= number <= high or number != int(number):
        raise ParameterInvalid(f"{place}; it must be a whole number from {low} to {high}")
    return None if number == low else int(number)


def _days(place: str, value: object) -> str | None:
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    found = {str(name).upper() for name in names} if isinstance(names, list | tuple) else set()
    if not found or found - set(DAYS):
        raise ParameterInvalid(f"{place}; it must be some of {' '.join(DAYS)}")
    return None if len(found) == len(DAYS) else " ".join(day for day in DAYS if day in found)


def _minute(place: str, value: object) -> int:
    hours, colon, minutes = str(value).strip().partition(":")
    is_time = colon and hours.isdecimal() and minutes.isdecimal()
    if is_time and len(hours) <= 2 and len(minutes) == 2 and int(minutes) < 60:
        minute = 60 * int(hours) + int(minutes)
        if minute <= MINUTES_PER_DAY:
            return minute
    raise ParameterInvalid(f"{place}; it must be a time from 00:00 to 24:00, written HH:MM")


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def schedule_of(params: Mapping[str, Any]) -> Schedule | None:
    """Read the schedule of a strategy from its parameters; None where it has none.

    Examples
    --------
    >>> schedule_of({"fast": 5}) is None
    True
    """
    given = tuple([params.get(name) for name in MEANINGS])
    return None if given == _NONE else _schedule(*given)


_NONE = (None,) * len(MEANINGS)


@lru_cache(maxsize=64)
def _schedule(
    days: str | None, begin: str | None, end: str | None, skip: int | None, every: int | None
) -> Schedule:
    chosen = DAYS if days is None else days.split()
    return Schedule(
        sum(1 << DAYS.index(day) for day in chosen),
        0 if begin is None else _minute(FROM, begin),
        MINUTES_PER_DAY if end is None else _minute(UNTIL, end),
        skip or 0,
        every or 1,
    )


def is_withheld(bars: Bars, schedule: Schedule, i: int) -> bool:
    """Tell whether the clock withholds additions at the close of bar ``i``.

    Parameters
    ----------
    bars : Bars
        Only closes up to ``i`` are read.
    schedule : Schedule
        Its `every_bars` is not the clock's; see `is_too_soon`.
    i : int
        0 <= i < n_bars.

    Returns
    -------
    bool
        What `withheld_bars` has at ``i``.
    """
    return bool(_faults(bars, schedule, int(bars.closed_at[i]), local_close(bars, i)))


@once_per_bars
def withheld_bars(bars: Bars, schedule: Schedule) -> NDArray[np.bool_]:
    """Tell of every bar whether the clock withholds additions at its close; not to be written.

    Returns
    -------
    bool, shape (n_bars,)
        Value at i uses the closes 0..i only.
    """
    return np.asarray(_faults(bars, schedule, bars.closed_at, local_closes(bars)))


def is_too_soon(bars: Bars, schedule: Schedule, i: int, added_at: int) -> bool:
    """Tell whether bar ``i`` is too near the close that added last; never without one.

    Examples
    --------
    >>> price = np.ones(4)
    >>> bars = Bars("X", "1d", np.arange(4) + 10, price, price, price, price, price)
    >>> weekly = schedule_of({"schedule.every_bars": 2})
    >>> [is_too_soon(bars, weekly, i, added_at=11) for i in (1, 2, 3)]
    [True, True, False]
    """
    if schedule.every_bars <= 1 or added_at <= 0:
        return False
    return i - int(np.searchsorted(bars.closed_at[: i + 1], added_at)) < schedule.every_bars


def withheld_rows(rows: FloatArray, bars: Bars, params: Mapping[str, Any]) -> FloatArray:
    """Mark in the rows of a `rules.RuleTable` the bars at which the clock withholds additions.

    Parameters
    ----------
    rows : float64, shape (n_bars, 8)
        Left as they are.
    bars : Bars
        Theirs.
    params : mapping
        The strategy's.

    Returns
    -------
    float64, shape (n_bars, 8)
        The same array where there is no schedule; otherwise a copy with the same layout.
    """
    schedule = schedule_of(params)
    if schedule is None:
        return rows
    marked = rows.copy(order="K")
    marked[:, SIGNALS] += WITHHOLDS * withheld_bars(bars, schedule)
    return marked


def moment_text(bars: Bars, i: int) -> str:
    """Write the close of bar ``i`` as the exchange's clock shows it.

    Examples
    --------
    >>> price = np.ones(1)
    >>> bars = Bars("X", "1d", np.array([72_000 * NS]), *[price] * 5, time_zone="America/New_York")
    >>> moment_text(bars, 0)
    'Thu 15:00 exchange time'
    """
    local = local_close(bars, i)
    day = DAYS[(local // DAY_NS + FIRST_WEEKDAY) % 7].title()
    zone = "exchange time" if bars.time_zone else "UTC"
    return f"{day} {_clock(local % DAY_NS // MINUTE_NS)} {zone}"


def local_close(bars: Bars, i: int) -> int:
    """Return the close of bar ``i`` on the exchange's clock, nanoseconds since 1970 there."""
    at = int(bars.closed_at[i])
    return at + _offset(bars.time_zone, at // QUARTER_NS)


@once_per_bars
def local_closes(bars: Bars) -> IntArray:
    """Return every close on the exchange's clock, int64 of shape (n_bars,); not to be written."""
    quarters = bars.closed_at // QUARTER_NS
    begins = np.flatnonzero(np.diff(quarters, prepend=quarters[0] - 1))
    offsets = [_offset(bars.time_zone, int(quarter)) for quarter in quarters[begins]]
    lengths = np.diff(begins, append=len(bars))
    return bars.closed_at + np.repeat(np.array(offsets, dtype=np.int64), lengths)


@lru_cache(maxsize=4096)
def _offset(time_zone: str, quarter: int) -> int:
    """Return how far a zone's clock is ahead of UTC within a quarter of an hour, nanoseconds."""
    if time_zone in ("", "UTC"):
        return 0
    ahead = dt.datetime.fromtimestamp(quarter * 900, ZoneInfo(time_zone)).utcoffset()
    return 0 if ahead is None else int(ahead.total_seconds()) * NS


def _faults(bars: Bars, schedule: Schedule, closed_at: Any, local: Any) -> Any:
    """Judge one close or all of them: the operators are those of numbers and of arrays."""
    day = (local // DAY_NS + FIRST_WEEKDAY) % 7
    minute = local % DAY_NS // MINUTE_NS
    is_from, is_until = minute >= schedule.first_minute, minute <= schedule.last_minute
    goes_on = schedule.first_minute > schedule.last_minute
    is_within = (is_from | is_until) if goes_on else (is_from & is_until)
    is_allowed = ((schedule.days >> day & 1) == 1) & is_within
    if schedule.skip_minutes:
        is_allowed = is_allowed & (
            _since_open(bars, closed_at, local) >= schedule.skip_minutes * MINUTE_NS
        )
    return is_allowed ^ True


def _since_open(bars: Bars, closed_at: Any, local: Any) -> Any:
    """Return the time since the first bar of the day opened, nanoseconds.

    A bar that closes at midnight is the last of the day before.
    """
    midnight = closed_at - ((local - 1) % DAY_NS + 1)
    first = bars.closed_at[np.searchsorted(bars.closed_at, midnight, "right")]
    return closed_at - first + TIMEFRAME_SECONDS.get(bars.timeframe, 0) * NS
