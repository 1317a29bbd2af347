"""Whether predicted probabilities come true: scores, reliability bins, slope.

INPUT    probabilities of a win in [0, 1] and what happened (True for a win)
OUTPUT   plain figures; NaN where one is not defined, never an invented zero
LOOKBACK everything given; resolved predictions only
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.engine.kernels import FloatArray
from trading.engine.metrics import Interval, wilson_interval

N_BINS = 10
# scikit-learn clips at the machine epsilon too: a certain prediction that fails stays finite.
_EPSILON = float(np.finfo(np.float64).eps)
_NEWTON_STEPS = 50
# Beyond this slope (in log-odds) the classes are separated and no finite slope exists.
_SLOPE_LIMIT = 1e3


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Predictions whose probability lies in [low, high), the last bin [low, high].

    `mean_probability` and `win_rate` are fractions, NaN in an empty bin; `interval` is Wilson's at
    95 %, (0, 1) in an empty bin.
    """

    low: float
    high: float
    n: int
    n_wins: int
    mean_probability: float
    win_rate: float
    interval: Interval


class CalibrationLine(NamedTuple):
    """Logistic recalibration ``logit P(win) = intercept + slope * logit(p)``.

    1 and 0 when calibrated; a slope below 1 is over-confident. Both NaN where not defined.
    """

    slope: float
    intercept: float


