"""Performance figures of an equity curve and of a list of trades.

INPUT    equity in currency, or simple returns as fractions, or net results per trade
OUTPUT   fractions and ratios; NaN where a figure is not defined, never an invented zero
LOOKBACK a series value at i uses 0..i only; a single figure uses everything it is given

Definitions are empyrical's. Drawdowns are <= 0 and the starting capital is the first peak. Long for
the formula, unit and example of each figure; less than half of it is code.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trading.engine.errors import InsufficientBars, NonFiniteInput
from trading.engine.kernels import FloatArray

Z_95 = 1.959963984540054
# Below this many returns the interval of a Sharpe ratio says nothing.
FEWEST_FOR_SHARPE = 60
# Deviation that equal returns get from rounding alone.
ROUNDING = 1e-15
LARGEST_LOG = 700.0  # its exponential is still a float64


class Interval(NamedTuple):
    """Lower and upper bound, fractions."""

    low: float
    high: float


def simple_returns(equity: ArrayLike, start: float | None = None) -> FloatArray:
    """Compute returns per bar: ``e[i] / e[i-1] - 1``.

    Parameters
    ----------
    equity : float64, shape (n_bars,)
        Currency, > 0.
    start : float or None
        Capital before the first bar; None makes the first return 0.

    Returns
    -------
    float64, shape (n_bars,)
        Fractions, > -1.

    Raises
    ------
    InsufficientBars, NonFiniteInput
        For an empty or non-finite curve.

    Examples
    --------
    >>> simple_returns([110.0, 99.0], start=100.0).round(12).tolist()
    [0.1, -0.1]
    """
    curve = _curve(equity)
    before = np.concatenate(([curve[0] if start is None else start], curve[:-1]))
    return curve / before - 1.0


def drawdowns(equity: ArrayLike, start: float | None = None) -> FloatArray:
    """Compute the drawdown at each bar: ``e[i] / max(e[0..i]) - 1``.

    Parameters
    ----------
    equity : float64, shape (n_bars,)
        Currency, > 0.
    start : float or None
        Starting capital, the first peak; None takes the first value.

    Returns
    -------
    float64, shape (n_bars,)
        Fraction of the running peak, in [-1, 0].

    Raises
    ------
    InsufficientBars
        If there is no bar.
    NonFiniteInput
        If a value is NaN or infinite.

    Notes
    -----
    Value at i uses ``equity[0..i]`` only.

    References
    ----------
    Magdon-Ismail and Atiya, Maximum Drawdown (2004).

    Examples
    --------
    >>> drawdowns([90.0, 120.0, 60.0], start=100.0).round(12).tolist()
    [-0.1, 0.0, -0.5]
    """
    curve = _curve(equity)
    peaks = np.maximum.accumulate(curve)
    if start is not None:
        peaks = np.maximum(peaks, start)
    return curve / peaks - 1.0


def max_drawdown(equity: ArrayLike, start: float | None = None) -> float:
    """Return the deepest drawdown, fraction in [-1, 0].

    Examples
    --------
    >>> max_drawdown([100.0, 50.0, 75.0])
    -0.5
    """
    return float(drawdowns(equity, start).min())


def annual_return(returns: ArrayLike, bars_per_year: float) -> float:
    """Return the compound growth rate per year: ``prod(1 + r) ** (bars_per_year / n) - 1``.

    Parameters
    ----------
    returns : float64, shape (n_bars,)
        Simple returns, fractions.
    bars_per_year : float
        > 0.

    Returns
    -------
    float
        Fraction, >= -1; NaN for less than a month, which says nothing about a year, and where the
        rate is too large to be written.

    Examples
    --------
    >>> round(annual_return([0.1, 0.1], bars_per_year=2), 12)
    0.21
    >>> annual_return([0.1, 0.1], bars_per_year=252)
    nan
    """
    values = np.asarray(returns, dtype=np.float64)
    n = values.shape[0]
    growth = float(np.prod(1.0 + values))
    if not growth > 0.0:
        return -1.0
    if n < bars_per_year / 12.0:
        return math.nan
    rate = math.log(growth) * (bars_per_year / n)
    return math.expm1(rate) if rate < LARGEST_LOG else math.nan


def volatility(returns: ArrayLike, bars_per_year: float) -> float:
    """Return the annualized sample deviation of returns, fraction; NaN below two bars.

    Examples
    --------
    >>> round(volatility([0.01, -0.01], 252), 6)
    0.224499
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.shape[0] < 2:
        return math.nan
    return float(np.std(values, ddof=1)) * math.sqrt(bars_per_year)


