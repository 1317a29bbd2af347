"""Where good trials are dense and others are not: two mixtures of kernels, compared point by point.

INPUT    positions of known trials on the axes of a space, the better ones apart from the others
OUTPUT   candidates drawn near the better ones, with how much likelier they are there
LOOKBACK none

Each known trial spreads as far as its neighbors on each axis are away, cut off at the ends of the
axis; one more kernel in the middle covers everything. This is the arithmetic of Optuna's estimator,
which calls a scalar function of Python for every number of it; here it is one compiled loop.

References
----------
Bergstra et al., Algorithms for Hyper-Parameter Optimization (2011); Akiba et al., Optuna: A
Next-generation Hyperparameter Optimization Framework (2019), its `TPESampler`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trading.engine.kernels import FloatArray, IntArray, inlined, kernel
from trading.engine.search.space import Dimension
from trading.engine.strategies.base import CHOICE, INT, ParameterValue

# How an axis spreads the weight of a trial: over bins, smoothly, or over choices.
STEPPED, SMOOTH, CHOSEN = 0, 1, 2
ROOT_HALF = math.sqrt(0.5)
# So many of its widths away a kernel counts as nothing; less than 1e-32 of it lies there.
FAR = 12.0
# At least a kernel is as wide as the axis over this.
NARROWEST = 100.0
# Where the middle kernel stands among choices: at none of them.
NO_CHOICE = -1.0
# So many of the newest trials weigh fully, those before them less the older they are.
N_FULL = 25


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension of a space as a line from `low` to `high`, on which kernels are laid.

    Steps and choices are whole numbers 0, 1, ... with half a number of room at both ends; whole
    numbers on a log scale are their logarithms; what moves continuously goes from 0 to 1.
    """

    dimension: Dimension
    kind: int
    low: float
    high: float

    @property
    def is_log(self) -> bool:
        """Whether positions are logarithms of whole numbers."""
        return self.kind == STEPPED and self.dimension.is_log

    def position(self, value: ParameterValue) -> float:
        """Place a value of the parameter on the axis."""
        if self.is_log:
            return math.log(float(value))
        if self.kind == STEPPED:
            return (float(value) - self.dimension.low) / (self.dimension.step or 1.0)
        if self.kind == CHOSEN:
            return float(self.dimension.choices.index(str(value)))
        return self.dimension.unit(value)

    def snapped(self, positions: FloatArray) -> FloatArray:
        """Move positions to the nearest values the parameter can take."""
        if self.is_log:
            whole = np.clip(np.round(np.exp(positions)), self.dimension.low, self.dimension.high)
            return np.log(whole)
        if self.kind == SMOOTH:
            return positions
        return np.clip(np.round(positions), 0.0, self.high - 0.5)

    def edges(self, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return where the bins of snapped positions begin and end; the positions without bins."""
        if self.is_log:
            whole = np.exp(positions)
            return np.log(whole - 0.5), np.log(whole + 0.5)
        if self.kind == STEPPED:
            return positions - 0.5, positions + 0.5
        return positions, positions

    def value(self, position: float) -> ParameterValue:
        """Turn a snapped position into the value it stands for."""
        d = self.dimension
        if self.is_log:
            return round(math.exp(position))
        if self.kind == SMOOTH:
            return d.cast(d.number(position))
        return d.value_at(round(position))


def axis_of(dimension: Dimension) -> Axis:
    """Lay a dimension out as a line.

    Parameters
    ----------
    dimension : Dimension
        Any.

    Returns
    -------
    Axis
        Of kind CHOSEN for choices, SMOOTH where the dimension moves continuously (always on a log
        scale that is not of whole numbers), STEPPED otherwise.

    Examples
    --------
    >>> axis = axis_of(Dimension("fast", "INT", 5.0, 20.0, 5.0))
    >>> axis.low, axis.high, axis.position(10), axis.value(3.0)
    (-0.5, 3.5, 1.0, 20)
    """
    if dimension.kind == CHOICE:
        return Axis(dimension, CHOSEN, -0.5, len(dimension.choices) - 0.5)
    if dimension.kind == INT and dimension.is_log:
        low, high = math.log(dimension.low - 0.5), math.log(dimension.high + 0.5)
        return Axis(dimension, STEPPED, low, high)
    if dimension.n_values is None or dimension.is_log:
        return Axis(dimension, SMOOTH, 0.0, 1.0)
    return Axis(dimension, STEPPED, -0.5, dimension.n_values - 0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Kernels around known trials, and one around the middle that is as wide as the axes.

    Attributes
    ----------
    axes : tuple of Axis
        The columns.
    centers, widths : numpy.ndarray
        float64, shape (n_trials + 1, n_axes), on the axes; the last row is the middle one. The
        width of a choice is the weight its row gives every choice beside 1 for its own.
    weights : numpy.ndarray
        float64, shape (n_trials + 1,), sums to 1.
    inside : numpy.ndarray
        float64, shape of `centers`: how much of each kernel lies on its axis before it is cut off.
    """

    axes: tuple[Axis, ...]
    centers: FloatArray
    widths: FloatArray
    weights: FloatArray
    inside: FloatArray

    def draw(self, uniforms: FloatArray) -> FloatArray:
        """Draw positions from uniform numbers: the first picks a kernel, the others a place in it.

        Parameters
        ----------
        uniforms : numpy.ndarray
            float64 in [0, 1), shape (n, 1 + n_axes).

        Returns
        -------
        numpy.ndarray
            float64, shape (n, n_axes), not yet rounded to steps.
        """
        from scipy.special import ndtr, ndtri  # only a search needs SciPy

        shares = np.cumsum(self.weights)
        picked = np.searchsorted(shares, uniforms[:, 0] * shares[-1], side="right")
        center, width, u = self.centers[picked], self.widths[picked], uniforms[:, 1:]
        low, high, kinds = _ends(self.axes)
        before = ndtr((low - center) / width)
        share = before + u * (ndtr((high - center) / width) - before)
        places = np.clip(center + width * ndtri(share), low, high)
        # A choice is repeated with what its row gives to it alone; the rest is spread over all.
        own = np.where(center < 0.0, 0.0, 1.0 / (1.0 + width * (high - low)))
        anyone = np.floor((u - own) / (1.0 - own) * (high - low))
        chosen = np.where(u < own, center, anyone)
        return np.where(kinds == CHOSEN, chosen, places)

    def density(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Say how dense the mixture is in bins, as a multiple of its middle kernel alone.

        Parameters
        ----------
        left, right : numpy.ndarray
            float64, shape (n, n_axes), as `Axis.edges`.

        Returns
        -------
        numpy.ndarray
            float64 above 0, shape (n,).
        """
        _, _, kinds = _ends(self.axes)
        return density_nb(left, right, self.centers, self.widths, self.inside, self.weights, kinds)


def mixture_of(axes: Sequence[Axis], positions: FloatArray) -> Mixture:
    """Lay a kernel around each known trial.

    Parameters
    ----------
    axes : sequence of Axis
        The columns.
    positions : numpy.ndarray
        float64, shape (n_trials, n_axes), oldest trial first; none gives the middle kernel alone.

    Returns
    -------
    Mixture
        A kernel reaches to the farther of its neighbors on each axis, no less than 1/100 of the
        axis (more while there are few) and no more than all of it.

    Examples
    --------
    >>> axis = axis_of(Dimension("share", "FLOAT", 0.0, 1.0))
    >>> mixture = mixture_of([axis], np.array([[0.2], [0.3], [0.9]]))
    >>> mixture.widths[:, 0].round(2).tolist(), mixture.weights.tolist()
    ([0.2, 0.6, 0.6, 1.0], [0.25, 0.25, 0.25, 0.25])
    """
    low, high, kinds = _ends(axes)
    is_choice = kinds == CHOSEN
    # Of a choice: what its row spreads over all of them; the middle row repeats none.
    widths = np.where(is_choice, 1.0 / (len(positions) + 1), _widths(positions, low, high))
    middle = np.where(is_choice, NO_CHOICE, 0.5 * (low + high))
    whole = np.where(is_choice, 1.0, high - low)
    weights = np.append(_age_weights(len(positions)), 1.0)
    centers, spread = np.vstack([positions, middle]), np.vstack([widths, whole])
    return Mixture(
        tuple(axes),
        centers,
        spread,
        weights / weights.sum(),
        inside_nb(centers, spread, low, high, kinds),
    )


def _age_weights(n: int) -> FloatArray:
    if n <= N_FULL:
        return np.ones(n)
    return np.concatenate([np.linspace(1.0 / n, 1.0, n - N_FULL), np.ones(N_FULL)])


def _widths(positions: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    n = len(positions)
    if n == 0:
        return positions
    order = np.argsort(positions, axis=0, kind="stable")
    lined = np.vstack([low, np.take_along_axis(positions, order, axis=0), high])
    gaps = np.diff(lined, axis=0)
    wide = np.maximum(gaps[:-1], gaps[1:])
    if n >= 2:
        # The outermost look inward only: the end of the axis is no neighbor.
        wide[0], wide[-1] = gaps[1], gaps[-2]
    widths = np.empty_like(positions)
    np.put_along_axis(widths, order, wide, axis=0)
    return np.clip(widths, (high - low) / min(NARROWEST, n + 2.0), high - low)


def _ends(axes: Sequence[Axis]) -> tuple[FloatArray, FloatArray, IntArray]:
    low = np.array([axis.low for axis in axes])
    high = np.array([axis.high for axis in axes])
    return low, high, np.array([axis.kind for axis in axes], dtype=np.int64)


@inlined
def _mass(left: float, right: float) -> float:
    """Mass of a standard normal between two numbers, precise in both tails."""
    if left > 0.0:
        left, right = -right, -left
    return 0.5 * (math.erfc(-right * ROOT_HALF) - math.erfc(-left * ROOT_HALF))


@inlined
def _share(
    left: float, right: float, center: float, width: float, inside: float, kind: int
) -> float:
    """Mass of a kernel in a bin, density of one without bins, or its part of a choice."""
    if kind == CHOSEN:
        return ((1.0 if left == center else 0.0) + width) / inside
    a, b = (left - center) / width, (right - center) / width
    if a > FAR or b < -FAR:
        return 0.0
    if kind == STEPPED:
        return _mass(a, b) / inside
    return math.exp(-0.5 * a * a) / (width * inside)


@kernel
def inside_nb(
    centers: FloatArray, widths: FloatArray, low: FloatArray, high: FloatArray, kinds: IntArray
) -> FloatArray:
    """Measure how much of each kernel lies on its axis before it is cut off, for `_share`."""
    n, n_axes = centers.shape
    out = np.empty((n, n_axes))
    for k in range(n):
        for j in range(n_axes):
            center, width = centers[k, j], widths[k, j]
            if kinds[j] == CHOSEN:
                out[k, j] = (1.0 if center >= 0.0 else 0.0) + width * (high[j] - low[j])
            else:
                out[k, j] = _mass((low[j] - center) / width, (high[j] - center) / width)
    return out


@kernel
def density_nb(
    left: FloatArray,
    right: FloatArray,
    centers: FloatArray,
    widths: FloatArray,
    inside: FloatArray,
    weights: FloatArray,
    kinds: IntArray,
) -> FloatArray:
    """Density of a mixture in each row of bins over the density of its last kernel there.

    The last kernel is the same in every mixture of a space, so it cancels where two are compared,
    and nothing under- or overflows however many axes there are.
    """
    n, n_axes = left.shape
    last = centers.shape[0] - 1
    out = np.full(n, weights[last])
    middle = np.empty(n_axes)
    for i in range(n):
        for j in range(n_axes):
            middle[j] = _share(
                left[i, j], right[i, j], centers[last, j], widths[last, j], inside[last, j],
                kinds[j],
            )  # fmt: skip
        for k in range(last):
            product = weights[k]
            for j in range(n_axes):
                share = _share(
                    left[i, j], right[i, j], centers[k, j], widths[k, j], inside[k, j], kinds[j]
                )
                product *= share / middle[j]
                if product == 0.0:
                    break
            out[i] += product
    return out
