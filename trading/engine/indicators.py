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
    return kernels.sma_nb(_series(values), _window(window))


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
    return kernels.ema_nb(_series(values), _window(window))


def rsi(values: ArrayLike, window: int = 14) -> FloatArray:
    """Compute the relative strength index: ``100 * gain / (gain + loss)``, Wilder-smoothed.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Prices, finite.
    window : int
        Number of changes averaged, >= 1.

    Returns
    -------
    float64, shape (n_bars,)
        In [0, 100]; NaN before index ``window``; 0 while the price never moved.

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
    return smoothing.rsi_nb(_series(values), _window(window))


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
    highs, lows, closes = _columns(high, low, close)
    return smoothing.atr_nb(highs, lows, closes, _window(window))


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
    highs, lows, closes = _columns(high, low, close)
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
    series = _series(values)
    # Not `sma`: prefix sums lose the ninth decimal on long series of high prices.
    middle = kernels.mean_nb(series, _window(window))
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
    return kernels.rolling_max_nb(_series(values), _window(window))


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
    return kernels.rolling_min_nb(_series(values), _window(window))


def log_returns(values: ArrayLike) -> FloatArray:
    """Compute log returns ``ln(p[i] / p[i-1])``.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Prices, > 0.

    Returns
    -------
    float64, shape (n_bars,)
        Fractions; NaN at index 0.

    Examples
    --------
    >>> log_returns([1.0, np.e]).round(12).tolist()
    [nan, 1.0]
    """
    series = _series(values)
    out = np.full(series.shape[0], np.nan)
    out[1:] = np.log(series[1:] / series[:-1])
    return out


def ewma_volatility(
    values: ArrayLike, bars_per_year: float = 252.0, alpha: float = 0.06
) -> FloatArray:
    """Compute annualized exponentially weighted volatility of log returns.

    ``sqrt(bars_per_year * sum(w_k r_k^2) / sum(w_k))`` with ``w_k = (1 - alpha)^(i - k)``.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Prices, > 0.
    bars_per_year : float
        The instrument's own number of bars in a year, > 0.
    alpha : float
        Weight of the newest return, in (0, 1]; 0.06 is RiskMetrics' 0.94.

    Returns
    -------
    float64, shape (n_bars,)
        Fraction per year, >= 0; NaN at index 0. The mean return is taken as zero.

    References
    ----------
    J.P. Morgan/Reuters, RiskMetrics Technical Document (1996).

    Examples
    --------
    >>> ewma_volatility([1.0, np.e, 1.0], bars_per_year=1).tolist()
    [nan, 1.0, 1.0]
    """
    if not 0.0 < alpha <= 1.0:
        raise ParameterInvalid(f"alpha {alpha} must lie in (0, 1]")
    variance = kernels.ewma_variance_nb(log_returns(values), float(alpha))
    volatility: FloatArray = np.sqrt(variance * bars_per_year)
    return volatility


def realized_volatility(
    values: ArrayLike, window: int = 20, bars_per_year: float = 252.0
) -> FloatArray:
    """Compute annualized standard deviation of the last ``window`` log returns.

    Parameters
    ----------
    values : float64, shape (n_bars,)
        Prices, > 0.
    window : int
        Number of returns, >= 2.
    bars_per_year : float
        Bars in a year, > 0.

    Returns
    -------
    float64, shape (n_bars,)
        Fraction per year, >= 0, sample deviation (ddof 1); NaN before index ``window``.

    Raises
    ------
    ParameterInvalid
        If ``window`` is below 2.

    Examples
    --------
    >>> realized_volatility([1.0, 2.0, 4.0, 8.0], 2, 1.0)[2:].tolist()
    [0.0, 0.0]
    """
    if window < 2:
        raise ParameterInvalid(f"window {window} of realized_volatility must be at least 2")
    spread = kernels.deviation_nb(log_returns(values), window)
    volatility: FloatArray = spread * np.sqrt(bars_per_year * window / (window - 1.0))
    return volatility


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
    O(n_bars x window), comparisons only. Equal to pandas ``rolling().rank(pct=True)``.

    Examples
    --------
    >>> percentile_rank([1.0, 3.0, 2.0, 2.0], 4).tolist()
    [1.0, 1.0, 0.6666666666666666, 0.625]
    """
    return kernels.percentile_rank_nb(_series(values), _window(window), _window(minimum))


def _series(values: ArrayLike) -> FloatArray:
    # A copy, because a read-only array is another numba type and would compile every kernel again.
    return np.array(values, dtype=np.float64, order="C", ndmin=1)


def _columns(
    high: ArrayLike, low: ArrayLike, close: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    series = _series(high), _series(low), _series(close)
    lengths = {column.shape[0] for column in series}
    if len(lengths) > 1:
        raise ParameterInvalid(f"high, low and close differ in length: {sorted(lengths)}")
    return series


def _window(window: int) -> int:
    if window < 1:
        raise ParameterInvalid(f"window {window} must be at least 1")
    return int(window)
