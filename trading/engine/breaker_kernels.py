"""The circuit breaker's arithmetic; see `engine.breaker` for what it means.

INPUT    a vector of limits, what the breaker remembers, one close
OUTPUT   the size factor, and what the breaker remembers next
LOOKBACK none

The bar loop carries `Level` and `Book` in registers (see `breaker_watch`); everybody else keeps
them in one vector that `breaker_next_nb` moves on in place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine.kernels import FloatArray, inlined, kernel

DAY_S = 86_400.0

# Cells of the state vector: the fields of `Level`, then those of `Book`.
LEVEL, UNTIL, SINCE, RULE, VALUE, LIMIT, BACKOFF, QUIET_FROM, N_TRIPS = 0, 1, 2, 3, 4, 5, 6, 7, 8
PEAK, DAY, DAY_EQUITY, LAST_EQUITY, STREAK, IS_HOLDING, FLAT_EQUITY = 9, 10, 11, 12, 13, 14, 15
N_CELLS = 16

# Cells of the settings vector: six rules with three limits each, then the rest.
FACTORS, COOL_DOWNS, CAP, LOOK_BACK = 18, 21, 24, 25


Triple = tuple[float, float, float]


class Level(NamedTuple):
    """Which level holds, why and how long: times in seconds UTC, the rule counted from 1.

    Rule, value and limit are those that ask for the level at this close, or, while none does, that
    did so last; all 0 where the level is only one on the way back.
    """

    level: float
    until: float
    since: float
    rule: float
    value: float
    limit: float
    backoff: float
    quiet_from: float
    n_trips: float


class Book(NamedTuple):
    """What losses are measured against: equities in currency, the day in days UTC."""

    peak: float
    day: float
    day_equity: float
    last_equity: float
    streak: float
    is_holding: float
    flat_equity: float


class Measured(NamedTuple):
    """What the six rules look at, in the order of `RULE_NAMES`; a NaN is not known."""

    percentile: float
    volatility: float
    daily_loss: float
    drawdown: float
    losses: float
    correlation: float


class Asked(NamedTuple):
    """The level a rule asks for, which rule, what it saw and the limit that was reached."""

    level: int
    rule: float
    value: float
    limit: float


class Limits(NamedTuple):
    """The settings as the bar loop reads them: three limits per rule, then what each level brings.

    A vector would be counted as in use at every bar, which costs more than the rules themselves.
    """

    percentile: Triple
    volatility: Triple
    daily_loss: Triple
    drawdown: Triple
    losses: Triple
    correlation: Triple
    factors: Triple
    cool_downs: Triple
    cap: float
    look_back: float


@inlined
def at_nb(triple: Triple, level: int) -> float:
    """Return what belongs to level 1, 2 or 3."""
    if level == 1:
        return triple[0]
    return triple[1] if level == 2 else triple[2]


@inlined
def asked_nb(limits: Triple, value: float) -> int:
    """Return the level one rule asks for; a NaN asks for nothing."""
    # Limits rise, so their number below the value is the level; a NaN is below none.
    return int(value >= limits[0]) + int(value >= limits[1]) + int(value >= limits[2])


@inlined
def worse_nb(worst: Asked, limits: Triple, value: float, rule: float) -> Asked:
    """Return what one more rule asks for where it is worse; of two equals the first speaks."""
    if not value >= limits[0]:
        return worst
    level = asked_nb(limits, value)
    return Asked(level, rule, value, at_nb(limits, level)) if level > worst.level else worst


@inlined
def worst_nb(measured: Measured, limits: Limits) -> Asked:
    """Return the worst level that the measured values ask for."""
    worst = Asked(0, 0.0, 0.0, 0.0)
    worst = worse_nb(worst, limits.percentile, measured.percentile, 1.0)
    worst = worse_nb(worst, limits.volatility, measured.volatility, 2.0)
    worst = worse_nb(worst, limits.daily_loss, measured.daily_loss, 3.0)
    worst = worse_nb(worst, limits.drawdown, measured.drawdown, 4.0)
    worst = worse_nb(worst, limits.losses, measured.losses, 5.0)
    return worse_nb(worst, limits.correlation, measured.correlation, 6.0)


@inlined
def booked_nb(book: Book, today: float, equity: float, own: float, is_held: bool) -> Book:
    """Bring day, peak and streak up to this close; `today` is its day, counted from 1970.

    `own` is what tells a trip that won from one that lost: equity, or where that is an account's,
    what the book alone has made.
    """
    peak, day, day_equity, last_equity, streak, is_holding, flat_equity = book
    if peak == 0.0:
        peak = day_equity = last_equity = equity
        flat_equity = own
        day = today
    if today != day:
        day = today
        day_equity = last_equity
    if equity > peak:
        peak = equity
    if not is_held:
        if is_holding != 0.0:
            streak = streak + 1.0 if own < flat_equity else 0.0
        flat_equity = own
    is_holding = 1.0 if is_held else 0.0
    return Book(peak, day, day_equity, equity, streak, is_holding, flat_equity)


@inlined
def lost_nb(equity: float, before: float) -> float:
    """Return what was lost as a fraction of an equity; of nothing, all of it."""
    # A book that has lost everything has lost all of its day, whatever the division says.
    return 1.0 - equity / before if before > 0.0 else 1.0


@inlined
def doubled_nb(value: float, times: float) -> float:
    """Double a value so many times; a power would be a call that empties every register."""
    while times >= 1.0:
        value *= 2.0
        times -= 1.0
    return value


@inlined
def risen_nb(held: Level, limits: Limits, now: float, asked: Asked) -> Level:
    """Reach a higher level, for its cool-down times the doublings there are."""
    backoff, quiet_from, n_trips = held.backoff, held.quiet_from, held.n_trips
    cool_down = doubled_nb(at_nb(limits.cool_downs, asked.level), backoff)
    until = now + min(cool_down, limits.cap)
    if asked.level >= 2:
        quiet_from = until
        n_trips += 1.0
        if cool_down < limits.cap:
            backoff += 1.0
    level = float(asked.level)
    return Level(
        level, until, now, asked.rule, asked.value, asked.limit, backoff, quiet_from, n_trips
    )


@inlined
def named_nb(held: Level, asked: Asked) -> Level:
    """Name the rule that asks for the held level at this close; nothing for a level it does not."""
    level, until, since, _, _, _, backoff, quiet_from, n_trips = held
    speaks = float(asked.level) == level
    rule = asked.rule if speaks else 0.0
    value = asked.value if speaks else 0.0
    limit = asked.limit if speaks else 0.0
    return Level(level, until, since, rule, value, limit, backoff, quiet_from, n_trips)


@inlined
def fallen_nb(held: Level, limits: Limits, now: float, asked: Asked) -> Level:
    """Fall by one level; what is left above NORMAL holds for the shortest cool-down."""
    level, _, _, rule, value, limit, backoff, quiet_from, n_trips = held
    until = now + limits.cool_downs[0] if level > 1.0 else now
    fallen = Level(level - 1.0, until, now, rule, value, limit, backoff, quiet_from, n_trips)
    return named_nb(fallen, asked)


@inlined
def quieted_nb(held: Level, limits: Limits, now: float) -> Level:
    """Take a doubling back for each look-back without a trip; a trip that lasts is not quiet."""
    level, until, since, rule, value, limit, backoff, quiet_from, n_trips = held
    if level >= 2.0:
        quiet_from = max(quiet_from, now)
    while backoff > 0.0 and now - quiet_from >= limits.look_back:
        backoff -= 1.0
        quiet_from += limits.look_back
    return Level(level, until, since, rule, value, limit, backoff, quiet_from, n_trips)


@inlined
def factor_nb(held: Level, limits: Limits) -> float:
    """Return the share of the size that a level leaves."""
    return 1.0 if held.level == 0.0 else at_nb(limits.factors, int(held.level))


@inlined
def judged_nb(
    held: Level,
    book: Book,
    limits: Limits,
    now: float,
    equity: float,
    volatility: float,
    percentile: float,
    correlation: float,
) -> tuple[Level, Book]:
    """Move the level on by a close that is booked; return what the breaker remembers.

    `now` is the close in seconds UTC; a NaN volatility, percentile or correlation is not known.
    """
    daily_loss = lost_nb(equity, book.day_equity)
    drawdown = lost_nb(equity, book.peak)
    held = quieted_nb(held, limits, now)
    if held.level == 3.0 and now >= held.until:
        # Re-entry: drawdown and streak are measured from here on.
        drawdown = 0.0
        _, day, day_equity, last_equity, _, is_holding, flat_equity = book
        book = Book(equity, day, day_equity, last_equity, 0.0, is_holding, flat_equity)
    measured = Measured(percentile, volatility, daily_loss, drawdown, book.streak, correlation)
    asked = worst_nb(measured, limits)
    if asked.level > held.level:
        held = risen_nb(held, limits, now, asked)
    elif asked.level == held.level:
        held = named_nb(held, asked)
    elif now >= held.until:
        held = fallen_nb(held, limits, now, asked)
    return held, book


@inlined
def triple_nb(config: FloatArray, first: int) -> Triple:
    """Read three cells from ``first`` on."""
    return config[first], config[first + 1], config[first + 2]


@inlined
def limits_of_nb(config: FloatArray) -> Limits:
    """Read the settings out of their vector; an empty one asks for nothing and takes nothing."""
    if config.shape[0] == 0:
        none, all_of_it = (np.inf, np.inf, np.inf), (1.0, 1.0, 1.0)
        return Limits(none, none, none, none, none, none, all_of_it, none, np.inf, np.inf)
    return Limits(
        triple_nb(config, 0),
        triple_nb(config, 3),
        triple_nb(config, 6),
        triple_nb(config, 9),
        triple_nb(config, 12),
        triple_nb(config, 15),
        triple_nb(config, FACTORS),
        triple_nb(config, COOL_DOWNS),
        config[CAP],
        config[LOOK_BACK],
    )


@inlined
def level_of_nb(cells: FloatArray) -> Level:
    """Read the level's part of a state vector."""
    return Level(
        cells[LEVEL],
        cells[UNTIL],
        cells[SINCE],
        cells[RULE],
        cells[VALUE],
        cells[LIMIT],
        cells[BACKOFF],
        cells[QUIET_FROM],
        cells[N_TRIPS],
    )


