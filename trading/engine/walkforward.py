"""Yearly walk-forward: train on everything before a year, test on that year.

INPUT    when each sample was decided and when its outcome was known, nanoseconds UTC
OUTPUT   folds of row numbers
LOOKBACK a fold trains only on outcomes known `embargo` before its year begins
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import IntArray
from trading.engine.market import DAY_NS

# Ten trading days before any 1 January, with Christmas and two or three weekends among them.
EMBARGO_DAYS = 17
CALIBRATION_SHARE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One test year with what may be learned before it.

    Attributes
    ----------
    year : int
        The calendar year (UTC) under test.
    train : int64
        Rows to fit on: the older part of the training window.
    calibration : int64
        Rows for calibrating and for choosing thresholds: its last quarter.
    test : int64
        Rows decided in the year.
    """

    year: int
    train: IntArray
    calibration: IntArray
    test: IntArray


def yearly_folds(
    decided_at: IntArray,
    resolved_at: IntArray,
    *,
    minimum: int = 500,
    test_decided_at: IntArray | None = None,
    embargo_days: int = EMBARGO_DAYS,
) -> Iterator[Fold]:
    """Yield one fold per test year, oldest first; years with too little before them are left out.

    Parameters
    ----------
    decided_at, resolved_at : int64, shape (n_samples,)
        Nanoseconds UTC of each training sample's decision and of its outcome.
    minimum : int
        Fewest training samples, >= 8.
    test_decided_at : int64, shape (n_tests,), or None
        Decisions to test; None tests the training samples themselves, out of sample.
    embargo_days : int
        Calendar days before the year whose outcomes are not used, >= 0.

    Yields
    ------
    Fold
        ``train`` and ``calibration`` number the training samples, ``test`` the test decisions.

    Raises
    ------
    ConfigInvalid
        If the arrays differ in length or a limit is out of bounds.

    Notes
    -----
    Purged: a sample trains only if its outcome was known ``embargo_days`` before the year. Of
    these, the newest quarter by decision calibrates, and a fitted sample whose outcome reaches into
    that quarter is dropped.

    References
    ----------
    Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 7.

    Examples
    --------
    >>> days = np.arange(0, 1_000, 10) * DAY_NS
    >>> [(f.year, f.train.size, f.test.size) for f in yearly_folds(days, days, minimum=50)]
    [(1972, 54, 27)]
    """
    if decided_at.shape != resolved_at.shape:
        raise ConfigInvalid(
            f"decided_at and resolved_at differ: {decided_at.shape} and {resolved_at.shape}"
        )
    if minimum < 8 or embargo_days < 0:
        raise ConfigInvalid(
            f"minimum {minimum} must be at least 8 and embargo_days {embargo_days} at least 0"
        )
    tested = decided_at if test_decided_at is None else test_decided_at
    years = years_of(tested)
    for year in np.unique(years):
        cut = _beginning(int(year)) - embargo_days * DAY_NS
        known = np.flatnonzero(resolved_at < cut)
        if known.size < minimum:
            continue
        train, calibration = _divide(known, decided_at, resolved_at)
        yield Fold(int(year), train, calibration, np.flatnonzero(years == year))


def years_of(times: IntArray) -> IntArray:
    """Return the calendar year (UTC) of each time.

    Examples
    --------
    >>> years_of(np.array([0, 366 * DAY_NS])).tolist()
    [1970, 1971]
    """
    years: NDArray[np.int64] = (
        times.astype("datetime64[ns]").astype("datetime64[Y]").astype(np.int64) + 1970
    )
    return years


def _divide(
    known: IntArray, decided_at: IntArray, resolved_at: IntArray
) -> tuple[IntArray, IntArray]:
    split = np.quantile(decided_at[known].astype(np.float64), 1.0 - CALIBRATION_SHARE)
    is_late = decided_at[known] >= split
    is_resolved = resolved_at[known] < split
    return known[~is_late & is_resolved], known[is_late]


def _beginning(year: int) -> int:
    return int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * 10**9
