"""Volatility regimes that never repaint: LOW, NORMAL, HIGH, EXTREME at each bar.

INPUT    closes of one instrument and its bars per year
OUTPUT   volatility, percentile and regime codes per bar (-1 unknown, 0 LOW ... 3 EXTREME)
LOOKBACK 1,008 bars for the percentile (at least 252), the EWMA reaches back without a limit
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from marketdata.types import Bars
from trading.engine.errors import ConfigInvalid, NonFiniteInput
from trading.engine.indicators import percentile_rank, series_of
from trading.engine.kernels import FloatArray, IntArray, Settled, inlined, kernel, settled_nb
from trading.engine.metrics import wilson_interval
from trading.engine.once import once_per_bars
from trading.engine.returns import ewma_volatility
from trading.engine.types import Regime, RegimeCode

ALPHA = 0.06
WINDOW_BARS = 1_008
MINIMUM_BARS = 252
WARM_UP_BARS = 20
N_CONFIRM = 3
PERCENTILE_CUTS = (0.25, 0.75, 0.95)
VOLATILITY_CUTS = (0.15, 0.25, 0.40)
UNKNOWN = int(RegimeCode.UNKNOWN)
# A share of fewer cases has an interval too wide to say anything: it is not given.
FEWEST_CASES = 30


@dataclass(frozen=True, slots=True, eq=False)
class RegimeSeries:
    """Regimes of one instrument, every array of shape (n_bars,).

    Attributes
    ----------
    volatility : float64
        Annualized EWMA volatility, fraction; NaN at index 0.
    percentile : float64
        Rank of the volatility within its own trailing window, (0, 1]; NaN before 252 values exist.
    relative_codes : int64
        Regime by percentile; -1 while the percentile is NaN.
    absolute_codes : int64
        Regime by the cuts 15 / 25 / 40 % a year; -1 during the first 20 returns.
    codes : int64
        The regime to use: by percentile where it exists, else by the absolute cuts (see
        ``is_fallback``), else -1.
    settled_codes : int64
        ``codes`` with hysteresis: a rise counts at once, a fall after ``n_confirm`` bars.
    is_fallback : bool
        True where ``codes`` comes from the absolute cuts for want of history.
    """

    volatility: FloatArray
    percentile: FloatArray
    relative_codes: IntArray
    absolute_codes: IntArray
    codes: IntArray
    settled_codes: IntArray
    is_fallback: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class NextRegime:
    """How often each regime followed one regime at the next bar: counted, not forecast.

    Attributes
    ----------
    code : int
        The regime the cases begin with, 0 to 3; -1 unknown.
    counts : int64, shape (4,)
        Cases by the regime that followed, order LOW, NORMAL, HIGH, EXTREME.
    probabilities : float64, shape (4,)
        ``counts`` over their sum, fraction; NaN with a ``reason``.
    intervals : float64, shape (4, 2)
        Wilson 95 % bounds of each probability, one at a time; NaN with a ``reason``.
    reason : str
        Why there is no probability; empty when there is one.
    """

    code: int
    counts: IntArray
    probabilities: FloatArray
    intervals: FloatArray
    reason: str

    @property
    def n(self) -> int:
        """Number of cases."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True, eq=False)
class TransitionMatrix:
    """Next-bar regime frequencies with their counts.

    ``counts[a, b]`` is how often regime b followed regime a; ``probabilities`` are the rows divided
    by their sums, NaN in a row that was never seen.
    """

    counts: IntArray
    probabilities: FloatArray

    def row(self, code: int, *, fewest: int = FEWEST_CASES) -> NextRegime:
        """Return what followed regime ``code``; see `next_regime`."""
        if fewest < 1:
            raise ConfigInvalid(f"fewest {fewest} must be at least 1")
        known = 0 <= code < len(Regime)
        counts = self.counts[code] if known else np.zeros(len(Regime), dtype=np.int64)
        n = int(counts.sum())
        reason = "" if n >= fewest else _too_few(code, n, fewest)
        if reason:
            nothing = np.full((len(Regime), 2), np.nan)
            return NextRegime(code, counts, nothing[:, 0], nothing, reason)
        intervals = np.array([wilson_interval(int(count), n) for count in counts])
        return NextRegime(code, counts, counts / n, intervals, reason)


