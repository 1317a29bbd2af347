"""Compiled sweeps: a 0/1 rule into one bit a bar, then statistics from its edges alone.

INPUT    shared tables of indicator rows, float64; rows and numbers of each combination
OUTPUT   one row of `COLUMNS` per combination; nothing per bar is kept
LOOKBACK value at i uses inputs 0..i only; a target decided on bar i trades on bar i + 1

While a position is open its equity is a constant times the close, so the statistics of a whole
holding follow from tables made once per series: prefix sums of returns and squared returns, and the
highest close, lowest close and deepest drop of every block of 2, 4, 8, ... bars. A combination then
costs one pass of its rule plus a handful of look-ups per order. Kernels release the GIL, so threads
work on different combinations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from trading.engine.kernels import FloatArray, IntArray

BitArray = NDArray[np.uint64]
Function = TypeVar("Function", bound=Callable[..., object])

COLUMNS = (
    "final_equity",
    "n_orders",
    "max_drawdown",
    "sharpe_per_bar",
    "n_round_trips",
    "n_wins",
    "gross_profit",
    "gross_loss",
)


def sweep_kernel(function: Function) -> Function:
    """Compile like `kernels.kernel`, but without holding the GIL."""
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


@sweep_kernel
def sma_table_nb(values: FloatArray, windows: IntArray, out: FloatArray) -> None:
    """Write one row of means per window, each `sma_nb` to the bit for values without NaN."""
    n = values.shape[0]
    n_rows = windows.shape[0]
    sums = np.empty(n)
    total = 0.0
    for i in range(n):
        total += values[i]
        sums[i] = total
    for r in range(n_rows):
        window = windows[r]
        row = out[r]
        row[: window - 1] = np.nan
        if window > n:
            continue
        row[window - 1] = sums[window - 1] / window
        later = row[window:]
        head = sums[window:]
        for i in range(n - window):
            later[i] = (head[i] - sums[i]) / window


@sweep_kernel
def extreme_table_nb(values: FloatArray, windows: IntArray, sign: float, out: FloatArray) -> None:
    """Write the largest (`sign` 1) or smallest (-1) of the `window` values before each bar.

    Equal to `rolling_max_nb` or `rolling_min_nb` moved on by one bar, for values without NaN.
    `windows` ascend. Blocks of a power of two are doubled until two of them cover the window.
    """
    n = values.shape[0]
    n_rows = windows.shape[0]
    block = np.empty(n)
    for i in range(n):
        block[i] = sign * values[i]
    width = 1
    for r in range(n_rows):
        window = windows[r]
        out[r, :window] = np.nan
        if window >= n:
            continue
        while 2 * width <= window:
            # From the end, so that a value still to be read is not yet doubled.
            for i in range(n - 1, width - 1, -1):
                block[i] = max(block[i], block[i - width])
            width *= 2
        for i in range(window, n):
            out[r, i] = sign * max(block[i - 1], block[i - 1 - window + width])


@sweep_kernel
def block_table_nb(close: FloatArray, n_levels: int) -> FloatArray:
    """Highest, lowest and deepest drop (a ratio <= 1) of the 2**k closes from each bar; or NaN."""
    n = close.shape[0]
    out = np.empty((n_levels, n, 3))
    for i in range(n):
        out[0, i, 0] = close[i]
        out[0, i, 1] = close[i]
        out[0, i, 2] = 1.0
    for k in range(1, n_levels):
        half = 1 << (k - 1)
        for i in range(n - 2 * half + 1):
            left = out[k - 1, i]
            right = out[k - 1, i + half]
            out[k, i, 0] = max(left[0], right[0])
            out[k, i, 1] = min(left[1], right[1])
            out[k, i, 2] = min(min(left[2], right[2]), right[1] / left[0])
        out[k, max(0, n - 2 * half + 1) :] = np.nan
    return out


@sweep_kernel
def edge_table_nb(
    exec_price: FloatArray, close: FloatArray, commission: FloatArray, slippage: FloatArray
) -> FloatArray:
    """Return per bar what an order filled there needs, with the costs known at the bar before.

    Columns: units bought per cash; return of that bar after a purchase; sum of close-to-close
    returns and of their squares up to this bar; cash per unit sold; return of the bar of a sale;
    both sums up to the bar before.
    """
    n = close.shape[0]
    out = np.zeros((n, 8))
    for i in range(1, n):
        rate = commission[i - 1]
        worse = slippage[i - 1]
        change = close[i] / close[i - 1] - 1.0
        out[i, 0] = 1.0 / (exec_price[i] * (1.0 + worse) * (1.0 + rate))
        out[i, 1] = close[i] * out[i, 0] - 1.0
        out[i, 2] = out[i - 1, 2] + change
        out[i, 3] = out[i - 1, 3] + change * change
        out[i, 4] = exec_price[i] * (1.0 - worse) * (1.0 - rate)
        out[i, 5] = out[i, 4] / close[i - 1] - 1.0
        out[i, 6] = out[i - 1, 2]
        out[i, 7] = out[i - 1, 3]
    return out


@sweep_kernel
def level_table_nb(n: int, n_levels: int) -> IntArray:
    """Return the largest level whose block fits into each length 0..n."""
    out = np.zeros(n + 1, dtype=np.int64)
    for length in range(2, n + 1):
        out[length] = min(out[length >> 1] + 1, n_levels - 1)
    return out


@sweep_kernel
def lowest_bit_nb(word: np.uint64) -> int:
    """Position of the lowest set bit; the word is not 0."""
    below = (word ^ (word & (word - np.uint64(1)))) - np.uint64(1)
    bit = 0
    # The compiler turns this count of set bits into one instruction.
    while below != np.uint64(0):
        below &= below - np.uint64(1)
        bit += 1
    return bit


@sweep_kernel
def edges_nb(words: BitArray, first: int, last: int, edges: IntArray) -> int:
    """Write the bars in [first, last] whose target differs from the bar before; 0 before first."""
    n_edges = 0
    carry = np.uint64(0)
    for j in range(first >> 6, (last >> 6) + 1):
        word = words[j]
        if j == first >> 6:
            shift = np.uint64(first & 63)
            word = (word >> shift) << shift
        changes = word ^ ((word << np.uint64(1)) | carry)
        carry = word >> np.uint64(63)
        while changes != np.uint64(0):
            edges[n_edges] = 64 * j + lowest_bit_nb(changes)
            n_edges += 1
            changes &= changes - np.uint64(1)
    while n_edges > 0 and edges[n_edges - 1] > last:
        n_edges -= 1
    return n_edges


@sweep_kernel
def deepest_drop_nb(
    blocks: FloatArray, levels: IntArray, at: int, end: int, top: float, deepest: float
) -> tuple[float, float]:
    """Lowest ratio of a close in [at, end) to the highest before it, and the highest then."""
    while at < end:
        level = levels[end - at]
        block = blocks[level, at]
        deepest = min(deepest, block[2])
        if block[1] < deepest * top:
            deepest = block[1] / top
        top = max(top, block[0])
        at += 1 << level
    return deepest, top


@sweep_kernel
def fold_nb(
    edges: IntArray,
    n_edges: int,
    start: int,
    edge_table: FloatArray,
    blocks: FloatArray,
    levels: IntArray,
    cash: float,
    out: FloatArray,
) -> None:
    """Buy at even edges and sell at odd ones with all cash; write one row of `COLUMNS`.

    Edges are the bars whose close decides; the trades are those of `simulate_all_in_nb`. Figures
    cover the bars from `start` on. Long because its sums are scalars kept across trades, which
    a function of its own would have to hand to and fro in the innermost loop.
    """
    n = edge_table.shape[0]
    n_wins = 0
    profit = 0.0
    loss = 0.0
    total = 0.0
    squared = 0.0
    peak = cash
    deepest = 1.0
    for k in range(0, n_edges, 2):
        entry = edges[k] + 1
        is_closed = k + 1 < n_edges
        leave = edges[k + 1] + 1 if is_closed else n
        bought = edge_table[entry]
        units = cash * bought[0]
        total += bought[1] - bought[2]
        squared += bought[1] * bought[1] - bought[3]
        level = levels[leave - entry]
        early = blocks[level, entry]
        late = blocks[level, leave - (1 << level)]
        high = max(peak, units * max(early[0], late[0]))
        # Two blocks cover most holdings; only a low below the deepest so far needs a closer look.
        is_covered = leave - entry <= 2 << level
        if is_covered and units * min(early[1], late[1]) >= deepest * high:
            peak = high
        else:
            deepest, top = deepest_drop_nb(blocks, levels, entry, leave, peak / units, deepest)
            peak = max(peak, units * top)
        if not is_closed:
            total += edge_table[n - 1, 2]
            squared += edge_table[n - 1, 3]
            cash = units * blocks[0, n - 1, 0]
            break
        sold = edge_table[leave]
        gain = units * sold[4] - cash
        cash += gain
        total += sold[6] + sold[5]
        squared += sold[7] + sold[5] * sold[5]
        n_wins += gain > 0.0
        profit += max(gain, 0.0)
        loss += min(gain, 0.0)
        if cash < deepest * peak:
            deepest = cash / peak
        peak = max(peak, cash)
    n_returns = n - start
    spread = (squared - total * total / n_returns) / (n_returns - 1)
    out[0] = cash
    out[1] = n_edges
    out[2] = deepest - 1.0
    out[3] = total / n_returns / np.sqrt(spread) if spread > 0.0 else np.nan
    out[4] = n_edges // 2
    out[5] = n_wins
    out[6] = profit
    out[7] = loss


@sweep_kernel
def cross_sweep_nb(
    table: FloatArray,
    rows: IntArray,
    firsts: IntArray,
    start: int,
    edge_table: FloatArray,
    blocks: FloatArray,
    levels: IntArray,
    cash: float,
    out: FloatArray,
) -> None:
    """Long while row 0 of a combination lies above its row 1."""
    n = edge_table.shape[0]
    words = np.zeros((n + 63) // 64, dtype=np.uint64)
    edges = np.empty(n + 64, dtype=np.int64)
    for c in range(rows.shape[0]):
        left = table[rows[c, 0]]
        right = table[rows[c, 1]]
        for j in range(n // 64):
            few_left = left[64 * j : 64 * j + 64]
            few_right = right[64 * j : 64 * j + 64]
            word = np.uint64(0)
            for i in range(64):
                word |= np.uint64(few_left[i] > few_right[i]) << np.uint64(i)
            words[j] = word
        words[n // 64 :] = 0
        for i in range(n // 64 * 64, n):
            words[i >> 6] |= np.uint64(left[i] > right[i]) << np.uint64(i & 63)
        n_edges = edges_nb(words, firsts[c], n - 2, edges)
        fold_nb(edges, n_edges, start, edge_table, blocks, levels, cash, out[c])


@sweep_kernel
def next_bit_nb(words: BitArray, i: int, last: int) -> int:
    """First bar in [i, last] whose bit is set; last + 1 if there is none."""
    if i > last:
        return last + 1
    j = i >> 6
    shift = np.uint64(i & 63)
    word = (words[j] >> shift) << shift
    while word == np.uint64(0):
        j += 1
        if 64 * j > last:
            return last + 1
        word = words[j]
    return min(64 * j + lowest_bit_nb(word), last + 1)


@sweep_kernel
def condition_edges_nb(
    enter: BitArray, leave: BitArray, first: int, last: int, max_bars: int, edges: IntArray
) -> int:
    """Edges of a rule that goes long when `enter` holds and flat when `leave` holds.

    A position leaves at the earliest on the bar after its signal, and after `max_bars` bars (0: no
    limit) whatever `leave` says; a new one is looked for from the bar after that.
    """
    n_edges = 0
    i = first
    while True:
        signal = next_bit_nb(enter, i, last)
        if signal > last:
            return n_edges
        edges[n_edges] = signal
        n_edges += 1
        i = next_bit_nb(leave, signal + 1, last)
        if max_bars > 0:
            i = min(i, signal + max_bars)
        if i > last:
            return n_edges
        edges[n_edges] = i
        n_edges += 1
        i += 1


@sweep_kernel
def condition_sweep_nb(
    bits: BitArray,
    rows: IntArray,
    max_bars: IntArray,
    firsts: IntArray,
    start: int,
    edge_table: FloatArray,
    blocks: FloatArray,
    levels: IntArray,
    cash: float,
    out: FloatArray,
) -> None:
    """Long once all but the last of a combination's rows of bits hold, flat once the last does."""
    n = edge_table.shape[0]
    n_conditions = rows.shape[1] - 1
    edges = np.empty(n + 64, dtype=np.int64)
    for c in range(rows.shape[0]):
        enter = bits[rows[c, 0]].copy()
        for k in range(1, n_conditions):
            other = bits[rows[c, k]]
            for j in range(enter.shape[0]):
                enter[j] &= other[j]
        leave = bits[rows[c, n_conditions]]
        n_edges = condition_edges_nb(enter, leave, firsts[c], n - 2, max_bars[c], edges)
        fold_nb(edges, n_edges, start, edge_table, blocks, levels, cash, out[c])
