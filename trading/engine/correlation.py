"""How much an instrument moves with what else a portfolio holds: what the circuit breaker asks.

INPUT    closes of one instrument and of the others held, signed quantities, a moment
OUTPUT   the mean of the pairs' correlations in [-1, 1], NaN where not known
LOOKBACK the last `WINDOW_RETURNS` returns up to the moment; nothing that closed later is read

Markets close at different times and on different days. Two series are therefore compared by
refresh times, from the newest back: a point is the first moment at which both have closed anew. A
day off of one market is then one longer return in both, not a return of zero beside the other's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from marketdata.types import Bars
from trading.engine.kernels import FloatArray, IntArray, kernel

# A quarter of trading days: long enough for a figure, short enough to notice a crisis.
WINDOW_RETURNS = 63


def mean_correlation(
    bars: Bars, quantity: float, others: Sequence[tuple[Bars, float]], now: int
) -> float:
    """Average the correlations of an instrument with each other one that is held.

    Parameters
    ----------
    bars : Bars
        Of the instrument about to be decided on.
    quantity : float
        Units held of it, signed; flat counts as long, which an entry would most often be.
    others : sequence of Bars and float
        The other instruments with their signed quantities; those of 0 are left out.
    now : int
        Moment of the decision, nanoseconds UTC; later closes are not read.

    Returns
    -------
    float
        Mean over the pairs, in [-1, 1]; an opposite side turns a pair's sign, because it hedges.
        NaN where nothing else is held or no pair has 63 common returns that vary.

    References
    ----------
    Barndorff-Nielsen et al., Multivariate realised kernels, J. Econometrics 162 (2011): refresh
    times.

    Examples
    --------
    >>> steps = 0.01 * np.cos(np.arange(70.0) ** 2)
    >>> at = np.arange(70) * 86_400_000_000_000
    >>> def series(symbol, returns):
    ...     close = 100.0 * np.exp(np.cumsum(returns))
    ...     return Bars(symbol, "1d", at, close, close, close, close, np.zeros(70))
    >>> own, same = series("A", steps), series("B", 2.0 * steps)
    >>> now = int(at[-1])
    >>> round(mean_correlation(own, 0.0, [(same, 5.0)], now), 9)
    1.0
    >>> round(mean_correlation(own, 10.0, [(same, -5.0)], now), 9)
    -1.0
    >>> mean_correlation(own, 10.0, [], now)
    nan
    """
    side = -1.0 if quantity < 0.0 else 1.0
    pairs = [
        math.copysign(1.0, side * held)
        * pair_correlation_nb(
            bars.closed_at, bars.close, other.closed_at, other.close, now, WINDOW_RETURNS
        )
        for other, held in others
        if held != 0.0
    ]
    known = [pair for pair in pairs if not math.isnan(pair)]
    # An exact sum does not depend on the order of the others.
    return math.fsum(known) / len(known) if known else math.nan


@kernel
def pair_correlation_nb(
    first_at: IntArray,
    first: FloatArray,
    second_at: IntArray,
    second: FloatArray,
    now: int,
    window: int,
) -> float:
    """Correlate the last `window` log returns of two series between their refresh times.

    NaN where one of them has too few closes by `now`, or did not move.
    """
    i = int(np.searchsorted(first_at, now, side="right")) - 1
    j = int(np.searchsorted(second_at, now, side="right")) - 1
    x = np.empty(window)
    y = np.empty(window)
    later_first = np.nan
    later_second = np.nan
    for k in range(window + 1):
        if i < 0 or j < 0:
            return np.nan
        # What closed more than once since the other's close is taken at the first of these.
        while i > 0 and first_at[i - 1] >= second_at[j]:
            i -= 1
        while j > 0 and second_at[j - 1] >= first_at[i]:
            j -= 1
        if k > 0:
            x[k - 1] = math.log(later_first / first[i])
            y[k - 1] = math.log(later_second / second[j])
        later_first = first[i]
        later_second = second[j]
        older = min(first_at[i], second_at[j])
        while i >= 0 and first_at[i] >= older:
            i -= 1
        while j >= 0 and second_at[j] >= older:
            j -= 1
    return pearson_nb(x, y)


@kernel
def pearson_nb(x: FloatArray, y: FloatArray) -> float:
    """Correlate two samples of the same length; NaN where one does not vary."""
    n = x.shape[0]
    mean_x = 0.0
    mean_y = 0.0
    for k in range(n):
        mean_x += x[k] / n
        mean_y += y[k] / n
    shared = 0.0
    own_x = 0.0
    own_y = 0.0
    for k in range(n):
        shared += (x[k] - mean_x) * (y[k] - mean_y)
        own_x += (x[k] - mean_x) * (x[k] - mean_x)
        own_y += (y[k] - mean_y) * (y[k] - mean_y)
    scale = math.sqrt(own_x) * math.sqrt(own_y)
    if not scale > 0.0:
        return np.nan
    return float(min(max(shared / scale, -1.0), 1.0))
