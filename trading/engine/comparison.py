"""How two runs differ, and whether the difference is more than chance.

INPUT    returns of two runs over the same periods; when each run held what
OUTPUT   a difference with its interval; shares and correlations; NaN where not defined
LOOKBACK everything given
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.metrics import ROUNDING

N_DRAWS = 2_000
FEWEST_PERIODS = 12
Statistic = Callable[[FloatArray], FloatArray]


class PairedDifference(NamedTuple):
    """Statistic of the second run minus that of the first, with a 95 % interval; `n` periods.

    The bounds are NaN with fewer than 12 periods, or when the statistic is not defined.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Holding:
    """A stretch in which one instrument was held on one side; times in nanoseconds, exit after.

    `key` names instrument and side.
    """

    key: str
    entry_at: int
    exit_at: int


def mean_return(returns: FloatArray) -> FloatArray:
    """Return the mean over the last axis, fraction per period.

    Examples
    --------
    >>> mean_return(np.array([[0.0, 0.5], [1.0, 1.0]])).tolist()
    [0.25, 1.0]
    """
    means: FloatArray = np.mean(returns, axis=-1)
    return means


def sharpe_of(periods_per_year: float) -> Statistic:
    """Return the annualized Sharpe ratio over the last axis as a function of returns.

    Parameters
    ----------
    periods_per_year : float
        > 0; 12 for months.

    Returns
    -------
    callable
        (..., n) fractions to (...) ratios; NaN where the returns do not vary.

    Examples
    --------
    >>> round(float(sharpe_of(12.0)(np.array([0.0, 0.02, 0.01]))), 6)
    3.464102
    """
    if not periods_per_year > 0.0:
        raise ConfigInvalid(f"periods_per_year {periods_per_year} must be above 0")

    def sharpe(returns: FloatArray) -> FloatArray:
        mean = np.mean(returns, axis=-1)
        spread = np.std(returns, axis=-1, ddof=1)
        found = np.full(np.shape(mean), math.nan)
        np.divide(mean, spread, out=found, where=spread > ROUNDING)
        return found * math.sqrt(periods_per_year)

    return sharpe


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    n_draws: int = N_DRAWS,
) -> PairedDifference:
    """Compare two runs over the same periods by a paired circular block bootstrap.

    Parameters
    ----------
    first, second : float64, shape (n,)
        Returns of the same periods in the same order, fractions.
    statistic : callable
        Works on the last axis, as `mean_return` and `sharpe_of`.
    rng : numpy.random.Generator
        Draws the blocks; the same seed gives the same interval.
    n_draws : int
        >= 1.

    Returns
    -------
    PairedDifference
        Percentile interval; both runs are drawn from the same periods, so what they share cancels.

    Raises
    ------
    ConfigInvalid, NonFiniteInput
        For lengths that differ, no draw, or a return that is not a number.

    Notes
    -----
    Blocks of ``ceil(n ** (1/3))`` periods keep dependence between neighbors; they wrap around.

    References
    ----------
    Politis, Romano, A Circular Block-Resampling Procedure for Stationary Data (1992). Ledoit, Wolf,
    Robust Performance Hypothesis Testing with the Sharpe Ratio (2008).

    Examples
    --------
    >>> months = np.tile([0.01, -0.02, 0.03], 8)
    >>> same = paired_difference(months, months + 0.01, mean_return, rng=np.random.default_rng(1))
    >>> [round(float(x), 9) for x in same]
    [0.01, 0.01, 0.01, 24.0]
    """
    a, b = _returns(first, second)
    if n_draws < 1:
        raise ConfigInvalid(f"n_draws {n_draws} must be at least 1")
    n = a.shape[0]
    if n < 2:
        return PairedDifference(math.nan, math.nan, math.nan, n)
    value = float(statistic(b) - statistic(a))
    if n < FEWEST_PERIODS or not math.isfinite(value):
        return PairedDifference(value, math.nan, math.nan, n)
    places = _blocks(n, n_draws, rng)
    drawn = statistic(b[places]) - statistic(a[places])
    known = drawn[np.isfinite(drawn)]
    if known.shape[0] < n_draws // 2 or not known.shape[0]:
        return PairedDifference(value, math.nan, math.nan, n)
    low, high = np.quantile(known, (0.025, 0.975))
    return PairedDifference(value, float(low), float(high), n)


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Compute the correlation of returns over the same periods.

    Returns
    -------
    float
        In [-1, 1]; NaN below 12 periods or when one of them does not vary.

    Examples
    --------
    >>> months = np.arange(12.0)
    >>> round(correlation(months, -2.0 * months), 9)
    -1.0
    """
    a, b = _returns(first, second)
    if a.shape[0] < FEWEST_PERIODS or np.ptp(a) <= ROUNDING or np.ptp(b) <= ROUNDING:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def holding_overlap(first: Sequence[Holding], second: Sequence[Holding]) -> float:
    """Compute the share of holding time that two runs have in common.

    Parameters
    ----------
    first, second : sequence of Holding
        Stretches of one key do not overlap within a run.

    Returns
    -------
    float
        Time both hold the same instrument on the same side, over the time at least one does, in
        [0, 1]; NaN when neither ever holds anything.

    Raises
    ------
    ConfigInvalid
        If a stretch ends before it begins.

    Examples
    --------
    >>> holding_overlap([Holding("SPX long", 0, 10)], [Holding("SPX long", 5, 15)])
    0.3333333333333333
    >>> holding_overlap([Holding("SPX long", 0, 10)], [Holding("SPX short", 5, 15)])
    0.0
    """
    spans, others = _by_key(first), _by_key(second)
    shared = sum(_shared(spans[key], others[key]) for key in spans.keys() & others.keys())
    total = sum(item.exit_at - item.entry_at for item in (*first, *second))
    return shared / (total - shared) if total else math.nan


def _blocks(n: int, n_draws: int, rng: np.random.Generator) -> IntArray:
    """Draw indices of shape (n_draws, n): blocks of neighbors, wrapped around the end."""
    length = math.ceil(n ** (1.0 / 3.0))
    n_blocks = math.ceil(n / length)
    starts = rng.integers(0, n, size=(n_draws, n_blocks))
    places = (starts[:, :, None] + np.arange(length)) % n
    return np.asarray(places.reshape(n_draws, -1)[:, :n], dtype=np.int64)


def _shared(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> int:
    """Length of the common part of two sorted lists of stretches."""
    shared = i = k = 0
    while i < len(first) and k < len(second):
        shared += max(min(first[i][1], second[k][1]) - max(first[i][0], second[k][0]), 0)
        if first[i][1] <= second[k][1]:
            i += 1
        else:
            k += 1
    return shared


def _by_key(holdings: Sequence[Holding]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for item in sorted(holdings, key=lambda one: one.entry_at):
        if item.exit_at < item.entry_at:
            raise ConfigInvalid(f"a holding of {item.key} ends {item.exit_at} before it begins")
        found[item.key].append((item.entry_at, item.exit_at))
    return found


def _returns(first: ArrayLike, second: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ConfigInvalid(f"returns {a.shape} and {b.shape} must be flat and equally long")
    for values in (a, b):
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise NonFiniteInput(f"returns[{at}] is {values[at]}")
    return a, b
