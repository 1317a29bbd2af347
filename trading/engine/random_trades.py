"""The completed trades of one instrument, drawn again at random times.

INPUT    trades of a run (see `trade_levels`), a seeded generator
OUTPUT   bars and prices of the same number of trades elsewhere
LOOKBACK the whole run; nothing here ever decides a trade

A trade that the rule itself ended is held as long as it was. One that ended by a level of its own,
a stop, a target or the most it may be held, tells only that its rule would have held it longer: how
much longer is drawn from the trades that did last longer, and from theirs in turn (Efron's
redistribution to the right, whose expectation is the Kaplan-Meier estimate). Where none did,
nothing but its levels ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine.null_kernels import Levels, protected_trades_nb
from trading.engine.types import OrderSide, RoundTrip


class LeaveBy(StrEnum):
    """How random trades are left: what the panel says of them."""

    LENGTHS = "LENGTHS"
    RESTING = "RESTING"
    WATCHED = "WATCHED"
    UNKNOWN = "UNKNOWN"
    MIXED = "MIXED"


class DrawnTrades(NamedTuple):
    """Trades in order.

    Bars of entry and end (n_bars for never), what was got for a unit, 1 where the end lay inside
    its bar, share of equity.
    """

    entries: IntArray
    exits: IntArray
    prices: FloatArray
    insides: IntArray
    weights: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """The completed trades of one instrument.

    Attributes
    ----------
    bars : Bars
        They were made on.
    lengths : int64, shape (n_trades,)
        Bars held, >= 1.
    weights : float64, shape (n_trades,)
        Share of equity each took, in [-1, 1] and below 0 for a short one.
    times : int64, shape (n_trades,)
        When each ended, in half bars after its entry: even where its rule ended it. A level gives
        an odd one, before the bar's fill where it hides whether the rule left too, else after it.
    slippage : float
        Fraction of price a market order or a stop pays.
    leave_by : LeaveBy
        What ends their draws.
    levels : Levels or None
        What the trades of this strategy leave by; None where that is not known, or nothing.
    terms : float64, shape (n_trades, 4)
        Each trade's `null_kernels.Terms`; distances are taken as they are where the rule knows
        them for every bar.
    ready : int
        First bar an entry may meet that has levels.
    """

    bars: Bars
    lengths: IntArray
    weights: FloatArray
    times: IntArray
    slippage: float
    leave_by: LeaveBy
    levels: Levels | None
    terms: FloatArray
    ready: int

    def __len__(self) -> int:
        """Count the trades."""
        return int(self.lengths.shape[0])

    @property
    def is_protected(self) -> NDArray[np.bool_]:
        """Tell of each trade whether a level ended it."""
        is_odd: NDArray[np.bool_] = self.times % 2 == 1
        return is_odd

    def drawn(self, first: int, rng: np.random.Generator) -> DrawnTrades:
        """Draw a time for every trade, in a random order.

        Parameters
        ----------
        first : int
            First bar an entry may meet, >= 1.
        rng : numpy.random.Generator
            Seeded by the caller.

        Returns
        -------
        DrawnTrades
            Without overlap. Where levels let trades last longer than those of the run, later ones
            begin later and the last perhaps never.
        """
        order = rng.permutation(len(self))
        lengths = self.lengths[order]
        if self.levels is None:
            starts = random_starts(lengths, first, len(self.bars), rng)
            return self._timed(starts, lengths, self.weights[order])
        starts = random_starts(lengths, max(first, self.ready), len(self.bars), rng)
        return self.played(starts, self.limits(rng)[order], order)

    def played(self, starts: IntArray, limits: IntArray, order: IntArray) -> DrawnTrades:
        """Let the trades named by ``order`` begin at given bars and end by a level, or in time.

        Parameters
        ----------
        starts, limits : int64, shape (n_trades,)
            Bar of each entry, in order, and the bars after which it leaves.
        order : int64, shape (n_trades,)
            Index of each trade.

        Returns
        -------
        DrawnTrades
            See `null_kernels.protected_trades_nb`.
        """
        assert self.levels is not None  # noqa: S101 - drawn has looked
        found = protected_trades_nb(starts, limits, self.terms[order], self.levels)
        return DrawnTrades(*found, self.weights[order])

    def limits(self, rng: np.random.Generator) -> IntArray:
        """Draw after how many bars each trade's rule leaves; n_bars for never."""
        never, n_trades = len(self.bars), len(self)
        found = self.times.copy()
        pool = np.sort(self.times)
        waiting = np.flatnonzero(self.is_protected)
        while waiting.size:
            begin = np.searchsorted(pool, found[waiting], "right")
            found[waiting[begin == n_trades]] = 2 * never
            waiting, begin = waiting[begin < n_trades], begin[begin < n_trades]
            found[waiting] = pool[rng.integers(begin, n_trades)]
            waiting = waiting[found[waiting] % 2 == 1]
        return found // 2

    def chances(self) -> Mapping[int, FloatArray]:
        """Return how long the rule of a trade holds on, by when the trade ended.

        Returns
        -------
        mapping of int to float64, shape (longest + 1,)
            By time (see ``times``), the probability of each number of bars; what is missing to 1 is
            never. For a trade its rule ended they are certain, else its draws are `limits`.
        """
        longest = int(self.times.max(initial=0)) // 2
        found: dict[int, FloatArray] = {}
        summed, n_longer = np.zeros(longest + 1), 0
        for time in sorted(set(self.times.tolist()), reverse=True):
            if time % 2:
                found[time] = summed / max(n_longer, 1)
            else:
                found[time] = np.zeros(longest + 1)
                found[time][time // 2] = 1.0
            here = int(np.count_nonzero(self.times == time))
            summed = summed + here * found[time]
            n_longer += here
        return found

    def _timed(self, starts: IntArray, lengths: IntArray, weights: FloatArray) -> DrawnTrades:
        last = len(self.bars)
        # A run that traded on every bar leaves its last trade no bar to end on.
        exits = np.minimum(starts + lengths, last)
        worse = 1.0 - np.sign(weights) * self.slippage
        prices = self.bars.exec_prices[np.minimum(exits, last - 1)] * worse
        return DrawnTrades(starts, exits, prices, np.zeros_like(exits), weights)


def paid_shares(trips: Sequence[RoundTrip], rates: FloatArray, equity: FloatArray) -> FloatArray:
    """Return the share of equity each trade paid, below 0 for what a short one brought in.

    Parameters
    ----------
    trips : sequence of RoundTrip
        Of a run.
    rates : float64, shape (n_trips,)
        Commission each paid at its entry, fraction of notional.
    equity : float64, shape (n_trips,)
        At the close before its entry, currency.

    Returns
    -------
    float64, shape (n_trips,)
        In [-1, 1]: additions to a position can come to more than the equity at its first fill.
    """
    signs = np.array([1.0 if trip.side is OrderSide.BUY else -1.0 for trip in trips])
    notional = np.array([trip.entry_notional for trip in trips])
    capped: FloatArray = np.clip(notional * (signs + rates) / equity, -1.0, 1.0)
    return capped


def random_starts(lengths: IntArray, first: int, n_bars: int, rng: np.random.Generator) -> IntArray:
    """Place trades of given lengths at random, in their order and without overlap.

    Parameters
    ----------
    lengths : int64, shape (n_trades,)
        Bars held, >= 1.
    first, n_bars : int
        First bar an entry may meet, and the number of bars.
    rng : numpy.random.Generator
        Seeded by the caller.

    Returns
    -------
    int64, shape (n_trades,)
        Bar of each entry.
    """
    n_free = max(n_bars - 1 - first - int(lengths.sum()), 0)
    gaps = np.sort(rng.integers(0, n_free + 1, size=lengths.shape[0]))
    before = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(lengths)[:-1]))
    return (first + gaps + before).astype(np.int64)