def classify(
    close: ArrayLike, bars_per_year: float = 252.0, *, n_confirm: int = N_CONFIRM
) -> RegimeSeries:
    """Assign a volatility regime to each bar.

    Parameters
    ----------
    close : float64, shape (n_bars,)
        Prices, > 0 and finite; NaN only in front of the first price.
    bars_per_year : float
        The instrument's own number of bars a year, > 0.
    n_confirm : int
        Bars the volatility must stay lower before `settled_codes` follows it down, >= 1.

    Returns
    -------
    RegimeSeries
        See there; value at i uses ``close[0..i]`` only.

    Raises
    ------
    ConfigInvalid
        If ``bars_per_year`` or ``n_confirm`` is out of bounds.
    NonFiniteInput
        If a price behind the first is NaN, or any is infinite or not above 0; the message names it.

    Notes
    -----
    Bars in front of the first price have no volatility and no regime; the warm-up begins there.
    Percentile cuts: LOW < .25 <= NORMAL < .75 <= HIGH < .95 <= EXTREME. Before 252 volatilities
    exist there is no honest percentile: the absolute cuts stand in and are flagged; during the
    first 20 returns the regime is unknown (-1).

    Examples
    --------
    >>> calm = classify(100.0 * np.exp(0.001 * np.cos(np.pi * np.arange(30.0))))
    >>> calm.codes[19:21].tolist(), bool(calm.is_fallback[20])
    ([-1, 0], True)
    """
    if not bars_per_year > 0.0:
        raise ConfigInvalid(f"bars_per_year {bars_per_year} must be above 0")
    if n_confirm < 1:
        raise ConfigInvalid(f"n_confirm {n_confirm} must be at least 1")
    prices = series_of(close)
    n_unknown = _first_price(prices)
    if n_unknown:
        return _put_off(classify(prices[n_unknown:], bars_per_year, n_confirm=n_confirm), n_unknown)
    volatility = ewma_volatility(prices, bars_per_year, ALPHA)
    percentile = percentile_rank(volatility, WINDOW_BARS, MINIMUM_BARS)
    return RegimeSeries(volatility, percentile, *codes_nb(volatility, percentile, n_confirm))


def _first_price(prices: FloatArray) -> int:
    """Return the number of NaN in front of the prices; refuse any other that is no price."""
    is_price = (prices > 0.0) & (prices < np.inf)
    if is_price.all():
        return 0
    is_known = ~np.isnan(prices)
    first = int(np.argmax(is_known)) if is_known.any() else prices.shape[0]
    bad = np.flatnonzero(~is_price[first:])
    if bad.size:
        i = first + int(bad[0])
        raise NonFiniteInput(f"close {prices[i]:g} of bar {i} must be a finite number above 0")
    return first


def _put_off(series: RegimeSeries, n_bars: int) -> RegimeSeries:
    """Put bars in front of a series of which nothing is known."""
    unknown = {"volatility": np.nan, "percentile": np.nan, "is_fallback": False}
    columns = {}
    for field in fields(series):
        column = getattr(series, field.name)
        before = np.full(n_bars, unknown.get(field.name, UNKNOWN), dtype=column.dtype)
        columns[field.name] = np.concatenate((before, column))
    return RegimeSeries(**columns)


@once_per_bars
def regimes_of(bars: Bars) -> RegimeSeries:
    """Classify the closes of a series with the usual constants, once while the bars live.

    Parameters
    ----------
    bars : Bars
        Of one instrument.

    Returns
    -------
    RegimeSeries
        ``classify(bars.close, bars.bars_per_year)``. Shared: do not write into its arrays.

    Examples
    --------
    >>> close = 100.0 + np.arange(30.0)
    >>> bars = Bars("X", "1d", np.arange(30), close, close, close, close, close)
    >>> regimes_of(bars) is regimes_of(bars), int(regimes_of(bars).codes[-1])
    (True, 0)
    """
    return classify(bars.close, bars.bars_per_year)


