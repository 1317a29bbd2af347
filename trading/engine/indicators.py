"""Indicators over one price series: checked inputs in, causal arrays out.

INPUT    float64 arrays of shape (n_bars,), oldest first
OUTPUT   float64 arrays of the same shape; NaN until the window is full
LOOKBACK value at i uses 0..i only; the first usable index stands in each docstring

Conventions (seeds, Wilder smoothing, population deviation) are TA-Lib's, so that numbers agree with
what traders see elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trading.engine import kernels, smoothing
from trading.engine.errors import ParameterInvalid
from trading.engine.kernels import FloatArray


class Bollinger(NamedTuple):
    """Three bands of equal shape: mean plus and minus a multiple of the deviation."""

    upper: FloatArray
    middle: FloatArray
    lower: FloatArray


def sma(values: ArrayLike, window: int) -> FloatArray:
    """Compute the simple moving average: mean of the last ``window`` values.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Any unit.
    window : int
        Number of bars, >= 1.

    Returns
    -------
    float64, shape (n_bars,)
        Same unit; NaN before index ``window - 1`` and while a NaN is inside the window.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 1.

    Notes
    -----
    Prefix sums, so one pass whatever the window; the same order of additions as vectorbt, because
    two equal means (quantized prices) are told apart by their last bit.

    Examples
    --------
    >>> sma([1, 2, 3, 4], 2).tolist()
    [nan, 1.5, 2.5, 3.5]
    """
    return kernels.sma_nb(series_of(values), window_of(window))


def ema(values: ArrayLike, window: int) -> FloatArray:
    """Compute the exponential moving average with weight ``2 / (window + 1)``.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Any unit, finite.
    window : int
        Number of bars, >= 1.

    Returns
    -------
    float64, shape (n_bars,)
        Same unit; NaN before index ``window - 1``, where the simple mean seeds it. A NaN in the
        input stays in every later value.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 1.

    Examples
    --------
    >>> ema([1, 2, 3, 5], 3).tolist()
    [nan, nan, 2.0, 3.5]
    """
    return kernels.ema_nb(series_of(values), window_of(window))


def rsi(values: ArrayLike, window: int = 14, *, still: float = 0.0) -> FloatArray:
    """Compute the relative strength index: ``100 * gain / (gain + loss)``, Wilder-smoothed.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Prices, finite.
    window : int
        Number of changes averaged, >= 1.
    still : float
        What stands where the price never moved: 0 as in TA-Lib, or NaN to tell it from a fall.

    Returns
    -------
    float64, shape (n_bars,)
        In [0, 100]; NaN before index ``window``; ``still`` while the price never moved.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 1.

    References
    ----------
    Wilder, New Concepts in Technical Trading Systems (1978).

    Examples
    --------
    >>> rsi([1, 2, 1, 2], 2).tolist()
    [nan, nan, 50.0, 75.0]
    """
    return smoothing.rsi_nb(series_of(values), window_of(window), still)


def atr(high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int = 14) -> FloatArray:
    """Compute the average true range, Wilder-smoothed.

    Parameters
    ----------
    high, low, close : float64, shape (n_bars,)
        Prices, finite.
    window : int
        Number of true ranges averaged, >= 1.

    Returns
    -------
    float64, shape (n_bars,)
        Price units, >= 0; NaN before index ``window`` (bar 0 has no close before it).

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 1 or the columns differ in length.

    Examples
    --------
    >>> atr([2, 3, 4], [1, 2, 2], [1.5, 2.5, 3], 2).tolist()
    [nan, nan, 1.75]
    """
    highs, lows, closes = columns_of(high, low, close)
    return smoothing.atr_nb(highs, lows, closes, window_of(window))


def adx(high: ArrayLike, low: ArrayLike, close: ArrayLike, window: int = 14) -> FloatArray:
    """Compute the average directional index: strength of a trend, whatever its direction.

    Parameters
    ----------
    high, low, close : float64, shape (n_bars,)
        Prices, finite.
    window : int
        Wilder window, >= 2.

    Returns
    -------
    float64, shape (n_bars,)
        In [0, 100]; NaN before index ``2 * window - 1``.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 2 or the columns differ in length.

    References
    ----------
    Wilder, New Concepts in Technical Trading Systems (1978).

    Examples
    --------
    >>> rising = np.arange(1.0, 7.0)
    >>> adx(rising + 1, rising, rising + 0.5, 2)[3:].tolist()
    [100.0, 100.0, 100.0]
    """
    if window < 2:
        raise ParameterInvalid(f"window {window} of adx must be at least 2")
    highs, lows, closes = columns_of(high, low, close)
    return smoothing.adx_nb(highs, lows, closes, int(window))


def bollinger(values: ArrayLike, window: int = 20, width: float = 2.0) -> Bollinger:
    """Compute Bollinger bands: moving average plus and minus ``width`` deviations.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Prices, finite.
    window : int
        Number of bars, >= 1.
    width : float
        Multiple of the population standard deviation, >= 0.

    Returns
    -------
    Bollinger
        Upper, middle and lower band, each float64 of shape (n_bars,), price units; NaN before index
        ``window - 1``.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 1.

    Examples
    --------
    >>> [band.tolist() for band in bollinger([1, 3], 2, 1.0)]
    [[nan, 3.0], [nan, 2.0], [nan, 1.0]]
    """
    series = series_of(values)
    # Not `sma`: prefix sums lose the ninth decimal on long series of high prices.
    middle = kernels.mean_nb(series, window_of(window))
    spread = width * kernels.deviation_nb(series, window)
    return Bollinger(middle + spread, middle, middle - spread)


def rolling_max(values: ArrayLike, window: int) -> FloatArray:
    """Return the largest of the last ``window`` values.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Any unit.
    window : int
        Number of bars, >= 1, the present bar included.

    Returns
    -------
    float64, shape (n_bars,)
        Same unit; NaN before index ``window - 1`` and while a NaN is inside the window.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 1.

    Examples
    --------
    >>> rolling_max([1, 3, 2, 1], 2).tolist()
    [nan, 3.0, 3.0, 2.0]
    """
    return kernels.rolling_max_nb(series_of(values), window_of(window))


def rolling_min(values: ArrayLike, window: int) -> FloatArray:
    """Return the smallest of the last ``window`` values.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Any unit.
    window : int
        Number of bars, >= 1, the present bar included.

    Returns
    -------
    float64, shape (n_bars,)
        Same unit; NaN before index ``window - 1`` and while a NaN is inside the window.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 1.

    Examples
    --------
    >>> rolling_min([1, 3, 2, 1], 2).tolist()
    [nan, 1.0, 2.0, 1.0]
    """
    return kernels.rolling_min_nb(series_of(values), window_of(window))


def percentile_rank(values: ArrayLike, window: int, minimum: int = 1) -> FloatArray:
    """Rank each value within its own trailing window, the value itself included.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Any unit; NaN are left out of the window.
    window : int
        Longest window, >= 1 bars.
    minimum : int
        Fewest values that give a rank, >= 1.

    Returns
    -------
    float64, shape (n_bars,)
        In (0, 1]: mean rank over the number of values; NaN while fewer than ``minimum`` exist.

    Notes
    -----
    Counts and comparisons only, a few dozen instructions a bar; O(window) where most values of the
    window are equal. Equal to pandas ``rolling().rank(pct=True)``.

    Examples
    --------
    >>> percentile_rank([1.0, 3.0, 2.0, 2.0], 4).tolist()
    [1.0, 1.0, 0.6666666666666666, 0.625]
    """
    places = kernels.PLACES if window <= kernels.MOST_COUNTED else kernels.WIDE_PLACES
    return kernels.percentile_rank_nb(
        series_of(values), window_of(window), window_of(minimum), places
    )


def series_of(values: ArrayLike) -> FloatArray:
    """Return a float64 copy that a kernel takes."""
    # A copy, because a read-only array is another numba type and would compile every kernel again.
    return np.array(values, dtype=np.float64, order="C", ndmin=1)


def columns_of(
    high: ArrayLike, low: ArrayLike, close: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return three copies of equal length, or refuse them with `ParameterInvalid`."""
    series = series_of(high), series_of(low), series_of(close)
    lengths = {column.shape[0] for column in series}
    if len(lengths) > 1:
        raise ParameterInvalid(f"high, low and close differ in length: {sorted(lengths)}")
    return series


def window_of(window: int) -> int:
    """Return a window of at least one bar, or refuse it with `ParameterInvalid`."""
    if window < 1:
        raise ParameterInvalid(f"window {window} must be at least 1")
    return int(window)
