"""Volatility from the whole bar: high and low say what closes leave out.

INPUT    open, high, low, close of one instrument and its bars per year
OUTPUT   annualized volatility per bar, fraction, NaN before the window is full
LOOKBACK the window; value at i uses bars i - window + 1 .. i (and the close before, where said)

For the page that sets them side by side; regimes are decided by the EWMA of closes alone. Series
with closes only have no range: high equals low there, and these estimators would say 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from trading.engine.errors import NonFiniteInput, ParameterInvalid
from trading.engine.kernels import FloatArray


def parkinson(
    high: ArrayLike, low: ArrayLike, window: int = 20, bars_per_year: float = 252.0
) -> FloatArray:
    """Estimate volatility from the range of each bar.

    ``sqrt(bars_per_year * mean(ln(high / low)^2) / (4 ln 2))``

    Parameters
    ----------
    high, low : float64, shape (n_bars,)
        Prices, > 0.
    window : int
        Bars, >= 1.
    bars_per_year : float
        > 0.

    Returns
    -------
    float64, shape (n_bars,)
        Fraction a year, >= 0; NaN before index ``window - 1``. Assumes no drift and no jump between
        bars, so gaps over night are missed.

    Raises
    ------
    ParameterInvalid, NonFiniteInput
        If window or bars_per_year is out of bounds, lengths differ, or a price is not above 0.

    References
    ----------
    Parkinson, The Extreme Value Method for Estimating the Variance of the Rate of Return (1980).

    Examples
    --------
    >>> parkinson([np.e, np.e], [1.0, 1.0], 1, 4.0 * np.log(2.0)).round(12).tolist()
    [1.0, 1.0]
    """
    tops, bottoms = _logs(high=high, low=low)
    return _annualized(_mean((tops - bottoms) ** 2, window) / (4.0 * math.log(2.0)), bars_per_year)


def garman_klass(
    open_: ArrayLike,
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    window: int = 20,
    bars_per_year: float = 252.0,
) -> FloatArray:
    """Estimate volatility from range, open and close of each bar.

    ``sqrt(bars_per_year * mean(ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2))``

    Parameters
    ----------
    open_, high, low, close : float64, shape (n_bars,)
        Prices, > 0.
    window, bars_per_year
        As for `parkinson`.

    Returns
    -------
    float64, shape (n_bars,)
        As for `parkinson`; a mean below 0, which a few odd bars can give, counts as 0.

    Raises
    ------
    ParameterInvalid, NonFiniteInput
        As for `parkinson`.

    References
    ----------
    Garman, Klass, On the Estimation of Security Price Volatilities from Historical Data (1980).

    Examples
    --------
    >>> garman_klass([1.0], [np.e], [1.0], [1.0], 1, 2.0).round(12).tolist()
    [1.0]
    """
    opens, tops, bottoms, closes = _logs(open=open_, high=high, low=low, close=close)
    terms = (tops - bottoms) ** 2 / 2.0 - (2.0 * math.log(2.0) - 1.0) * (closes - opens) ** 2
    return _annualized(_mean(terms, window), bars_per_year)


def yang_zhang(
    open_: ArrayLike,
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    window: int = 20,
    bars_per_year: float = 252.0,
) -> FloatArray:
    """Estimate volatility from jumps between bars, the way to the close, and the range.

    ``V = V_open + k V_close + (1 - k) V_range`` with ``k = 0.34 / (1.34 + (n + 1) / (n - 1))``:
    sample variances of ``ln(open / close before)`` and ``ln(close / open)``, and the mean of the
    Rogers-Satchell term.

    Parameters
    ----------
    open_, high, low, close : float64, shape (n_bars,)
        Prices, > 0.
    window : int
        Bars, >= 2.
    bars_per_year : float
        > 0.

    Returns
    -------
    float64, shape (n_bars,)
        Fraction a year, >= 0; NaN before index ``window``: the first jump needs a close before.
        Free of drift, and gaps count.

    Raises
    ------
    ParameterInvalid, NonFiniteInput
        As for `parkinson`.

    References
    ----------
    Yang, Zhang, Drift-Independent Volatility Estimation Based on High, Low, Open, and Close Prices
    (2000).

    Examples
    --------
    >>> flat = [2.0, 2.0, 2.0]
    >>> yang_zhang(flat, flat, flat, flat, 2).tolist()
    [nan, nan, 0.0]
    """
    if window < 2:
        raise ParameterInvalid(f"window {window} of yang_zhang must be at least 2")
    opens, tops, bottoms, closes = _logs(open=open_, high=high, low=low, close=close)
    jumps = np.full(opens.shape, math.nan)
    jumps[1:] = opens[1:] - closes[:-1]
    inside = (tops - closes) * (tops - opens) + (bottoms - closes) * (bottoms - opens)
    k = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    variance = (
        _variance(jumps, window)
        + k * _variance(closes - opens, window)
        + (1.0 - k) * _mean(inside, window)
    )
    return _annualized(variance, bars_per_year)


def _logs(**columns: ArrayLike) -> list[FloatArray]:
    prices = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    lengths = {column.shape for column in prices.values()}
    if len(lengths) > 1:
        raise ParameterInvalid(f"{', '.join(prices)} differ in length: {sorted(lengths)}")
    for name, column in prices.items():
        odd = np.flatnonzero(~(np.isfinite(column) & (column > 0.0)))
        if odd.shape[0]:
            raise NonFiniteInput(f"{name}[{odd[0]}] {column[odd[0]]} must be a price above 0")
    return [np.log(column) for column in prices.values()]


def _mean(values: FloatArray, window: int) -> FloatArray:
    if window < 1:
        raise ParameterInvalid(f"window {window} must be at least 1")
    out = np.full(values.shape, math.nan)
    if window <= values.shape[0]:
        out[window - 1 :] = np.mean(sliding_window_view(values, window), axis=1)
    return out


def _variance(values: FloatArray, window: int) -> FloatArray:
    out = np.full(values.shape, math.nan)
    if window <= values.shape[0]:
        out[window - 1 :] = np.var(sliding_window_view(values, window), axis=1, ddof=1)
    return out


def _annualized(variance: FloatArray, bars_per_year: float) -> FloatArray:
    if not bars_per_year > 0.0:
        raise ParameterInvalid(f"bars_per_year {bars_per_year} must be above 0")
    found: FloatArray = np.sqrt(np.maximum(variance, 0.0) * bars_per_year)
    return found
