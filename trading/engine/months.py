"""Calendar months of an account: what each returned, and what is left without the best of them.

INPUT    times (int64 ns, UTC) and marked equity per bar, the cash before the first bar
OUTPUT   a month and a return for each calendar month that holds a bar
LOOKBACK the whole run
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from trading.engine.kernels import FloatArray, IntArray


class MonthReturn(NamedTuple):
    """Return of one calendar month; `month` counts 1 to 12."""

    year: int
    month: int
    value: float

    @property
    def name(self) -> str:
        """Return the month in words, as in ``Mar 2020``."""
        return f"{calendar.month_abbr[self.month]} {self.year}"


def month_returns(closed_at: IntArray, equity: FloatArray, cash: float) -> list[MonthReturn]:
    """Compute the return of each calendar month (UTC), from the last bar before it to its own last.

    Parameters
    ----------
    closed_at : int64, shape (n_bars,)
        Nanoseconds, ascending.
    equity : float64, shape (n_bars,)
        Currency, > 0.
    cash : float
        Before the first bar, > 0.

    Returns
    -------
    list of MonthReturn
        Oldest first; a month without a bar is not in it.

    Examples
    --------
    >>> day = 86_400 * 10**9
    >>> times = np.array([29, 30, 31]) * day
    >>> month_returns(times, np.array([105.0, 110.0, 121.0]), 100.0)[1]
    MonthReturn(year=1970, month=2, value=0.10000000000000009)
    """
    months = closed_at.astype("datetime64[ns]").astype("datetime64[M]")
    last = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    ends = equity[last]
    starts = np.concatenate(([cash], ends[:-1]))
    return [
        MonthReturn(month.year, month.month, float(value))
        for month, value in zip(months[last].astype(object), ends / starts - 1.0, strict=True)
    ]


def compounded(returns: Iterable[float]) -> float:
    """Return what returns one after another come to.

    Examples
    --------
    >>> compounded([1.0, -0.5])
    0.0
    """
    return math.prod(1.0 + value for value in returns) - 1.0
