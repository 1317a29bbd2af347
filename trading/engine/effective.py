"""How many independent trades a run's trades are worth.

INPUT    returns of completed trades and the times they were held
OUTPUT   a number between 1 and the number of trades
LOOKBACK every trade given
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.types import RoundTrip

ROUNDING = 1e-9


def whole(n_effective: float) -> int:
    """Return the whole independent trades in a number of them, rounding errors aside.

    Examples
    --------
    >>> whole(29.999), whole(30 - 1e-13)
    (29, 30)
    """
    return math.floor(n_effective + ROUNDING)


class EffectiveTrades(NamedTuple):
    """Number of trades, and what they are worth by each of two measures, each at most `n`."""

    n: int
    by_returns: float
    by_overlap: float

    @property
    def value(self) -> float:
        """The smaller of the two: they measure the same likeness, so they are not multiplied."""
        return min(self.by_returns, self.by_overlap)


def effective_trades(trips: Sequence[RoundTrip]) -> EffectiveTrades:
    """Count what completed trades are worth, in the order of their entries.

    Examples
    --------
    >>> effective_trades([]).value
    0.0
    """
    ordered = sorted(trips, key=lambda trip: (trip.entry_at, trip.exit_at, trip.symbol))
    return effective_number(
        [trip.return_ratio for trip in ordered],
        [trip.entry_at for trip in ordered],
        [trip.exit_at for trip in ordered],
    )


def effective_number(
    returns: ArrayLike, entered_at: ArrayLike, left_at: ArrayLike
) -> EffectiveTrades:
    """Count what trades are worth by the likeness of neighbors and by the time they share.

    Parameters
    ----------
    returns : float64, shape (n,)
        Fraction of each trade, in the order of the entries.
    entered_at, left_at : int64, shape (n,)
        Nanoseconds; a trade is held from its entry until just before its exit.

    Returns
    -------
    EffectiveTrades
        ``by_returns`` of `independent_by_returns`, ``by_overlap`` of `independent_by_overlap`.

    Raises
    ------
    ConfigInvalid
        The three differ in length.
    """
    values = np.asarray(returns, dtype=np.float64)
    first, last = (np.asarray(times, dtype=np.int64) for times in (entered_at, left_at))
    n = values.shape[0]
    if not n == first.shape[0] == last.shape[0]:
        raise ConfigInvalid(
            f"{n} returns, {first.shape[0]} entries and {last.shape[0]} exits are not of one length"
        )
    return EffectiveTrades(n, independent_by_returns(values), independent_by_overlap(first, last))


def independent_by_returns(returns: FloatArray) -> float:
    """Divide the number of trades by how much each return tells of those that follow.

    Parameters
    ----------
    returns : float64, shape (n,)
        Fraction of each trade, in the order of the entries.

    Returns
    -------
    float
        ``n / (1 + 2 * sum(rho))``, at most n; n where the returns do not differ.

    Notes
    -----
    Autocorrelations are added two lags at a time, beginning with the pair of lag 0 and 1, as in
    Geyer's initial positive sequence (1992). The first pair always counts; the sum ends before the
    first later one that is not above ``sqrt(2 / n)``, the standard error of a pair under
    independence, so that no pair is counted for being above zero by chance. It errs on the careful
    side: of 10 to 60 independent trades a fifth of all samples lose more than a fifth of their
    number by the chance of the first lag.

    Examples
    --------
    >>> independent_by_returns(np.array([0.01, -0.02, 0.01, -0.02]))
    4.0
    """
    n = returns.shape[0]
    if n < 3 or np.ptp(returns) <= ROUNDING * np.max(np.abs(returns)):
        return float(n)
    centered = returns - returns.mean()
    power = float(centered @ centered)
    noise = math.sqrt(2.0 / n)
    total = 0.0
    for lag in range(0, n - 1, 2):
        pair = sum(float(centered[: n - k] @ centered[k:]) for k in (lag, lag + 1)) / power
        if lag and pair <= noise:
            break
        total += pair
    return float(n / max(2.0 * total - 1.0, 1.0))


def independent_by_overlap(entered_at: IntArray, left_at: IntArray) -> float:
    """Add up the share of its own time that each trade did not have to share with others.

    Parameters
    ----------
    entered_at, left_at : int64, shape (n,)
        Nanoseconds; one that ends when it began is held for one of them.

    Returns
    -------
    float
        Sum of the mean of ``1 / trades held`` over the time of each trade (López de Prado's
        uniqueness); n where no two are held at once. Trades that are held together count as one
        even if their instruments move apart: it is the least they are worth.

    Examples
    --------
    >>> independent_by_overlap(np.array([0, 5]), np.array([10, 15]))
    1.5
    """
    if not entered_at.shape[0]:
        return 0.0
    last = np.maximum(left_at, entered_at + 1)
    edges = np.unique(np.concatenate((entered_at, last)))
    begins, ends = np.searchsorted(edges, entered_at), np.searchsorted(edges, last)
    changes = np.zeros(edges.shape[0])
    np.add.at(changes, begins, 1.0)
    np.add.at(changes, ends, -1.0)
    held = np.maximum(np.cumsum(changes)[:-1], 1.0)
    own = np.concatenate(([0.0], np.cumsum(np.diff(edges) / held)))
    return float(np.sum((own[ends] - own[begins]) / (last - entered_at)))
