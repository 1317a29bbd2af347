"""The completed trades of one instrument, drawn again at random times.

INPUT    round trips of a run, its bars, what rested for its positions, a seeded generator
OUTPUT   bars and prices of the same number of trades elsewhere
LOOKBACK the whole run; nothing here ever decides a trade

A trade that the rule itself ended is held as long as it was. One that ended by what rested for it
tells only that its rule would have held it longer: how much longer is drawn from the trades that
did last longer, and from theirs in turn (Efron's redistribution to the right, whose expectation is
the Kaplan-Meier estimate). Where none did, nothing but what rests ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import rules
from trading.engine.null_kernels import Resting, protected_trades_nb
from trading.engine.rules import RuleTable
from trading.engine.strategies.base import Features
from trading.engine.types import RoundTrip

# Distances of stop and target from the price of a fill, as shares of the close before; NaN none.
Rested = tuple[float, float]


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
    is_protected : bool, shape (n_trades,)
        Whether it ended by what rested for it.
    slippage : float
        Fraction of price a market order or a stop pays.
    resting : Resting or None
        What rests for a trade of this strategy; None where nothing does.
    stop_times, target_times : float64, shape (n_trades,)
        By which each trade's distances are multiplied; 1 where the rule knows them for every bar.
    ready : int
        First bar an entry may meet that has something to rest for it.
    """

    bars: Bars
    lengths: IntArray
    weights: FloatArray
    is_protected: NDArray[np.bool_]
    slippage: float
    resting: Resting | None
    stop_times: FloatArray
    target_times: FloatArray
    ready: int

    def __len__(self) -> int:
        """Count the trades."""
        return int(self.lengths.shape[0])

    @property
    def rests(self) -> bool:
        """Tell whether draws end by what rests; with a short trade all are left at their time."""
        return self.resting is not None and not (self.weights < 0.0).any()

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
            Without overlap. Where what rests lets trades last longer than those of the run, later
            ones begin later and the last perhaps never.
        """
        order = rng.permutation(len(self))
        lengths = self.lengths[order]
        if not self.rests:
            starts = random_starts(lengths, first, len(self.bars), rng)
            return self._timed(starts, lengths, self.weights[order])
        starts = random_starts(lengths, max(first, self.ready), len(self.bars), rng)
        return self.played(starts, self.limits(rng)[order], order)

    def played(self, starts: IntArray, limits: IntArray, order: IntArray) -> DrawnTrades:
        """Let the trades named by ``order`` begin at given bars and end by what rests, or in time.

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
        assert self.resting is not None  # noqa: S101 - drawn has looked
        found = protected_trades_nb(
            starts, limits, self.stop_times[order], self.target_times[order], self.resting
        )
        return DrawnTrades(*found, self.weights[order])

    def limits(self, rng: np.random.Generator) -> IntArray:
        """Draw after how many bars each trade's rule leaves; n_bars for never."""
        never, n_trades = len(self.bars), len(self)
        found = self.lengths.copy()
        longest = np.argsort(self.lengths, kind="stable")
        pool, is_protected = self.lengths[longest], self.is_protected[longest]
        waiting = np.flatnonzero(self.is_protected)
        while waiting.size:
            begin = np.searchsorted(pool, found[waiting], "right")
            found[waiting[begin == n_trades]] = never
            waiting, begin = waiting[begin < n_trades], begin[begin < n_trades]
            drawn = rng.integers(begin, n_trades)
            found[waiting] = pool[drawn]
            waiting = waiting[is_protected[drawn]]
        return found

    def chances(self) -> Mapping[int, FloatArray]:
        """Return how long the rule of a trade holds on that was protected after so many bars.

        Returns
        -------
        mapping of int to float64, shape (longest + 1,)
            By length, the probability of each number of bars; what is missing to 1 is never. Its
            draws are `limits`.
        """
        longest = int(self.lengths.max(initial=0))
        found: dict[int, FloatArray] = {}
        summed, n_longer = np.zeros(longest + 1), 0
        for length in sorted(set(self.lengths.tolist()), reverse=True):
            found[length] = summed / max(n_longer, 1)
            here = self.is_protected[self.lengths == length]
            summed = summed + here.sum() * found[length]
            summed[length] += (~here).sum()
            n_longer += here.shape[0]
        return found

    def _timed(self, starts: IntArray, lengths: IntArray, weights: FloatArray) -> DrawnTrades:
        last = len(self.bars)
        # A run that traded on every bar leaves its last trade no bar to end on.
        exits = np.minimum(starts + lengths, last)
        worse = 1.0 - np.sign(weights) * self.slippage
        prices = self.bars.exec_prices[np.minimum(exits, last - 1)] * worse
        return DrawnTrades(starts, exits, prices, np.zeros_like(exits), weights)


def trades_of(
    trips: Sequence[RoundTrip],
    weights: FloatArray,
    features: Features,
    slippage: float,
    *,
    tick_size: float = 0.0,
    rested: Mapping[int, Rested] | None = None,
) -> Trades:
    """Gather what is needed to draw the trades of one instrument again.

    Parameters
    ----------
    trips : sequence of RoundTrip
        Their bars counted in those of ``features``.
    weights : float64, shape (n_trips,)
        Share of equity each took, below 0 for a short one.
    features : Features
        Of the strategy on the bars; a table says for every bar what would rest there.
    slippage : float
        Fraction of price.
    tick_size : float
        Of the prices of resting orders; 0 for any price.
    rested : mapping or None
        By bar of entry, what rested for the positions of a rule without a table.

    Returns
    -------
    Trades
        Distances of a rule without a table are those of each trade as shares of the price; its
        stop stays where it began.
    """
    n_trips = len(trips)
    times = np.ones((n_trips, 2))
    table, given = features.table, rested or {}
    if table is None and given:
        none = (np.nan, np.nan)
        times = np.array([given.get(trip.entry_bar, none) for trip in trips]).reshape(n_trips, 2)
    return Trades(
        bars=features.bars,
        lengths=np.array([max(trip.bars_held, 1) for trip in trips], dtype=np.int64),
        weights=weights,
        is_protected=np.array([trip.exit_reason in rules.PROTECTED for trip in trips], dtype=bool),
        slippage=slippage,
        resting=_resting(features.bars, table, slippage, tick_size, has_own=bool(given)),
        stop_times=np.ascontiguousarray(times[:, 0]),
        target_times=np.ascontiguousarray(times[:, 1]),
        ready=features.first + 1,
    )


def _resting(
    bars: Bars, table: RuleTable | None, slippage: float, tick_size: float, *, has_own: bool
) -> Resting | None:
    if table is not None and table.rests_protection:
        columns = (rules.STOP_DISTANCE, rules.TARGET_DISTANCE, rules.TRAIL_DISTANCE)
        stop, target, trail, rate = (
            np.ascontiguousarray(table.rows[:, column]) for column in (*columns, rules.COST_RATE)
        )
    elif table is None and has_own:
        stop = target = bars.close
        trail, rate = np.full(len(bars), np.nan), np.zeros(len(bars))
    else:
        return None
    prices = (bars.exec_prices, bars.open, bars.high, bars.low, bars.close)
    levels = (stop, target, trail, rate)
    at_close = bars.exec_price == "CLOSE"
    return Resting(*prices, *levels, float(slippage), float(tick_size), at_close)


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
