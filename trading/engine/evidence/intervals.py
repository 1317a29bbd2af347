"""Intervals for averages of trades whose outcomes hang together within a month.

INPUT    one value per trade and the month of its signal
OUTPUT   lower and upper bounds
LOOKBACK everything given
"""

from __future__ import annotations

import math

import numpy as np

from trading.engine.kernels import FloatArray, IntArray
from trading.engine.metrics import Interval

N_BOOTSTRAP = 2_000
LEVEL = 0.95


def month_block_interval(
    values: FloatArray, months: IntArray, seed: int, *, n_draws: int = N_BOOTSTRAP
) -> Interval:
    """Bootstrap the mean by drawing whole months, so trades of one month stay together.

    Parameters
    ----------
    values : float64, shape (n_trades,)
        For instance 1 for a win and 0 for a loss.
    months : int64, shape (n_trades,)
        Month number of each trade.
    seed : int
        Of the generator; the same seed gives the same bounds.
    n_draws : int
        >= 1.

    Returns
    -------
    Interval
        2.5th and 97.5th percentile of the drawn means; NaN with fewer than two months.

    References
    ----------
    Kunsch, The jackknife and the bootstrap for general stationary observations (1989).

    Examples
    --------
    >>> month_block_interval(np.ones(4), np.array([1, 1, 2, 3]), seed=7)
    Interval(low=1.0, high=1.0)
    """
    names, group = np.unique(months, return_inverse=True)
    if names.size < 2:
        return Interval(math.nan, math.nan)
    sums = np.bincount(group, weights=values)
    counts = np.bincount(group).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, names.size, (n_draws, names.size))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = 100.0 * (1.0 - LEVEL) / 2.0
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Interval(float(low), float(high))


def exceeding_probability(value: float, draws: FloatArray) -> float:
    """Return the chance that one more draw of the null reaches ``value``.

    Student's predictive distribution of a normal sample: ``(value - mean) / (s sqrt(1 + 1/n))``
    with n - 1 degrees of freedom. Thirty draws resolve smaller chances this way than by rank.

    Parameters
    ----------
    value : float
        Observed.
    draws : float64, shape (n_draws,)
        Of the null, at least 3.

    Returns
    -------
    float
        In [0, 1]; NaN with fewer than 3 finite draws. 0 or 1 when all draws are equal.

    Examples
    --------
    >>> round(exceeding_probability(0.5, np.array([0.4, 0.5, 0.6])), 3)
    0.5
    """
    from scipy.special import stdtr  # only this needs SciPy

    known = draws[np.isfinite(draws)]
    if known.size < 3 or not math.isfinite(value):
        return math.nan
    deviation = float(known.std(ddof=1))
    if deviation == 0.0:
        return 0.0 if value > known[0] else 1.0
    distance = (value - float(known.mean())) / (deviation * math.sqrt(1.0 + 1.0 / known.size))
    return float(stdtr(known.size - 1, -distance))


def rank_probability(value: float, draws: FloatArray) -> float:
    """Return ``(1 + draws >= value) / (1 + draws)``, the chance by rank.

    Examples
    --------
    >>> rank_probability(0.5, np.array([0.1, 0.2, 0.6]))
    0.5
    """
    known = draws[np.isfinite(draws)]
    return float((1 + (known >= value).sum()) / (1 + known.size))
