"""Compiled loops over plain arrays; suffix `_nb`, one float64 C-contiguous signature each.

INPUT    float64 arrays, oldest value first, and integer windows >= 1
OUTPUT   float64 arrays of the same length, NaN while a window is not full
LOOKBACK value at i uses inputs 0..i only, always

The decorated source is ordinary Python: `kernel.py_func` runs the same lines uncompiled and is the
oracle in the tests. `fastmath` stays off so that both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from trading.engine.kernel_cache import stamps_use, written_in_turn

stamps_use()

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Buckets of `percentile_rank_nb`.
N_BUCKETS = 1024
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
def ewma_variance_nb(log_returns: FloatArray, alpha: float) -> FloatArray:
    """Exponentially weighted mean square; normalized weights leave the first bars unbiased."""
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
        out[i] = weighted / weight
    return out


@kernel
def percentile_rank_nb(values: FloatArray, window: int, minimum: int) -> FloatArray:
    """Rank of each value within its own trailing window, ties by mean rank, in (0, 1].

    Equal to pandas' `rolling(window, min_periods=minimum).rank(pct=True)`. The window's values sit
    in buckets by size, oldest first in each, so that only the value's own bucket is compared; how
    many lie in the buckets below is carried along from bar to bar. Where the bucket borders lie
    changes the time it takes, never a rank.
    """
    n = values.shape[0]
    out = np.full(n, np.nan)
    bucket_of = buckets_nb(values)
    counts = np.zeros(N_BUCKETS, dtype=np.int64)
    oldest = np.zeros(N_BUCKETS, dtype=np.int64)
    newest = np.zeros(N_BUCKETS, dtype=np.int64)
    later = np.zeros(n, dtype=np.int64)
    n_seen = 0
    here = 0
    n_below = 0
    for i in range(n):
        if i >= window and bucket_of[i - window] >= 0:
            bucket = bucket_of[i - window]
            oldest[bucket] = later[i - window]
            counts[bucket] -= 1
            n_seen -= 1
            n_below -= bucket < here
        bucket = bucket_of[i]
        if bucket < 0:
            continue
        if counts[bucket] == 0:
            oldest[bucket] = i
        else:
            later[newest[bucket]] = i
        newest[bucket] = i
        counts[bucket] += 1
        n_seen += 1
        n_below += bucket < here
        for k in range(here, bucket):
            n_below += counts[k]
        for k in range(bucket, here):
            n_below -= counts[k]
        here = bucket
        if n_seen >= minimum:
            place = place_nb(values, later, oldest[bucket], counts[bucket], values[i])
            out[i] = (n_below + place) / n_seen
    return out


@kernel
def buckets_nb(values: FloatArray) -> IntArray:
    """Sort values into `N_BUCKETS` of equal width, a larger value never lower; -1 for NaN."""
    n = values.shape[0]
    low = np.inf
    high = -np.inf
    for i in range(n):
        if values[i] < low:
            low = values[i]
        if values[i] > high:
            high = values[i]
    width = high - low
    scale = (N_BUCKETS - 1) / width if 0.0 < width < np.inf else 0.0
    out = np.empty(n, dtype=np.int64)
    for i in range(n):
        if values[i] != values[i]:
            out[i] = -1
        else:
            out[i] = int((values[i] - low) * scale) if scale > 0.0 else 0
    return out


@kernel
def place_nb(values: FloatArray, later: IntArray, first: int, n: int, value: float) -> float:
    """Return the mean place of `value` among the `n` values chained from `first`, itself one."""
    n_less = 0
    n_equal = 0
    k = first
    for _ in range(n):
        n_less += values[k] < value
        n_equal += values[k] == value
        k = later[k]
    return n_less + (n_equal + 1) / 2.0


@kernel
def hysteresis_nb(codes: IntArray, n_confirm: int) -> IntArray:
    """Follow rises of the code at once and falls only after `n_confirm` bars below it."""
    n = codes.shape[0]
    out = np.full(n, -1, dtype=np.int64)
    held = -1
    n_below = 0
    highest_below = -1
    for i in range(n):
        code = codes[i]
        if code < 0 or held < 0 or code >= held:
            held = code
            n_below = 0
            highest_below = -1
        else:
            n_below += 1
            highest_below = max(highest_below, code)
            if n_below >= n_confirm:
                held = highest_below
                n_below = 0
                highest_below = -1
        out[i] = held
    return out
