"""Compiled loops over plain arrays; suffix `_nb`, one float64 C-contiguous signature each.

INPUT    float64 arrays, oldest value first, and integer windows >= 1
OUTPUT   float64 arrays of the same length, NaN while a window is not full
LOOKBACK value at i uses inputs 0..i only, always

The decorated source is ordinary Python: `kernel.py_func` runs the same lines uncompiled and is the
oracle in the tests. `fastmath` stays off so that both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from trading.engine.kernel_cache import stamps_use, written_in_turn

stamps_use()

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Places = NDArray[np.int16] | NDArray[np.int32]
# Ranges of `percentile_rank_nb`, and parts of each.
N_COARSE, N_FINE = 128, 64
N_PARTS = N_COARSE * N_FINE
# The places of both, in integers of 16 bits, and in 32 for windows that those cannot count.
PLACES = np.arange(N_COARSE + 1, dtype=np.int16)
WIDE_PLACES = np.arange(N_COARSE + 1, dtype=np.int32)
MOST_COUNTED = 32_767
Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile a function with numba, cached on disk; its types stay visible to the checker."""
    return cast(Function, written_in_turn(numba.njit(cache=True)(function)))


def inlined(function: Function) -> Function:
    """Compile as `kernel` does, and write the function out wherever a kernel calls it.

    For small functions of a bar loop: what they pass and return stays in registers, where a call
    would go through memory for every array and tuple.
    """
    return cast(Function, written_in_turn(numba.njit(cache=True, inline="always")(function)))


@kernel
def sma_nb(values: FloatArray, window: int) -> FloatArray:
    """Mean of the last `window` values, from prefix sums (the arithmetic order vectorbt uses)."""
    n = values.shape[0]
    out = np.full(n, np.nan)
    sums = np.empty(n)
    gaps = np.empty(n, dtype=np.int64)
    total = 0.0
    n_nan = 0
    for i in range(n):
        if np.isnan(values[i]):
            n_nan += 1
        else:
            total += values[i]
        sums[i] = total
        gaps[i] = n_nan
        if i == window - 1 and n_nan == 0:
            out[i] = total / window
        elif i >= window and n_nan == gaps[i - window]:
            out[i] = (total - sums[i - window]) / window
    return out


@kernel
def variable_sma_nb(values: FloatArray, windows: FloatArray) -> FloatArray:
    """Mean of the last `windows[i]` values at each bar, rounded to whole bars; as `sma_nb`.

    A NaN in `values` makes everything after it NaN.
    """
    n = values.shape[0]
    out = np.full(n, np.nan)
    sums = np.empty(n)
    total = 0.0
    for i in range(n):
        total += values[i]
        sums[i] = total
        window = int(np.round(windows[i]))
        if i >= window:
            out[i] = (total - sums[i - window]) / window
        elif i == window - 1:
            out[i] = total / window
    return out


@kernel
def ema_nb(values: FloatArray, window: int) -> FloatArray:
    """Exponential mean with weight 2/(window+1), seeded with the first simple mean."""
    n = values.shape[0]
    out = np.full(n, np.nan)
    if n < window:
        return out
    mean = 0.0
    for i in range(window):
        mean += values[i]
    mean /= window
    out[window - 1] = mean
    weight = 2.0 / (window + 1.0)
    for i in range(window, n):
        mean = (values[i] - mean) * weight + mean
        out[i] = mean
    return out


@kernel
def deviation_nb(values: FloatArray, window: int) -> FloatArray:
    """Compute the population standard deviation of the last `window` values in two passes."""
    n = values.shape[0]
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        mean = 0.0
        for k in range(i - window + 1, i + 1):
            mean += values[k]
        mean /= window
        square = 0.0
        for k in range(i - window + 1, i + 1):
            square += (values[k] - mean) * (values[k] - mean)
        out[i] = np.sqrt(square / window)
    return out


@kernel
def mean_nb(values: FloatArray, window: int) -> FloatArray:
    """Mean of the last `window` values, each summed afresh: slower than `sma_nb`, and exact."""
    n = values.shape[0]
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        total = 0.0
        for k in range(i - window + 1, i + 1):
            total += values[k]
        out[i] = total / window
    return out


@kernel
def rolling_max_nb(values: FloatArray, window: int) -> FloatArray:
    """Largest of the last `window` values; NaN if one of them is NaN."""
    n = values.shape[0]
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        top = values[i]
        for k in range(i - window + 1, i):
            if values[k] > top or np.isnan(values[k]):
                top = values[k]
        out[i] = top
    return out


@kernel
def rolling_min_nb(values: FloatArray, window: int) -> FloatArray:
    """Smallest of the last `window` values; NaN if one of them is NaN."""
    n = values.shape[0]
    out = np.full(n, np.nan)
    for i in range(window - 1, n):
        bottom = values[i]
        for k in range(i - window + 1, i):
            if values[k] < bottom or np.isnan(values[k]):
                bottom = values[k]
        out[i] = bottom
    return out