def brier_score(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Compute the mean squared error of probabilities; 0 is perfect, NaN without a prediction.

    Parameters
    ----------
    probabilities : float64, shape (n,)
        Predicted probability of a win, in [0, 1].
    outcomes : bool, shape (n,)
        Whether it was one.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ConfigInvalid, NonFiniteInput
        For lengths that differ, a probability outside [0, 1] or NaN, an outcome not 0 or 1.

    References
    ----------
    Brier, Verification of Forecasts Expressed in Terms of Probability (1950).

    Examples
    --------
    >>> round(brier_score([0.8, 0.4], [True, False]), 12)
    0.1
    """
    p, y = _pairs(probabilities, outcomes)
    return float(np.mean((p - y) ** 2)) if p.shape[0] else math.nan


def brier_skill(
    probabilities: ArrayLike, outcomes: ArrayLike, base_rate: float | None = None
) -> float:
    """Compare the Brier score with that of always saying the base rate.

    Parameters
    ----------
    probabilities, outcomes
        As for `brier_score`.
    base_rate : float or None
        Win rate known before, in [0, 1] (of training or of the null); None takes the sample's own.

    Returns
    -------
    float
        ``1 - brier / brier of the base rate``: 1 perfect, 0 no better than the base rate, below 0
        worse; NaN when the base rate makes no error.

    Examples
    --------
    >>> round(brier_skill([0.8, 0.4], [True, False]), 12)
    0.6
    """
    p, y = _pairs(probabilities, outcomes)
    if not p.shape[0]:
        return math.nan
    known = float(np.mean(y)) if base_rate is None else base_rate
    reference = brier_score(np.full(p.shape, known), y)
    return 1.0 - brier_score(p, y) / reference if reference > 0.0 else math.nan


def log_loss(probabilities: ArrayLike, outcomes: ArrayLike) -> float:
    """Compute the mean negative log likelihood, natural logarithm; NaN without a prediction.

    Parameters
    ----------
    probabilities, outcomes
        As for `brier_score`; probabilities are clipped to [eps, 1 - eps] of float64.

    Returns
    -------
    float
        >= 0; log(2) = 0.693 for a coin.

    Examples
    --------
    >>> round(log_loss([0.5, 0.5], [True, False]), 6)
    0.693147
    """
    p, y = _pairs(probabilities, outcomes)
    if not p.shape[0]:
        return math.nan
    clipped = np.clip(p, _EPSILON, 1.0 - _EPSILON)
    return float(-np.mean(y * np.log(clipped) + (1.0 - y) * np.log1p(-clipped)))


def calibration_bins(
    probabilities: ArrayLike, outcomes: ArrayLike, n_bins: int = N_BINS
) -> tuple[CalibrationBin, ...]:
    """Set predicted probability against win rate in bins of equal width.

    Parameters
    ----------
    probabilities, outcomes
        As for `brier_score`.
    n_bins : int
        1 to 100.

    Returns
    -------
    tuple of CalibrationBin
        All `n_bins` bins from 0 to 1, empty ones too.

    Raises
    ------
    ConfigInvalid
        If `n_bins` is out of bounds, or as for `brier_score`.

    Examples
    --------
    >>> last = calibration_bins([0.9, 1.0, 0.2], [True, False, False], n_bins=2)[1]
    >>> last.n, last.n_wins, last.mean_probability, last.win_rate
    (2, 1, 0.95, 0.5)
    """
    if not 1 <= n_bins <= 100:
        raise ConfigInvalid(f"n_bins {n_bins} must be from 1 to 100")
    p, y = _pairs(probabilities, outcomes)
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    places = _places(p, edges)
    return tuple(
        _bin(edges[k], edges[k + 1], p[places == k], y[places == k]) for k in range(n_bins)
    )


def expected_calibration_error(
    probabilities: ArrayLike,
    outcomes: ArrayLike,
    n_bins: int = N_BINS,
    *,
    most: float = 1.0,
) -> float:
    """Compute the mean gap between win rate and probability over bins, weighted by count.

    Parameters
    ----------
    probabilities, outcomes, n_bins
        As for `calibration_bins`.
    most : float
        Look only at predictions up to this probability, in (0, 1].

    Returns
    -------
    float
        In [0, 1]; NaN without a prediction. Bins of a calibrated model with n predictions still
        differ by chance, roughly ``sqrt(p (1 - p) / n)`` each: read it with its count.

    References
    ----------
    Naeini et al., Obtaining Well Calibrated Probabilities Using Bayesian Binning (2015).

    Examples
    --------
    >>> round(expected_calibration_error([0.9, 0.9, 0.1], [True, False, False]), 6)
    0.3
    """
    if not 0.0 < most <= 1.0:
        raise ConfigInvalid(f"most {most} must be above 0 and at most 1")
    p, y = _pairs(probabilities, outcomes)
    p, y = p[p <= most], y[p <= most]
    if not p.shape[0]:
        return math.nan
    bins = [found for found in calibration_bins(p, y, n_bins) if found.n]
    gaps = [found.n * abs(found.win_rate - found.mean_probability) for found in bins]
    return float(sum(gaps) / p.shape[0])


def calibration_line(probabilities: ArrayLike, outcomes: ArrayLike) -> CalibrationLine:
    """Fit the recalibration line by maximum likelihood.

    Parameters
    ----------
    probabilities, outcomes
        As for `brier_score`; clipped as in `log_loss`.

    Returns
    -------
    CalibrationLine
        NaN and NaN when only one outcome occurred, all probabilities are equal, or the
        probabilities separate the outcomes without error (no finite maximum).

    Notes
    -----
    Newton's method on two parameters, started at the calibrated line. Where the classes are
    separated it runs away: the curvature vanishes or the slope passes 1,000, and there is no line.

    References
    ----------
    Cox, Two Further Applications of a Model for Binary Regression (1958).

    Examples
    --------
    >>> p = np.repeat([0.25, 0.75], 4)
    >>> line = calibration_line(p, [True, False, False, False, True, True, True, False])
    >>> round(line.slope, 9), round(line.intercept, 9) + 0.0
    (1.0, 0.0)
    """
    p, y = _pairs(probabilities, outcomes)
    undefined = CalibrationLine(math.nan, math.nan)
    if not p.shape[0] or y.min() == y.max() or p.min() == p.max():
        return undefined
    clipped = np.clip(p, _EPSILON, 1.0 - _EPSILON)
    odds = np.log(clipped) - np.log1p(-clipped)
    found = _newton(np.column_stack((np.ones_like(odds), odds)), y)
    if found is None or abs(found[1]) > _SLOPE_LIMIT:
        return undefined
    return CalibrationLine(float(found[1]), float(found[0]))


def _newton(design: FloatArray, y: FloatArray) -> FloatArray | None:
    """Maximize the likelihood; a step that lowers it is halved."""
    beta = np.array([0.0, 1.0])
    value = _likelihood(design, y, beta)
    for _ in range(_NEWTON_STEPS):
        fitted = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -700.0, 700.0)))
        gradient = design.T @ (y - fitted)
        curvature = (design * (fitted * (1.0 - fitted))[:, None]).T @ design
        if np.linalg.cond(curvature) > 1.0 / _EPSILON:
            return None
        step = np.linalg.solve(curvature, gradient)
        while _likelihood(design, y, beta + step) < value and np.abs(step).max() > 1e-12:
            step = step / 2.0
        beta = beta + step
        value = _likelihood(design, y, beta)
        if np.abs(step).max() < 1e-10:
            return np.asarray(beta, dtype=np.float64)
    return None


def _likelihood(design: FloatArray, y: FloatArray, beta: FloatArray) -> float:
    scores = design @ beta
    return float(np.sum(y * scores - np.logaddexp(0.0, scores)))


def _bin(low: float, high: float, p: FloatArray, y: FloatArray) -> CalibrationBin:
    n, n_wins = p.shape[0], int(y.sum())
    return CalibrationBin(
        low=float(low),
        high=float(high),
        n=n,
        n_wins=n_wins,
        mean_probability=float(np.mean(p)) if n else math.nan,
        win_rate=n_wins / n if n else math.nan,
        interval=wilson_interval(n_wins, n),
    )


def _places(p: FloatArray, edges: FloatArray) -> NDArray[np.intp]:
    """Index of each probability's bin; 1 belongs to the last."""
    places = np.searchsorted(edges, p, side="right") - 1
    return np.asarray(np.minimum(places, edges.shape[0] - 2), dtype=np.intp)


def _pairs(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[FloatArray, FloatArray]:
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(outcomes, dtype=np.float64)
    if p.ndim != 1 or p.shape != y.shape:
        raise ConfigInvalid(
            f"probabilities {p.shape} and outcomes {y.shape} must be flat and equally long"
        )
    if not np.isfinite(p).all():
        at = int(np.flatnonzero(~np.isfinite(p))[0])
        raise NonFiniteInput(f"probabilities[{at}] is {p[at]}")
    outside = np.flatnonzero((p < 0.0) | (p > 1.0))
    if outside.shape[0]:
        raise ConfigInvalid(f"probabilities[{outside[0]}] {p[outside[0]]} must be in [0, 1]")
    unclear = np.flatnonzero((y != 0.0) & (y != 1.0))
    if unclear.shape[0]:
        raise ConfigInvalid(f"outcomes[{unclear[0]}] {y[unclear[0]]} must be 0 or 1")
    return p, y
