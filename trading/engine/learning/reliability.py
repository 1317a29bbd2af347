"""Whether predicted probabilities came true as time went on, quarter by quarter.

INPUT    decision times, probabilities and results of resolved candidates
OUTPUT   one row a quarter of sums that can be added up to longer windows
LOOKBACK resolved candidates only
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid
from trading.engine.learning.calibration import brier_score
from trading.engine.metrics import Interval, wilson_interval

FIRST_YEAR = 1970


@dataclass(frozen=True, slots=True)
class Reliability:
    """Said against happened, over the candidates decided in one window.

    Attributes
    ----------
    quarter : int
        Last quarter of the window, counted from the first of 1970.
    n_quarters : int
        Calendar length of the window.
    n, n_wins : int
        Resolved candidates, and those that won after costs; taken or not.
    sum_probability, sum_squared_error : float
        Of the predicted probabilities, and of their distance from what happened.
    """

    quarter: int
    n_quarters: int
    n: int
    n_wins: int
    sum_probability: float
    sum_squared_error: float

    @property
    def label(self) -> str:
        """Name the last quarter, ``2020 Q1``."""
        return f"{FIRST_YEAR + self.quarter // 4} Q{self.quarter % 4 + 1}"

    @property
    def mean_probability(self) -> float:
        """Return the share of wins that was said; NaN without a candidate."""
        return self.sum_probability / self.n if self.n else math.nan

    @property
    def win_rate(self) -> float:
        """Return the share of wins that happened; NaN without a candidate."""
        return self.n_wins / self.n if self.n else math.nan

    @property
    def interval(self) -> Interval:
        """Return Wilson's 95 % interval of the win rate; (0, 1) without a candidate."""
        return wilson_interval(self.n_wins, self.n)

    @property
    def is_reliable(self) -> bool:
        """Tell whether what was said lies inside the interval of what happened."""
        return self.interval.low <= self.mean_probability <= self.interval.high

    @property
    def brier_skill(self) -> float:
        """Return the skill against the window's own win rate; NaN where that makes no error."""
        if not self.n:
            return math.nan
        reference = self.win_rate * (1.0 - self.win_rate)
        if reference <= 0.0:
            return math.nan
        return 1.0 - self.sum_squared_error / self.n / reference

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Reliability:
        """Read what `to_dict` wrote."""
        return cls(**stored)


def by_quarter(
    decided_at: ArrayLike, probabilities: ArrayLike, net_returns: ArrayLike
) -> tuple[Reliability, ...]:
    """Sum up resolved candidates by the calendar quarter (UTC) they were decided in.

    Parameters
    ----------
    decided_at : int64, shape (n,)
        Nanoseconds UTC, in any order.
    probabilities : float64, shape (n,)
        In [0, 1].
    net_returns : float64, shape (n,)
        Results after costs, fractions; a win is above 0.

    Returns
    -------
    tuple of Reliability
        Oldest first; quarters without a candidate are left out.

    Raises
    ------
    ConfigInvalid
        If lengths differ, or as `brier_score` for probabilities.

    Examples
    --------
    >>> days = np.array(["2020-02-03", "2020-03-02", "2020-05-04"], dtype="datetime64[ns]")
    >>> rows = by_quarter(days.astype(np.int64), [0.75, 0.25, 0.5], [0.01, -0.01, 0.02])
    >>> [(row.label, row.n, row.n_wins, row.mean_probability) for row in rows]
    [('2020 Q1', 2, 1, 0.5), ('2020 Q2', 1, 1, 0.5)]
    """
    times = np.asarray(decided_at, dtype=np.int64)
    p = np.asarray(probabilities, dtype=np.float64)
    is_win = np.asarray(net_returns, dtype=np.float64) > 0.0
    if not times.shape == p.shape == is_win.shape:
        raise ConfigInvalid(
            f"decided_at {times.shape}, probabilities {p.shape} and net_returns {is_win.shape} "
            "differ"
        )
    quarters = times.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64) // 3
    return tuple(
        _summed(int(quarter), p[quarters == quarter], is_win[quarters == quarter])
        for quarter in np.unique(quarters)
    )


def rolling(rows: Sequence[Reliability], n_quarters: int) -> tuple[Reliability, ...]:
    """Join each quarter with those just before it.

    Parameters
    ----------
    rows : sequence of Reliability
        As `by_quarter` returns them: single quarters, oldest first.
    n_quarters : int
        Calendar length of the windows, >= 1; 4 is a year.

    Returns
    -------
    tuple of Reliability
        One per quarter that has rows. The first windows hold what there is.

    Raises
    ------
    ConfigInvalid
        If ``n_quarters`` is below 1.

    Examples
    --------
    >>> quarters = [Reliability(k, 1, 10, 6, 5.0, 2.4) for k in (200, 201, 204)]
    >>> [(row.quarter, row.n) for row in rolling(quarters, 4)]
    [(200, 10), (201, 20), (204, 20)]
    """
    if n_quarters < 1:
        raise ConfigInvalid(f"n_quarters {n_quarters} must be at least 1")
    return tuple(
        _joined([row for row in rows if 0 <= last.quarter - row.quarter < n_quarters], n_quarters)
        for last in rows
    )


def _summed(quarter: int, p: Any, is_win: Any) -> Reliability:
    n = int(p.shape[0])
    error = brier_score(p, is_win) * n
    return Reliability(quarter, 1, n, int(is_win.sum()), float(p.sum()), error)


def _joined(rows: Sequence[Reliability], n_quarters: int) -> Reliability:
    return Reliability(
        quarter=rows[-1].quarter,
        n_quarters=n_quarters,
        n=sum(row.n for row in rows),
        n_wins=sum(row.n_wins for row in rows),
        sum_probability=math.fsum(row.sum_probability for row in rows),
        sum_squared_error=math.fsum(row.sum_squared_error for row in rows),
    )
