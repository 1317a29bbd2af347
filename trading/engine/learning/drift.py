"""Whether what a model sees now still looks like what it was trained on.

INPUT    values now, and quantiles of the same quantity in training
OUTPUT   population stability index, Kolmogorov-Smirnov distance, shift of a mix, a light
LOOKBACK everything given
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray

N_BINS = 10
MINIMUM_ROWS = 50
# Rules of thumb of credit scoring; below the first nothing moved, above the second much did.
PSI_CUTS = (0.10, 0.25)
# Beyond these multiples of the 5 % critical value of the one-sample test.
KS_CRITICAL = 1.36
KS_CUTS = (1.5, 3.0)
_LEAST_SHARE = 1e-4


class Light(StrEnum):
    """OK, look at it, act on it; UNKNOWN for too few values."""

    OK = "OK"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Drift:
    """Drift of one quantity; figures are NaN and the light UNKNOWN with fewer than 50 values."""

    n: int
    psi: float
    ks: float
    light: Light


def drift(quantiles: ArrayLike, values: ArrayLike) -> Drift:
    """Compare values now with the quantiles seen in training.

    Parameters
    ----------
    quantiles : float64, shape (m,)
        Values at m evenly spaced shares 0 to 1 of the training rows, ascending, m >= 11.
    values : float64, shape (n,)
        Now; NaN are left out.

    Returns
    -------
    Drift
        PSI over ten bins of equal training share (ties make fewer), >= 0; KS, the largest
        difference of the two distributions, in [0, 1]. The light is the worse of the two, and PSI
        counts only above what chance gives in a hundred samples of n values.

    Raises
    ------
    ConfigInvalid
        If the quantiles are fewer than 11, not ascending or not finite.

    References
    ----------
    Yurdakul, Statistical Properties of Population Stability Index (2018): n x PSI is near a
    chi-square with bins - 1 degrees when nothing moved.

    Examples
    --------
    >>> before = np.linspace(0.0, 1.0, 101)
    >>> drift(before, np.linspace(0.0, 1.0, 500)).light
    <Light.OK: 'OK'>
    >>> drift(before, np.linspace(0.5, 1.5, 500)).light
    <Light.CRITICAL: 'CRITICAL'>
    """
    known = np.asarray(quantiles, dtype=np.float64)
    if known.shape[0] < N_BINS + 1 or not np.isfinite(known).all() or (np.diff(known) < 0).any():
        raise ConfigInvalid(f"quantiles must be at least {N_BINS + 1}, finite and ascending")
    found = np.asarray(values, dtype=np.float64)
    found = np.sort(found[~np.isnan(found)])
    n = int(found.shape[0])
    if n < MINIMUM_ROWS:
        return Drift(n, math.nan, math.nan, Light.UNKNOWN)
    psi, n_bins = _stability(known, found)
    ks = _distance(known, found)
    excess = psi - _chance(n_bins, n)
    lights = (_light(excess, PSI_CUTS), _light(ks * math.sqrt(n) / KS_CRITICAL, KS_CUTS))
    # A large sample finds differences too small to matter; a shift must be visible as well.
    return Drift(n, psi, ks, _worst(lights) if excess > PSI_CUTS[0] / 2.0 else Light.OK)


def mix_shift(before: ArrayLike, now: ArrayLike) -> float:
    """Return half the sum of absolute differences of two mixes, in [0, 1].

    Parameters
    ----------
    before, now : float64, shape (k,)
        Counts or shares of the same k groups, >= 0, each with a positive sum.

    Returns
    -------
    float
        Share that would have to move to make the mixes equal; NaN where a sum is 0.

    Examples
    --------
    >>> mix_shift([50, 50], [3, 1])
    0.25
    """
    first = np.asarray(before, dtype=np.float64)
    second = np.asarray(now, dtype=np.float64)
    if first.shape != second.shape or (first < 0).any() or (second < 0).any():
        raise ConfigInvalid("mixes must have the same groups and no negative count")
    if not first.sum() or not second.sum():
        return math.nan
    return float(np.abs(first / first.sum() - second / second.sum()).sum() / 2.0)


def _stability(quantiles: FloatArray, values: FloatArray) -> tuple[float, int]:
    """PSI and its number of bins; edges are the training deciles, ties removed."""
    shares = np.linspace(0.0, 1.0, quantiles.shape[0])
    edges = np.unique(np.interp(np.linspace(0.0, 1.0, N_BINS + 1)[1:-1], shares, quantiles))
    expected = np.diff(np.concatenate(([0.0], _share_at_most(quantiles, edges), [1.0])))
    places = np.searchsorted(edges, values, side="left")
    counts = np.bincount(places, minlength=edges.shape[0] + 1)
    kept = (expected > 0.0) | (counts > 0)
    # Half a value more in each bin, so that one that is empty by chance does not decide alone.
    a = (counts[kept] + 0.5) / (values.shape[0] + 0.5 * kept.sum())
    e = np.maximum(expected[kept], _LEAST_SHARE)
    return float(np.sum((a - e) * np.log(a / e))), int(kept.sum())


def _chance(n_bins: int, n: int) -> float:
    """PSI that the same distribution exceeds about once in a hundred samples."""
    degrees = n_bins - 1
    return (degrees + 2.5 * math.sqrt(2.0 * degrees)) / n


def _distance(quantiles: FloatArray, values: FloatArray) -> float:
    """Compare the distributions at the quantiles, where the one of training is known exactly."""
    at = np.unique(quantiles)
    now = np.searchsorted(values, at, side="right") / values.shape[0]
    return float(np.abs(now - _share_at_most(quantiles, at)).max())


def _share_at_most(quantiles: FloatArray, at: FloatArray) -> FloatArray:
    """Share of training values at or below each point, linear between quantiles."""
    values, last = np.unique(quantiles[::-1], return_index=True)
    shares = 1.0 - last / (quantiles.shape[0] - 1)
    return np.asarray(np.interp(at, values, shares, left=0.0, right=1.0), dtype=np.float64)


def _light(value: float, cuts: tuple[float, float]) -> Light:
    if value > cuts[1]:
        return Light.CRITICAL
    return Light.WARNING if value > cuts[0] else Light.OK


def _worst(lights: tuple[Light, ...]) -> Light:
    order = (Light.OK, Light.WARNING, Light.CRITICAL)
    return max(lights, key=order.index)