@kernel
def ewma_volatility_nb(log_returns: FloatArray, alpha: float, scale: float) -> FloatArray:
    """Root of the exponentially weighted mean square times `scale`.

    Normalized weights leave the first bars unbiased.
    """
    n = log_returns.shape[0]
    out = np.full(n, np.nan)
    weighted = 0.0
    weight = 0.0
    for i in range(n):
        value = log_returns[i]
        if np.isnan(value):
            continue
        weighted = (1.0 - alpha) * weighted + value * value
        weight = (1.0 - alpha) * weight + 1.0
        out[i] = np.sqrt(weighted / weight * scale)
    return out


@kernel
def percentile_rank_nb(values: FloatArray, window: int, minimum: int, places: Places) -> FloatArray:
    """Rank of each value within its own trailing window, ties by mean rank, in (0, 1].

    Equal to pandas' `rolling(window, min_periods=minimum).rank(pct=True)`. `places` counts from 0
    to `N_COARSE` in the integers that counts are kept in: they must hold `window`.

    The window's values are counted in `N_COARSE` ranges by `N_FINE` parts. `below` tells for each
    range how many lie in lower ones, `inside` for each part how many lie in lower parts of its
    range; both move on by adding 0 or 1 to every cell, which is few instructions without a branch,
    where a search or a sum up to the value would be foreseen wrongly at most bars. Values of one
    part are chained, newest first, and compared. Where the borders lie changes the time it takes,
    never a rank.
    """
    n = values.shape[0]
    out = np.full(n, np.nan)
    part_of = parts_nb(values, window)
    below = np.zeros(N_COARSE, dtype=places.dtype)
    inside = np.zeros((N_COARSE + 1, N_FINE), dtype=places.dtype)
    newest = np.zeros(N_PARTS + 1, dtype=np.int32)
    earlier = np.zeros(n, dtype=np.int32)
    n_seen = 0
    for i in range(n):
        leaving, part = part_of[i], part_of[window + i]
        old_range, new_range = leaving // N_FINE, part // N_FINE
        old_place, new_place = places[old_range], places[new_range]
        for k in range(N_COARSE):
            below[k] += int(places[k] > new_place) - int(places[k] > old_place)
        old_place, new_place = places[leaving % N_FINE], places[part % N_FINE]
        for k in range(N_FINE):
            inside[old_range, k] -= int(places[k] > old_place)
        for k in range(N_FINE):
            inside[new_range, k] += int(places[k] > new_place)
        n_seen += int(part < N_PARTS) - int(leaving < N_PARTS)
        if part == N_PARTS:
            continue
        n_less = int(below[new_range]) + int(inside[new_range, part % N_FINE])
        n_equal = 1
        # Counted from 1: 0 ends a chain, as does what has left the window.
        k = newest[part]
        newest[part] = i + 1
        earlier[i] = k
        while k > max(i + 1 - window, 0):
            n_less += values[k - 1] < values[i]
            n_equal += values[k - 1] == values[i]
            k = earlier[k - 1]
        if n_seen >= minimum:
            out[i] = (n_less + (n_equal + 1) / 2.0) / n_seen
    return out


@kernel
def parts_nb(values: FloatArray, window: int) -> NDArray[np.int32]:
    """Sort values into `N_PARTS` of equal width, a larger value never lower.

    They begin at index `window`; `N_PARTS` stands before them and for a NaN: nothing to count.
    """
    n = values.shape[0]
    low = np.inf
    high = -np.inf
    for i in range(n):
        if values[i] < low:
            low = values[i]
        if values[i] > high:
            high = values[i]
    width = high - low
    scale = (N_PARTS - 1) / width if 0.0 < width < np.inf else 0.0
    if scale == np.inf:
        scale = 0.0
    out = np.full(window + n, N_PARTS, dtype=np.int32)
    for i in range(n):
        if values[i] == values[i]:
            out[window + i] = int((values[i] - low) * scale) if scale > 0.0 else 0
    return out


class Settled(NamedTuple):
    """A code that falls late: what holds, bars below it so far, and the highest code on them."""

    code: int
    n_below: int
    highest_below: int


@inlined
def settled_nb(before: Settled, code: int, n_confirm: int) -> Settled:
    """Follow a rise of the code at once and a fall only after `n_confirm` bars below it."""
    if code < 0 or before.code < 0 or code >= before.code:
        return Settled(code, 0, -1)
    n_below, highest_below = before.n_below + 1, max(before.highest_below, code)
    if n_below >= n_confirm:
        return Settled(highest_below, 0, -1)
    return Settled(before.code, n_below, highest_below)