def sharpe_ratio(returns: ArrayLike, bars_per_year: float) -> float:
    """Compute the Sharpe ratio: mean over sample deviation, times ``sqrt(bars_per_year)``.

    Parameters
    ----------
    returns : float64, shape (n_bars,)
        Simple returns above the risk-free rate, fractions.
    bars_per_year : float
        > 0.

    Returns
    -------
    float
        Dimensionless; NaN below two bars or without any variation.

    References
    ----------
    Sharpe, The Sharpe Ratio (1994).

    Examples
    --------
    >>> round(sharpe_ratio([0.02, 0.0], 1), 6)
    0.707107
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.shape[0] < 2:
        return math.nan
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    if spread <= ROUNDING:
        return math.nan
    return mean / spread * math.sqrt(bars_per_year)


def sharpe_interval(returns: ArrayLike, bars_per_year: float) -> Interval:
    """Compute the 95 % interval of the Sharpe ratio, with the skewness and kurtosis of returns.

    Parameters
    ----------
    returns : float64, shape (n_bars,)
        Simple returns, fractions.
    bars_per_year : float
        > 0.

    Returns
    -------
    Interval
        Dimensionless, not fractions; NaN below 60 returns or without any variation.

    References
    ----------
    Mertens, Comments on Variance of the IID Estimator in Lo (2002).

    Examples
    --------
    >>> [round(bound, 3) for bound in sharpe_interval([0.01, -0.01] * 50, 1.0)]
    [-0.197, 0.197]
    """
    values = np.asarray(returns, dtype=np.float64)
    n = values.shape[0]
    if n < FEWEST_FOR_SHARPE:
        return Interval(math.nan, math.nan)
    sharpe = sharpe_ratio(values, bars_per_year)
    if not math.isfinite(sharpe):
        return Interval(math.nan, math.nan)
    per_bar = sharpe / math.sqrt(bars_per_year)
    scaled = (values - values.mean()) / values.std(ddof=1)
    skewness, kurtosis = float(np.mean(scaled**3)), float(np.mean(scaled**4))
    variance = 1.0 - skewness * per_bar + (kurtosis - 1.0) / 4.0 * per_bar**2
    half = Z_95 * math.sqrt(max(variance, 0.0) / (n - 1)) * math.sqrt(bars_per_year)
    return Interval(sharpe - half, sharpe + half)


def sortino_ratio(returns: ArrayLike, bars_per_year: float) -> float:
    """Compute the Sortino ratio: annual mean over annual downside deviation below 0.

    Parameters
    ----------
    returns : float64, shape (n_bars,)
        Simple returns, fractions.
    bars_per_year : float
        > 0.

    Returns
    -------
    float
        Dimensionless; NaN below two bars or without a loss.

    Examples
    --------
    >>> round(sortino_ratio([0.03, -0.01], 1), 6)
    1.414214
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.shape[0] < 2:
        return math.nan
    downside = math.sqrt(float(np.mean(np.minimum(values, 0.0) ** 2)))
    if downside == 0.0:
        return math.nan
    return float(np.mean(values)) / downside * math.sqrt(bars_per_year)


