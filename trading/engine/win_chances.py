"""How often a trade like those of a run wins when it begins at any bar of its regime.

INPUT    round trips of a run, what is needed to play them elsewhere, regimes and costs per bar
OUTPUT   the chance of each trade, by regime; exact means, nothing is drawn
LOOKBACK the whole run; nothing here ever decides a trade
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from marketdata.types import FloatArray, IntArray
from trading.engine.null_kernels import Levels, protected_wins_nb
from trading.engine.random_trades import Trades
from trading.engine.types import OrderSide, RoundTrip

UNKNOWN = "UNKNOWN"
# A rest of probability that is the rounding of sums.
LEAST = 1e-12


def chances_of(
    trips: Sequence[RoundTrip], trades: Trades, codes: IntArray, rates: FloatArray, first: int = 0
) -> dict[str, list[float]]:
    """Return the chance of every trade of one instrument, by regime.

    Parameters
    ----------
    trips : sequence of RoundTrip
        Of the run; long or short.
    trades : Trades
        Gathered from them, in the same order.
    codes : int64, shape (n_bars,)
        Regime at each bar, -1 to 3.
    rates : float64, shape (n_bars,)
        Commission per side at each bar, fraction.
    first : int
        First bar that may decide.

    Returns
    -------
    dict of str to list of float
        By regime of the signal (UNKNOWN where it has none); a trade that fits nowhere is left out.

    Notes
    -----
    Each trade is compared with every bar of its own regime at which it could have begun: same side,
    same holding time, same costs. Where its levels are known they end it, resting or watched at the
    close, and its holding time is that of `random_trades`.
    """
    leaves = trades.chances()
    plays_on = any(chances.sum() < 1.0 - LEAST for chances in leaves.values())
    places = _Places(trades, codes, rates, first, leaves, plays_on)
    chances: dict[str, list[float]] = {}
    for k, trip in enumerate(trips):
        chance = places.chance(k, trip)
        if math.isfinite(chance):
            name = str(trip.regime) if trip.regime else UNKNOWN
            chances.setdefault(name, []).append(chance)
    return chances


@dataclass(slots=True, eq=False)
class _Places:
    """Where a trade could have begun; what was computed for one is kept for those like it."""

    trades: Trades
    codes: IntArray
    rates: FloatArray
    first: int
    leaves: Mapping[int, FloatArray]
    plays_on: bool
    wins: dict[tuple[int, bytes], tuple[int, FloatArray, FloatArray]] = field(default_factory=dict)
    seen: dict[tuple[object, ...], float] = field(default_factory=dict)

    def chance(self, k: int, trip: RoundTrip) -> float:
        trades, levels = self.trades, self.trades.levels
        code, length = int(self.codes[trip.signal_bar]), int(trades.lengths[k])
        key: tuple[object, ...] = (code, length, trip.side)
        if levels is not None:
            key = (code, int(trades.times[k]), trades.terms[k].tobytes())
        if key not in self.seen:
            self.seen[key] = (
                self._timed(code, length, trip.side)
                if levels is None
                else self._protected(code, k, levels)
            )
        return self.seen[key]

    def _signals(self, code: int, first: int, last: int) -> IntArray:
        signals: IntArray = first + np.flatnonzero(self.codes[first:last] == code)
        return signals

    def _timed(self, code: int, length: int, side: OrderSide) -> float:
        bars, slippage = self.trades.bars, self.trades.slippage
        signals = self._signals(code, self.first, len(bars) - 1 - length)
        if not signals.shape[0]:
            return math.nan
        entry, leave = bars.exec_prices[signals + 1], bars.exec_prices[signals + 1 + length]
        entry_rate, leave_rate = self.rates[signals], self.rates[signals + length]
        if side is OrderSide.BUY:
            paid = entry * (1.0 + slippage) * (1.0 + entry_rate)
            received = leave * (1.0 - slippage) * (1.0 - leave_rate)
        else:
            paid = leave * (1.0 + slippage) * (1.0 + leave_rate)
            received = entry * (1.0 - slippage) * (1.0 - entry_rate)
        return float(np.mean(received > paid))

    def _protected(self, code: int, k: int, levels: Levels) -> float:
        trades = self.trades
        leaves = self.leaves[int(trades.times[k])]
        key = code, trades.terms[k].tobytes()
        if key not in self.wins:
            first = max(self.first, trades.ready - 1)
            entries = self._signals(code, first, len(trades.bars) - 1) + 1
            longest, plays_on = leaves.shape[0] - 1, self.plays_on
            self.wins[key] = (
                entries.shape[0],
                *protected_wins_nb(entries, longest, plays_on, trades.terms[k], levels, self.rates),
            )
        n_entries, by_rule, by_level = self.wins[key]
        return chance_of(leaves, by_rule, by_level) / n_entries if n_entries else math.nan


def chance_of(leaves: FloatArray, by_rule: FloatArray, by_level: FloatArray) -> float:
    """Return how many of the trades win whose rule leaves with given probabilities.

    Parameters
    ----------
    leaves : float64, shape (longest + 1,)
        Probability that the rule leaves so many bars after the entry; what lacks to 1 is never.
    by_rule, by_level : float64, shapes (longest + 1,) and (longest + 2,)
        Wins as `null_kernels.protected_wins_nb` counts them.

    Returns
    -------
    float
        Expected number of wins.
    """
    left = np.maximum(1.0 - np.concatenate((np.zeros(1), np.cumsum(leaves))), 0.0)
    return float(leaves @ by_rule + left @ by_level)
