"""What a gate was worth: how often it let winners through, and whether its odds came true.

INPUT    probabilities of candidates, what happened to each, the thresholds they had to reach
OUTPUT   one row of figures; NaN where one is not defined
LOOKBACK resolved candidates only
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid
from trading.engine.learning.calibration import (
    brier_score,
    brier_skill,
    calibration_line,
    expected_calibration_error,
    log_loss,
)
from trading.engine.metrics import Interval, wilson_interval

# Above this probability few candidates remain, and goals are stated below it.
MOST_CALIBRATED = 0.75


@dataclass(frozen=True, slots=True)
class GateFigures:
    """Figures of one group of resolved candidates.

    Attributes
    ----------
    n, n_taken, coverage
        Candidates, those let through, and their share.
    n_wins, win_rate, interval
        Of those let through; Wilson's interval at 95 %.
    base_rate, base_interval
        Win rate of all candidates: what a gate that draws lots would have.
    brier, brier_skill, log_loss, ece, ece_all, slope, intercept
        Of the probabilities of all candidates; `brier_skill` against the base rate of the group,
        `ece` up to a probability of 0.75.
    mean_net_return, mean_net_return_all
        Fractions after costs: of those let through, and of all.
    """

    n: int
    n_taken: int
    coverage: float
    n_wins: int
    win_rate: float
    interval: Interval
    base_rate: float
    base_interval: Interval
    brier: float
    brier_skill: float
    log_loss: float
    ece: float
    ece_all: float
    slope: float
    intercept: float
    mean_net_return: float
    mean_net_return_all: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, None for what is not defined."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def gate_figures(
    probabilities: ArrayLike, net_returns: ArrayLike, thresholds: ArrayLike
) -> GateFigures:
    """Measure a gate on resolved candidates.

    Parameters
    ----------
    probabilities : float64, shape (n,)
        In [0, 1].
    net_returns : float64, shape (n,)
        Results after costs, fractions; a win is above 0.
    thresholds : float64, shape (n,) or float
        A candidate is let through at or above it.

    Returns
    -------
    GateFigures
        See there; with no candidate every rate is NaN.

    Raises
    ------
    ConfigInvalid
        If lengths differ, or as `brier_score` for probabilities.

    Examples
    --------
    >>> found = gate_figures([0.7, 0.6, 0.3], [0.01, -0.02, -0.01], 0.5)
    >>> found.n_taken, found.win_rate, round(found.base_rate, 3)
    (2, 0.5, 0.333)
    """
    p = np.asarray(probabilities, dtype=np.float64)
    net = np.asarray(net_returns, dtype=np.float64)
    if p.shape != net.shape:
        raise ConfigInvalid(f"probabilities {p.shape} and net_returns {net.shape} differ")
    is_win, is_taken = net > 0.0, p >= np.asarray(thresholds, dtype=np.float64)
    n, n_taken = int(p.shape[0]), int(is_taken.sum())
    n_wins, n_all = int(is_win[is_taken].sum()), int(is_win.sum())
    line = calibration_line(p, is_win)
    return GateFigures(
        n=n,
        n_taken=n_taken,
        coverage=n_taken / n if n else math.nan,
        n_wins=n_wins,
        win_rate=n_wins / n_taken if n_taken else math.nan,
        interval=wilson_interval(n_wins, n_taken),
        base_rate=n_all / n if n else math.nan,
        base_interval=wilson_interval(n_all, n),
        brier=brier_score(p, is_win),
        brier_skill=brier_skill(p, is_win),
        log_loss=log_loss(p, is_win),
        ece=expected_calibration_error(p, is_win, most=MOST_CALIBRATED),
        ece_all=expected_calibration_error(p, is_win),
        slope=line.slope,
        intercept=line.intercept,
        mean_net_return=float(net[is_taken].mean()) if n_taken else math.nan,
        mean_net_return_all=float(net.mean()) if n else math.nan,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
