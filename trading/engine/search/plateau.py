"""The plateau instead of the peak: parameters whose neighbors are about as good.

INPUT    places in the unit cube and one objective per trial
OUTPUT   the stable zone, its centre, and whether the best trial is a lonely spike
LOOKBACK none
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Plateau:
    """Where it is safe to stand; all indices are into the arrays that were given.

    Attributes
    ----------
    best : int
        The trial with the highest objective.
    pick : int
        The middle of the stable zone: what is suggested.
    zone : int64, shape (n_zone,)
        Connected trials whose neighborhood is within one standard error of the best one's.
    smoothed : float64, shape (n_trials,)
        Median objective of each trial's neighborhood.
    is_spike : bool
        The best trial stands more than one standard error above its own neighborhood.
    standard_error : float
        Of the best trial.
    """

    best: int
    pick: int
    zone: IntArray
    smoothed: FloatArray
    is_spike: bool
    standard_error: float


def plateau_of(units: FloatArray, objective: FloatArray, errors: FloatArray) -> Plateau:
    """Find the stable zone around the best neighborhood.

    Parameters
    ----------
    units : float64, shape (n_trials, n_dimensions)
        Parameters between 0 and 1 (`Space.units`).
    objective : float64, shape (n_trials,)
        More is better, finite.
    errors : float64, shape (n_trials,)
        Standard error of each objective, >= 0.

    Returns
    -------
    Plateau
        See there.

    Raises
    ------
    ConfigInvalid
        Without a trial.

    Notes
    -----
    A neighborhood is the trial and its two nearest trials per dimension (at least five together):
    on a grid, the cells that share a face. The rule of one standard error is Breiman's.

    References
    ----------
    Breiman et al., Classification and Regression Trees (1984), section 3.4.3.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 9)[:, None]
    >>> y = np.array([0.0, 0.9, 1.0, 1.0, 0.9, 0.0, 0.0, 2.0, 0.0])
    >>> found = plateau_of(x, y, np.full(9, 0.2))
    >>> found.best, found.is_spike, found.pick in (2, 3)
    (7, True, True)
    """
    n_trials = objective.shape[0]
    if n_trials == 0:
        raise ConfigInvalid("a stable zone needs at least 1 ranked trial, found 0")
    neighbors = _neighbors(units)
    smoothed: FloatArray = np.median(objective[neighbors], axis=1)
    best = int(np.argmax(objective))
    error = float(errors[best])
    middle = int(np.argmax(smoothed))
    within = smoothed >= smoothed[middle] - error
    zone = _connected(neighbors, within, middle)
    center = units[zone].mean(axis=0)
    pick = int(zone[np.argmin(((units[zone] - center) ** 2).sum(axis=1))])
    return Plateau(
        best=best,
        pick=pick,
        zone=zone,
        smoothed=smoothed,
        is_spike=bool(objective[best] - smoothed[best] > error),
        standard_error=error,
    )


def _neighbors(units: FloatArray) -> IntArray:
    # Loading a tree of scipy is only worth it where somebody searches.
    from scipy.spatial import cKDTree

    n_trials, n_dimensions = units.shape
    n_near = min(max(2 * n_dimensions + 1, 5), n_trials)
    _, found = cKDTree(units).query(units, k=n_near)
    near: IntArray = np.asarray(found, dtype=np.int64).reshape(n_trials, n_near)
    return near


def _connected(neighbors: IntArray, within: FloatArray, start: int) -> IntArray:
    """Walk from neighbor to neighbor without leaving the good ones."""
    seen = {start}
    waiting = [start]
    while waiting:
        for near in neighbors[waiting.pop()].tolist():
            if within[near] and near not in seen:
                seen.add(near)
                waiting.append(near)
    return np.array(sorted(seen), dtype=np.int64)
