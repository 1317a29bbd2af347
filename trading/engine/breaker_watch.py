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
    """Lay out for each level from where on a rule asks for it, or at level 0 for the first.

    Cells: percentile, volatility, losses in a row, shares left of the day's and the highest equity.
    """
    bounds = np.empty((4, 5))
    for level in range(4):
        k = max(level - 1, 0)
        bounds[level, 0] = limits.percentile[k]
        bounds[level, 1] = limits.volatility[k]
        bounds[level, 2] = limits.losses[k]
        bounds[level, 3] = left_nb(limits.daily_loss[k], MARGIN)
        bounds[level, 4] = left_nb(limits.drawdown[k], MARGIN)
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

    No rule asks for the level, a trip is not yet over its time and a quiet one has none to take
    back. It divides nothing; where rounding could decide, the answer is no.
    """
    level = int(held.level)
    day_equity, peak, losses = book.day_equity, book.peak, book.streak
    is_asked = (
        (percentile >= bounds[level, 0])
        | (volatility >= bounds[level, 1])
        | (losses >= bounds[level, 2])
        | (not equity > day_equity * bounds[level, 3])
        | (not equity > peak * bounds[level, 4])
        | (not equity > 0.0)
        | (not day_equity > 0.0)
    )
    if is_asked or (held.backoff > 0.0 and now - held.quiet_from >= look_back):
        return False
    return level == 0 or (now < held.until and (level == 1 or now <= held.quiet_from))


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
    book = booked_nb(book, today, equity, equity, is_held)
    if is_steady_nb(held, book, bounds, limits.look_back, now, equity, volatility, percentile):
        return held, book, factor
    held, book = judged_nb(held, book, limits, now, equity, volatility, percentile, np.nan)
    return held, book, factor_nb(held, limits)
