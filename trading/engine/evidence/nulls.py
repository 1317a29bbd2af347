"""What the same exits and costs do without the entries: N1 random entries, N2 permuted bars.

INPUT    prepared instruments and the trades under test
OUTPUT   null win rates per instrument and regime, drawn win rates, permuted bars
LOOKBACK the whole series; nothing here ever decides a trade
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from marketdata.types import Bars
from trading.engine.evidence.instruments import EvidenceInstrument
from trading.engine.evidence.trips import ExitPlan, Trips, outcomes
from trading.engine.kernels import FloatArray, IntArray

N_REGIMES = 4
WINDOW_BARS = 63


@dataclass(frozen=True, slots=True, eq=False)
class RandomEntries:
    """What entries on any bar come to, per instrument and regime.

    Attributes
    ----------
    win_rates, mean_net : float64, shape (n_instruments, 4)
        Share of wins and mean net result over every bar of the cell; NaN for an empty cell.
    n_bars : int64, shape (n_instruments, 4)
        Bars in the cell.
    """

    win_rates: FloatArray
    mean_net: FloatArray
    n_bars: IntArray

    def expected(self, trips: Trips) -> FloatArray:
        """Return the null win rate of each trip's own instrument and regime."""
        return self.win_rates[trips.instrument, trips.code]


def random_entries(
    instruments: Sequence[EvidenceInstrument],
    plan_of: Callable[[EvidenceInstrument], ExitPlan],
) -> RandomEntries:
    """Play a long entry on every bar with a known regime, with the same exits and costs.

    Parameters
    ----------
    instruments : sequence of EvidenceInstrument
        Of the run.
    plan_of : callable
        Exits of an instrument.

    Returns
    -------
    RandomEntries
        The exact expectation of random entries matched by instrument, regime and side.
    """
    shape = (len(instruments), N_REGIMES)
    rates, means = np.full(shape, np.nan), np.full(shape, np.nan)
    counts = np.zeros(shape, dtype=np.int64)
    for k, instrument in enumerate(instruments):
        played = outcomes(instrument, (instrument.codes >= 0).astype(np.int64), plan_of(instrument))
        for code in range(N_REGIMES):
            net = played.net[(instrument.codes == code) & (played.exit_bars >= 0)]
            counts[k, code] = net.size
            if net.size:
                rates[k, code] = (net > 0.0).mean()
                means[k, code] = net.mean()
    return RandomEntries(rates, means, counts)


def drawn_win_rates(trips: Trips, entries: RandomEntries, seed: int, *, n_draws: int) -> FloatArray:
    """Draw win rates of as many random entries in the same cells.

    Parameters
    ----------
    trips : Trips
        Under test, at least one.
    entries : RandomEntries
        Of the same instruments and exits.
    seed : int
        Of the generator.
    n_draws : int
        >= 1.

    Returns
    -------
    float64, shape (n_draws,)
        Share of wins in each draw.

    Notes
    -----
    A random bar of a cell wins with the cell's share, so the wins of a cell are binomial.
    """
    rng = np.random.default_rng(seed)
    cells = trips.instrument * N_REGIMES + trips.code
    names, counts = np.unique(cells, return_counts=True)
    chances = entries.win_rates.ravel()[names]
    wins = rng.binomial(counts, np.nan_to_num(chances), (n_draws, names.size)).sum(axis=1)
    shares: FloatArray = wins / len(trips)
    return shares


def permuted(bars: Bars, rng: np.random.Generator, window: int | None = WINDOW_BARS) -> Bars:
    """Shuffle bars inside consecutive windows: same moves and costs, no memory.

    Parameters
    ----------
    bars : Bars
        At least two.
    rng : numpy.random.Generator
        Seeded by the caller.
    window : int or None
        Bars of a window; None shuffles the whole series.

    Returns
    -------
    Bars
        The same times; each bar keeps its shape (gap, range and close relative to the close before
        it) and its volume, and is put elsewhere in its window. The first bar stays.
    """
    n_bars = len(bars)
    order = _order(n_bars - 1, window or n_bars, rng) + 1
    before = bars.close[:-1]
    growth = bars.close[1:] / before
    close = bars.close[0] * np.concatenate(([1.0], np.cumprod(growth[order - 1])))
    scale = close[:-1] / before[order - 1]
    moved = {
        name: np.concatenate((column[:1], column[order] * scale))
        for name, column in (("open", bars.open), ("high", bars.high), ("low", bars.low))
    }
    # Products differ from the shifted close by a rounding error; the close itself is kept exact.
    high = np.maximum(moved["high"], np.maximum(moved["open"], close))
    low = np.minimum(moved["low"], np.minimum(moved["open"], close))
    if bars.exec_price == "CLOSE" and np.array_equal(bars.high, bars.low):
        high = low = moved["open"] = close
    return Bars(
        bars.symbol,
        bars.timeframe,
        bars.closed_at,
        moved["open"],
        high,
        low,
        close,
        np.concatenate((bars.volume[:1], bars.volume[order])),
        bars_per_year=bars.bars_per_year,
        exec_price=bars.exec_price,
        asset_class=bars.asset_class,
        time_zone=bars.time_zone,
    )


def _order(n_moves: int, window: int, rng: np.random.Generator) -> IntArray:
    # Sorting random keys inside each window permutes them all in one pass.
    keys = rng.random(n_moves) + np.arange(n_moves) // window
    return np.argsort(keys, kind="stable")