def calmar_ratio(returns: ArrayLike, bars_per_year: float) -> float:
    """Compute the Calmar ratio: annual return over the size of the deepest drawdown.

    Returns
    -------
    float
        Dimensionless; NaN without a drawdown.

    Examples
    --------
    >>> round(calmar_ratio([0.5, -0.5, 1.0], 3), 6)
    1.0
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.shape[0] == 0:
        return math.nan
    deepest = max_drawdown(np.cumprod(1.0 + values), start=1.0)
    return annual_return(values, bars_per_year) / -deepest if deepest < 0.0 else math.nan


def profit_factor(pnls: ArrayLike) -> float:
    """Compute gross profit over gross loss of net trade results.

    Returns
    -------
    float
        >= 0; infinite without a loss but with a profit; NaN without either.

    Examples
    --------
    >>> profit_factor([3.0, -1.0, -1.0]), profit_factor([1.0])
    (1.5, inf)
    """
    values = np.asarray(pnls, dtype=np.float64)
    gain = float(values[values > 0.0].sum())
    loss = -float(values[values < 0.0].sum())
    if loss == 0.0:
        return math.inf if gain > 0.0 else math.nan
    return gain / loss


def hit_rate(pnls: ArrayLike) -> float:
    """Return the share of trades with a result above zero; NaN without a trade.

    Examples
    --------
    >>> hit_rate([3.0, -1.0, 0.0, 2.0])
    0.5
    """
    values = np.asarray(pnls, dtype=np.float64)
    return float(np.mean(values > 0.0)) if values.shape[0] else math.nan


def wilson_interval(n_wins: int, n: int, z: float = Z_95) -> Interval:
    """Compute the Wilson score interval of a proportion.

    Parameters
    ----------
    n_wins, n : int
        ``0 <= n_wins <= n``.
    z : float
        Normal quantile; 1.96 for 95 %.

    Returns
    -------
    Interval
        Within [0, 1]; (0, 1) without a trade: nothing is known.

    References
    ----------
    Wilson, Probable Inference (1927).

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson_interval(8, 10)]
    [0.4902, 0.9433]
    """
    if n == 0:
        return Interval(0.0, 1.0)
    share = n_wins / n
    width = 1.0 + z * z / n
    center = (share + z * z / (2.0 * n)) / width
    half = z / width * math.sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n))
    return Interval(max(center - half, 0.0), min(center + half, 1.0))


def expectancy_bps(return_ratios: ArrayLike) -> float:
    """Return the mean net result per trade in basis points of the money put in.

    Examples
    --------
    >>> round(expectancy_bps([0.01, -0.005]), 6)
    25.0
    """
    values = np.asarray(return_ratios, dtype=np.float64)
    return float(np.mean(values)) * 1e4 if values.shape[0] else math.nan


def turnover_per_year(notionals: ArrayLike, equity: ArrayLike, bars_per_year: float) -> float:
    """Return traded notional over mean equity, per year.

    Parameters
    ----------
    notionals : float64, shape (n_fills,)
        Absolute value of each fill, currency.
    equity : float64, shape (n_bars,)
        Currency, > 0.
    bars_per_year : float
        > 0.

    Returns
    -------
    float
        Times per year, buys and sells both counted, >= 0.

    Examples
    --------
    >>> turnover_per_year([100.0, 100.0], [100.0, 100.0], bars_per_year=2)
    2.0
    """
    curve = _curve(equity)
    traded = float(np.asarray(notionals, dtype=np.float64).sum())
    mean_equity = float(np.mean(curve))
    return float(traded / mean_equity * bars_per_year / curve.shape[0])


def _curve(equity: ArrayLike) -> FloatArray:
    curve = np.asarray(equity, dtype=np.float64)
    if curve.shape[0] < 1:
        raise InsufficientBars("an equity curve needs at least 1 bar, found 0")
    broken = ~np.isfinite(curve)
    if broken.any():
        row = int(np.argmax(broken))
        raise NonFiniteInput(f"equity at bar {row} is {curve[row]}")
    return curve
