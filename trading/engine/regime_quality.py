"""How well the causal regimes name what only hindsight knows.

INPUT    closes, and the regime codes that were known at each bar
OUTPUT   a confusion matrix, detection delays and flips
LOOKBACK both ways: the labels of hindsight look ten bars ahead, so nothing here may trade
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.regimes import PERCENTILE_CUTS
from trading.engine.returns import log_returns
from trading.engine.types import Regime, RegimeCode

HALF_WINDOW = 10
# A stretch shorter than this is noise around a cut, not a change anybody could have caught.
FEWEST_BARS = 5
N_REGIMES = len(Regime)


@dataclass(frozen=True, slots=True, eq=False)
class DetectorQuality:
    """Detected regimes against those of hindsight, over one series or several added up.

    Attributes
    ----------
    confusion : int64, shape (4, 4)
        ``confusion[a, b]``: bars of hindsight regime a that were called b.
    delays_bars : tuple of int
        For each stretch of HIGH or EXTREME by hindsight that was found: bars from its first to the
        first called so.
    n_missed : int
        Stretches that were never called so while they lasted.
    n_flips, n_bars : int
        Changes of the detected regime, over the bars compared.
    """

    confusion: IntArray
    delays_bars: tuple[int, ...]
    n_missed: int
    n_flips: int
    n_bars: int

    @property
    def agreement(self) -> float:
        """Share of bars called as hindsight does; NaN without a bar."""
        total = int(self.confusion.sum())
        return float(np.trace(self.confusion)) / total if total else math.nan

    @property
    def median_delay_bars(self) -> float:
        """Middle delay of the stretches found; NaN when none was."""
        return float(np.median(self.delays_bars)) if self.delays_bars else math.nan

    @property
    def flips_per_100_bars(self) -> float:
        """Changes of the detected regime per 100 bars; NaN without a bar."""
        return 100.0 * self.n_flips / self.n_bars if self.n_bars else math.nan


def hindsight_codes(close: ArrayLike, half_window: int = HALF_WINDOW) -> IntArray:
    """Label each bar by the realized volatility around it, ranked in the whole series.

    Parameters
    ----------
    close : float64, shape (n_bars,)
        Prices, > 0.
    half_window : int
        Bars before and after, >= 1.

    Returns
    -------
    int64, shape (n_bars,)
        0 LOW to 3 EXTREME by the same percentile cuts as the detector; -1 where the window does not
        fit. **Looks ahead**: for judging only.

    Raises
    ------
    ConfigInvalid
        If ``half_window`` is below 1.

    Examples
    --------
    >>> calm, wild = 0.001 * np.cos(np.pi * np.arange(60.0)), 0.05 * np.cos(np.pi * np.arange(30.0))
    >>> codes = hindsight_codes(100.0 * np.exp(np.concatenate((calm, wild))), 3)
    >>> int(codes[75]) >= 2, int(codes[20]) <= 1, int(codes[0])
    (True, True, -1)
    """
    if half_window < 1:
        raise ConfigInvalid(f"half_window {half_window} must be at least 1")
    returns = log_returns(close)
    n, width = returns.shape[0], 2 * half_window + 1
    codes = np.full(n, int(RegimeCode.UNKNOWN), dtype=np.int64)
    if n <= width:
        return codes
    windows = np.lib.stride_tricks.sliding_window_view(returns[1:], width)
    volatility = np.sqrt(np.mean(windows**2, axis=1))
    first = 1 + half_window
    codes[first : first + volatility.shape[0]] = _ranked(volatility)
    return codes


def detector_quality(codes: IntArray, truth: IntArray) -> DetectorQuality:
    """Compare the regimes known at each bar with those of hindsight.

    Parameters
    ----------
    codes, truth : int64, shape (n_bars,)
        -1 to 3; bars with an unknown side are left out.

    Returns
    -------
    DetectorQuality
        See there.

    Raises
    ------
    ConfigInvalid
        If the lengths differ.

    Examples
    --------
    >>> truth = np.array([1, 1, 2, 2, 2, 2, 2, 1])
    >>> found = detector_quality(np.array([1, 1, 1, 1, 2, 2, 2, 2]), truth)
    >>> found.delays_bars, found.n_missed, found.confusion[2, 2].item(), found.n_flips
    ((2,), 0, 3, 1)
    """
    if codes.shape != truth.shape:
        raise ConfigInvalid(f"codes {codes.shape} and truth {truth.shape} must be equally long")
    known = (codes >= 0) & (truth >= 0)
    confusion = np.zeros((N_REGIMES, N_REGIMES), dtype=np.int64)
    np.add.at(confusion, (truth[known], codes[known]), 1)
    delays, n_missed = _delays(codes, truth, known)
    detected = codes[known]
    return DetectorQuality(
        confusion=confusion,
        delays_bars=delays,
        n_missed=n_missed,
        n_flips=int(np.count_nonzero(np.diff(detected))) if detected.shape[0] else 0,
        n_bars=int(known.sum()),
    )


def added_up(parts: Sequence[DetectorQuality]) -> DetectorQuality:
    """Add the counts of several series.

    Examples
    --------
    >>> one = detector_quality(np.array([0, 1]), np.array([0, 0]))
    >>> added_up([one, one]).confusion[0, :2].tolist(), added_up([]).n_bars
    ([2, 2], 0)
    """
    empty = np.zeros((N_REGIMES, N_REGIMES), dtype=np.int64)
    return DetectorQuality(
        confusion=sum((part.confusion for part in parts), empty),
        delays_bars=tuple(delay for part in parts for delay in part.delays_bars),
        n_missed=sum(part.n_missed for part in parts),
        n_flips=sum(part.n_flips for part in parts),
        n_bars=sum(part.n_bars for part in parts),
    )


def _delays(
    codes: IntArray, truth: IntArray, known: NDArray[np.bool_]
) -> tuple[tuple[int, ...], int]:
    """Delay of each long enough stretch of HIGH or above, and how many were missed."""
    is_high = (truth >= RegimeCode.HIGH) & known
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_high.astype(np.int8), [0]))))
    delays, n_missed = [], 0
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if stop - start < FEWEST_BARS:
            continue
        called = np.flatnonzero(codes[start:stop] >= RegimeCode.HIGH)
        if called.shape[0]:
            delays.append(int(called[0]))
        else:
            n_missed += 1
    return tuple(delays), n_missed


def _ranked(volatility: FloatArray) -> IntArray:
    order = np.argsort(np.argsort(volatility, kind="stable"), kind="stable")
    shares = (order + 1.0) / volatility.shape[0]
    codes: IntArray = np.searchsorted(PERCENTILE_CUTS, shares, side="right").astype(np.int64)
    return codes
