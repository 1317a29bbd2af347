"""The circuit breaker along a series: closes that certainly change nothing are told apart first.

INPUT    what the breaker remembers, its limits, one close
OUTPUT   the size factor, and what the breaker remembers next, equal to `breaker_kernels`
LOOKBACK none
"""

from __future__ import annotations

import numpy as np

from trading.engine.breaker_kernels import Book, Level, Limits, booked_nb, factor_nb, judged_nb
from trading.engine.kernels import FloatArray, inlined, kernel

# Beyond the rounding of two divisions and a difference.
MARGIN = 1e-12


@inlined
def left_nb(limit: float, margin: float) -> float:
    """Return the share of an equity that is left where a loss is at its limit, and a margin."""
    return 1.0 - limit + margin * (1.0 + limit)


@kernel
def bounds_nb(limits: Limits) -> FloatArray:
    """Lay out for each level the bounds that `is_steady_nb` reads.

    The first five cells of a row raise the level, the other five keep it from falling: percentile,
    volatility, losses in a row, and the shares left of the day's and of the highest equity.
    """
    bounds = np.full((4, 10), np.inf)
    # From level 3 nothing raises; to level 0 nothing falls; level 3 is judged once it is over.
    bounds[3, 3:5] = -np.inf
    bounds[:, 8:] = -np.inf
    bounds[0, 7] = -np.inf
    for level in range(3):
        bounds[level, 0] = limits.percentile[level]
        bounds[level, 1] = limits.volatility[level]
        bounds[level, 2] = limits.losses[level]
        bounds[level, 3] = left_nb(limits.daily_loss[level], MARGIN)
        bounds[level, 4] = left_nb(limits.drawdown[level], MARGIN)
    for level in range(2):
        bounds[level + 1, 5] = limits.percentile[level]
        bounds[level + 1, 6] = limits.volatility[level]
        bounds[level + 1, 7] = limits.losses[level]
        bounds[level + 1, 8] = left_nb(limits.daily_loss[level], -MARGIN)
        bounds[level + 1, 9] = left_nb(limits.drawdown[level], -MARGIN)
    return bounds


@inlined
def is_steady_nb(
    held: Level,
    book: Book,
    bounds: FloatArray,
    look_back: float,
    now: float,
    equity: float,
    volatility: float,
    percentile: float,
) -> bool:
    """Tell whether a booked close certainly changes nothing: then `judged_nb` need not be asked.

    It divides nothing; where rounding could decide, the answer is no.
    """
    level = int(held.level)
    day_equity, peak, losses = book.day_equity, book.peak, book.streak
    is_raised = (
        (percentile >= bounds[level, 0])
        | (volatility >= bounds[level, 1])
        | (losses >= bounds[level, 2])
        | (not equity > day_equity * bounds[level, 3])
        | (not equity > peak * bounds[level, 4])
        | (not equity > 0.0)
        | (not day_equity > 0.0)
    )
    if is_raised or (held.backoff > 0.0 and now - held.quiet_from >= look_back):
        return False
    is_kept = (
        (losses >= bounds[level, 7])
        | (percentile >= bounds[level, 5])
        | (volatility >= bounds[level, 6])
        | (equity < day_equity * bounds[level, 8])
        | (equity < peak * bounds[level, 9])
    )
    return is_kept or now < held.until


@inlined
def watched_nb(
    held: Level,
    book: Book,
    factor: float,
    limits: Limits,
    bounds: FloatArray,
    now: float,
    today: float,
    equity: float,
    is_held: bool,
    volatility: float,
    percentile: float,
) -> tuple[Level, Book, float]:
    """Move the breaker on by one close of an account of its own; see `breaker_next_nb`."""
    book = booked_nb(book, today, equity, is_held)
    if is_steady_nb(held, book, bounds, limits.look_back, now, equity, volatility, percentile):
        return held, book, factor
    held, book = judged_nb(held, book, limits, now, equity, volatility, percentile, np.nan)
    return held, book, factor_nb(held, limits)
