"""What a shared account did in each volatility regime of the instruments it held.

INPUT    the books of a finished replay, the account's equity, its trades
OUTPUT   the rows of `summary.regime_table`, for an account
LOOKBACK the whole run

Every instrument has a regime of its own, so a tick of the account belongs to several. Each
instrument's profit of a bar goes to the regime that was known of it at the close before; a
regime's return of a tick is the sum of those profits over the account's equity one tick earlier.
Borrow fees and financing belong to no regime.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marketdata.types import FloatArray, IntArray
from trading.engine.shared_account import Book
from trading.engine.summary import regime_row
from trading.engine.types import Regime, RoundTrip

UNKNOWN = "UNKNOWN"


def account_regimes(
    books: Sequence[Book],
    trips: Sequence[RoundTrip],
    equity: FloatArray,
    cash: float,
    bars_per_year: float,
) -> dict[str, dict[str, float]]:
    """Split trades, time and profit of an account by regime.

    Parameters
    ----------
    books : sequence of Book
        As the replay left them.
    trips : sequence of RoundTrip
        Each belongs to the regime of its own instrument's signal bar.
    equity : float64, shape (n_ticks,)
        Of the account, currency.
    cash : float
        Starting capital, currency.
    bars_per_year : float
        > 0.

    Returns
    -------
    dict
        One row per regime and, where there is something in it, UNKNOWN. ``time_share`` is the mean
        share over instruments of their own bars; ``n_bars`` counts the ticks at which at least one
        instrument was in the regime, and the Sharpe ratio, drawdown and exposure are of those.
    """
    before = np.concatenate(([cash], equity[:-1]))
    known = [_known_before(book) for book in books]
    table = {}
    for code, name in ((-1, UNKNOWN), *enumerate(str(regime) for regime in Regime)):
        chosen = [trip for trip in trips if str(trip.regime or UNKNOWN) == name]
        profit, gross, is_seen = _of_regime(books, known, code, equity.shape[0])
        if code < 0 and not (chosen or is_seen.any()):
            continue
        share = float(np.mean([np.mean(codes == code) for codes in known]))
        table[name] = regime_row(
            chosen, (profit / before)[is_seen], (gross / equity)[is_seen], share, bars_per_year
        )
    return table


def profit_of(book: Book) -> tuple[FloatArray, FloatArray]:
    """Compute what an instrument earned on each of its own bars, and what was held at its close.

    Parameters
    ----------
    book : Book
        As the replay left it.

    Returns
    -------
    profit, value : float64, shape (n_bars,)
        Currency; value has the sign of the position. The profits add up to the instrument's result,
        its open position included.
    """
    bars = book.features.bars
    held, flow = np.zeros(len(bars)), np.zeros(len(bars))
    for fill in book.blotter.fills:
        held[fill.bar] += fill.signed_quantity
        flow[fill.bar] += fill.cash_flow
    value = np.cumsum(held) * bars.close
    return np.diff(value, prepend=0.0) + flow, value


def _known_before(book: Book) -> IntArray:
    codes: IntArray = book.features.regimes.codes
    return np.concatenate((codes[:1], codes[:-1]))


def _of_regime(
    books: Sequence[Book], known: Sequence[IntArray], code: int, n_ticks: int
) -> tuple[FloatArray, FloatArray, np.ndarray]:
    profit, gross = np.zeros(n_ticks), np.zeros(n_ticks)
    is_seen = np.zeros(n_ticks, dtype=np.bool_)
    for book, codes in zip(books, known, strict=True):
        chosen = codes == code
        ticks = book.ticks[chosen]
        earned, value = profit_of(book)
        profit[ticks] += earned[chosen]
        gross[ticks] += np.abs(value[chosen])
        is_seen[ticks] = True
    return profit, gross, is_seen