def transitions(codes: IntArray) -> TransitionMatrix:
    """Count which regime followed which.

    Parameters
    ----------
    codes : int64, shape (n_bars,)
        -1 to 3; a pair with an unknown side is left out. Pass only bars up to now to stay causal.

    Returns
    -------
    TransitionMatrix
        Counts and row frequencies, each of shape (4, 4), order LOW, NORMAL, HIGH, EXTREME.

    Examples
    --------
    >>> matrix = transitions(np.array([0, 0, 1, 0]))
    >>> matrix.counts[:2, :2].tolist()
    [[1, 1], [1, 0]]
    >>> matrix.probabilities[0, :2].tolist()
    [0.5, 0.5]
    """
    before, after = codes[:-1], codes[1:]
    known = (before >= 0) & (after >= 0)
    counts = np.zeros((len(Regime), len(Regime)), dtype=np.int64)
    np.add.at(counts, (before[known], after[known]), 1)
    totals = counts.sum(axis=1, keepdims=True).astype(np.float64)
    probabilities = np.full(counts.shape, np.nan)
    np.divide(counts, totals, out=probabilities, where=totals > 0)
    return TransitionMatrix(counts, probabilities)


def next_regime(
    codes: IntArray, code: int | None = None, *, fewest: int = FEWEST_CASES
) -> NextRegime:
    """Give the probability of each regime at the next bar, from what followed so far.

    Parameters
    ----------
    codes : int64, shape (n_bars,)
        -1 to 3 at each bar up to now; a later bar would make it look ahead.
    code : int, optional
        The regime to start from, 0 to 3; the last of ``codes`` when left out.
    fewest : int
        Cases below which no probability is given, >= 1.

    Returns
    -------
    NextRegime
        Row of the empirical transition matrix with its counts and intervals; NaN with a reason
        when the regime is unknown, was never seen before another bar, or too rarely.

    Raises
    ------
    ConfigInvalid
        If ``fewest`` is below 1.

    Notes
    -----
    The intervals take the cases for independent draws: where the odds of leaving a regime depend
    on how long it has lasted, or have changed over the years, they are too narrow.

    Examples
    --------
    >>> calm = next_regime(np.array([0, 0, 0, 1, 0, 0]), fewest=4)
    >>> calm.probabilities.tolist(), calm.counts.tolist()
    ([0.75, 0.25, 0.0, 0.0], [3, 1, 0, 0])
    >>> next_regime(np.array([0, 1])).reason
    'Normal was not followed by a bar yet'
    """
    if code is None:
        code = int(codes[-1]) if codes.shape[0] else int(RegimeCode.UNKNOWN)
    return transitions(codes).row(code, fewest=fewest)


def _too_few(code: int, n: int, fewest: int) -> str:
    if not 0 <= code < len(Regime):
        return "the regime is not known yet"
    name = tuple(Regime)[code].value.capitalize()
    if n == 0:
        return f"{name} was not followed by a bar yet"
    return f"{name} was followed by a bar only {n} times; a share needs {fewest}"


@inlined
def cut_nb(value: float, cuts: tuple[float, float, float]) -> int:
    """Return how many cuts a value reaches, which is its regime; -1 for NaN."""
    if value != value:
        return UNKNOWN
    return int(value >= cuts[0]) + int(value >= cuts[1]) + int(value >= cuts[2])


@inlined
def code_nb(relative: int, absolute: int) -> int:
    """Return the regime to use: by percentile where there is one."""
    return relative if relative >= 0 else absolute


@kernel
def codes_nb(
    volatility: FloatArray, percentile: FloatArray, n_confirm: int
) -> tuple[IntArray, IntArray, IntArray, IntArray, NDArray[np.bool_]]:
    """Class every bar; return the arrays of a `RegimeSeries` from `relative_codes` on."""
    n = volatility.shape[0]
    relative = np.empty(n, dtype=np.int64)
    absolute = np.empty(n, dtype=np.int64)
    codes = np.empty(n, dtype=np.int64)
    settled_codes = np.empty(n, dtype=np.int64)
    is_fallback = np.empty(n, dtype=np.bool_)
    for i in range(n):
        by_rank = cut_nb(percentile[i], PERCENTILE_CUTS)
        by_size = cut_nb(volatility[i], VOLATILITY_CUTS) if i >= WARM_UP_BARS else UNKNOWN
        relative[i] = by_rank
        absolute[i] = by_size
        codes[i] = code_nb(by_rank, by_size)
        is_fallback[i] = by_rank < 0 and by_size >= 0
    # A loop of its own: the one above, which remembers nothing, does several bars at once.
    settled = Settled(UNKNOWN, 0, -1)
    for i in range(n):
        settled = settled_nb(settled, codes[i], n_confirm)
        settled_codes[i] = settled.code
    return relative, absolute, codes, settled_codes, is_fallback
