"""Returns of one price series and the volatility of its closes.

INPUT    closes, float64 of shape (n_bars,), oldest first
OUTPUT   float64 of the same shape; NaN until the window is full
LOOKBACK value at i uses 0..i only; the first usable index stands in each docstring
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trading.engine import kernels
from trading.engine.errors import ParameterInvalid
from trading.engine.kernels import FloatArray


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
    series = np.ascontiguousarray(values, dtype=np.float64)
    out = np.empty(series.shape[0])
    out[:1] = np.nan
    np.divide(series[1:], series[:-1], out=out[1:])
    np.log(out[1:], out=out[1:])
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
    return kernels.ewma_volatility_nb(log_returns(values), float(alpha), float(bars_per_year))


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
