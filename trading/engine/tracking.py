"""Live against backtest: where equity may be expected after some bars, what fills cost.

INPUT    returns per bar of the backtest before the start, an explicit generator; costs of fills
OUTPUT   quantiles of growth per bar ahead, the place of one outcome among the drawn ones, a mean
         with its interval
LOOKBACK all bars before the start; nothing after it is read
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.kernels import FloatArray

FEWEST_RETURNS = 252
BLOCK_BARS = 20
N_PATHS = 1_000
FEWEST_FILLS = 10
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class TrackingBand:
    """What the backtest's own past lets expect, bar by bar after the start.

    Attributes
    ----------
    low, middle, high : float64, shape (n_ahead,)
        5 %, 50 % and 95 % quantile of growth since the start, as multiples of the first equity.
    final : float64, shape (n_paths,)
        Growth of every drawn path at the last bar, ascending.
    n_returns : int
        Returns that were drawn from.
    block_bars : int
        Bars drawn together, so that calm and wild stretches stay together.
    """

    low: FloatArray
    middle: FloatArray
    high: FloatArray
    final: FloatArray
    n_returns: int
    block_bars: int

    @property
    def n_paths(self) -> int:
        """Return how many paths were drawn."""
        return int(self.final.shape[0])

    def place_of(self, growth: float) -> float:
        """Return the share of drawn paths that end at or below a growth, in [0, 1]."""
        return float(np.searchsorted(self.final, growth, side="right") / self.final.shape[0])


@dataclass(frozen=True, slots=True)
class MeanCost:
    """Mean of n costs with its interval; the interval is None below `FEWEST_FILLS`."""

    n: int
    mean: float
    interval: tuple[float, float] | None


def tracking_band(
    returns: FloatArray,
    n_ahead: int,
    rng: np.random.Generator,
    *,
    n_paths: int = N_PATHS,
    block_bars: int = BLOCK_BARS,
) -> TrackingBand:
    """Draw paths from past returns by the circular block bootstrap and read their quantiles.

    Parameters
    ----------
    returns : float64, shape (n_returns,)
        Returns per bar of the strategy in its backtest before the start, as fractions > -1.
    n_ahead : int
        Bars since the start, >= 1.
    rng : numpy.random.Generator
        Draws the first bar of every block; the same state gives the same band.
    n_paths, block_bars : int
        Paths and bars a block, >= 1.

    Returns
    -------
    TrackingBand
        See there.

    Raises
    ------
    InsufficientBars
        Below 252 returns.
    ConfigInvalid
        If `n_ahead`, `n_paths` or `block_bars` is below 1.

    References
    ----------
    Politis, Romano, A circular block-resampling procedure for stationary data (1992).

    Examples
    --------
    >>> band = tracking_band(np.full(300, 0.01), 2, np.random.default_rng(1), n_paths=50)
    >>> (band.low.round(6).tolist(), band.high.round(6).tolist())
    ([1.01, 1.0201], [1.01, 1.0201])
    >>> (band.place_of(1.0), band.place_of(1.1))
    (0.0, 1.0)
    """
    for name, value in (("n_ahead", n_ahead), ("n_paths", n_paths), ("block_bars", block_bars)):
        if value < 1:
            raise ConfigInvalid(f"{name} {value} must be at least 1")
    n_returns = int(returns.shape[0])
    if n_returns < FEWEST_RETURNS:
        raise InsufficientBars(
            f"{n_returns} returns before the start are too few for a band; {FEWEST_RETURNS} needed"
        )
    n_blocks = -(-n_ahead // block_bars)
    firsts = rng.integers(0, n_returns, size=(n_paths, n_blocks))
    steps = np.log1p(returns)
    drawn = steps[(firsts[:, :, None] + np.arange(block_bars)) % n_returns]
    growth = np.exp(np.cumsum(drawn.reshape(n_paths, -1)[:, :n_ahead], axis=1))
    low, middle, high = np.quantile(growth, QUANTILES, axis=0)
    return TrackingBand(low, middle, high, np.sort(growth[:, -1]), n_returns, block_bars)


def mean_cost(costs_bps: FloatArray) -> MeanCost:
    """Return the mean of costs and its 95 % interval by Student's t.

    Parameters
    ----------
    costs_bps : float64, shape (n,)
        One per fill, basis points; positive is paid.

    Returns
    -------
    MeanCost
        The mean is NaN for none; the interval is None below 10.

    Examples
    --------
    >>> mean_cost(np.array([1.0, 3.0])).mean
    2.0
    >>> found = mean_cost(np.arange(10.0))
    >>> (found.n, found.mean, [round(edge, 3) for edge in found.interval])
    (10, 4.5, [2.334, 6.666])
    """
    from scipy.special import stdtrit  # only this needs SciPy

    n = int(costs_bps.shape[0])
    mean = float(costs_bps.mean()) if n else math.nan
    if n < FEWEST_FILLS:
        return MeanCost(n, mean, None)
    half = float(stdtrit(n - 1, 0.975) * costs_bps.std(ddof=1) / math.sqrt(n))
    return MeanCost(n, mean, (mean - half, mean + half))