@inlined
def book_of_nb(cells: FloatArray) -> Book:
    """Read the book's part of a state vector."""
    return Book(
        cells[PEAK],
        cells[DAY],
        cells[DAY_EQUITY],
        cells[LAST_EQUITY],
        cells[STREAK],
        cells[IS_HOLDING],
        cells[FLAT_EQUITY],
    )


@inlined
def breaker_remember_nb(cells: FloatArray, held: Level, book: Book) -> None:
    """Write both parts back."""
    for k in range(len(held)):
        cells[k] = held[k]
    for k in range(len(book)):
        cells[PEAK + k] = book[k]


@kernel
def breaker_next_nb(
    cells: FloatArray,
    config: FloatArray,
    now: float,
    equity: float,
    quantity: float,
    volatility: float,
    percentile: float,
    correlation: float,
    own: float,
) -> float:
    """Move a state vector on by one close, in place, and return the size factor; see `booked_nb`.

    A NaN `own` is the equity.
    """
    limits = limits_of_nb(config)
    own = equity if np.isnan(own) else own
    book = booked_nb(book_of_nb(cells), np.floor(now / DAY_S), equity, own, quantity != 0.0)
    held, book = judged_nb(
        level_of_nb(cells), book, limits, now, equity, volatility, percentile, correlation
    )
    breaker_remember_nb(cells, held, book)
    return float(factor_nb(held, limits))
