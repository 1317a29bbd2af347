"""One portfolio of all round trips, and of always being long, at equal risk.

INPUT    prepared instruments and round trips
OUTPUT   daily results in units of equity, weekdays only
LOOKBACK a size uses the volatility at the signal and the positions open at the fill
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trading.engine.evidence.instruments import EvidenceInstrument
from trading.engine.evidence.trips import Trips
from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.metrics import max_drawdown, sharpe_ratio

TARGET_VOLATILITY = 0.10
WEEKDAYS_PER_YEAR = 261.0
# No price that trades is calmer than 1 % a year for long (the calmest of our own data: 1.9 %); one
# below a thousandth stands still, and equal risk in it would be any size at all.
LEAST_VOLATILITY = 0.01
STANDS_STILL = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class DailyResults:
    """Results of a portfolio on consecutive weekdays.

    `days` are weekday numbers, `returns` fractions of equity before scaling to the target
    volatility; Sharpe ratio and shape do not depend on that scale.
    """

    days: IntArray
    returns: FloatArray


@dataclass(frozen=True, slots=True)
class PortfolioFigures:
    """A portfolio scaled to 10 % volatility: ratios and fractions per year; NaN without trades."""

    sharpe_ratio: float
    annual_return: float
    volatility: float
    max_drawdown: float
    n_days: int


@kernel
def allotted_units_nb(
    entry_days: IntArray, exit_days: IntArray, most_positions: float
) -> FloatArray:
    """Give each position one unit of risk, or its share of what is left under the cap.

    Rows are sorted by entry day; positions entering on one day share alike. A unit comes free on
    the exit day.
    """
    n = entry_days.shape[0]
    units = np.zeros(n)
    oldest = 0
    i = 0
    while i < n:
        day = entry_days[i]
        stop = i
        while stop < n and entry_days[stop] == day:
            stop += 1
        while oldest < i and exit_days[oldest] <= day:
            oldest += 1
        used = 0.0
        for k in range(oldest, i):
            if exit_days[k] > day:
                used += units[k]
        share = min(1.0, max(most_positions - used, 0.0) / (stop - i))
        for k in range(i, stop):
            units[k] = share
        i = stop
    return units


@kernel
def add_positions_nb(
    results: FloatArray,
    days: IntArray,
    exec_price: FloatArray,
    close: FloatArray,
    rates: FloatArray,
    fills_at_close: bool,
    signals: IntArray,
    exits: IntArray,
    weights: FloatArray,
) -> None:
    """Book each long position day by day: entry fill to closes to exit fill, costs where paid.

    `days` index `results`; a weight is the position's value over equity at the entry and its units
    are held unchanged.
    """
    for j in range(signals.shape[0]):
        entry, end = signals[j] + 1, exits[j]
        paid = exec_price[entry]
        last = paid
        results[days[entry]] -= weights[j] * rates[signals[j]]
        first = entry + 1 if fills_at_close else entry
        for i in range(first, end):
            results[days[i]] += weights[j] * (close[i] - last) / paid
            last = close[i]
        received = exec_price[end]
        results[days[end]] += weights[j] * (received - last) / paid
        results[days[end]] -= weights[j] * rates[end - 1] * received / paid


def risk_weights(volatility: FloatArray) -> FloatArray:
    """Return the share of equity that carries `TARGET_VOLATILITY`, at most ten times the equity.

    Parameters
    ----------
    volatility : float64, shape (n,)
        Annualized, as known when the position is sized.

    Returns
    -------
    float64, shape (n,)
        0 where the price stands still.

    Examples
    --------
    >>> risk_weights(np.array([0.2, 0.005, 0.0001])).tolist()
    [0.5, 10.0, 0.0]
    """
    weights: FloatArray = TARGET_VOLATILITY / np.maximum(volatility, LEAST_VOLATILITY)
    return np.where(volatility < STANDS_STILL, 0.0, weights)


def strategy_days(
    instruments: Sequence[EvidenceInstrument], trips: Trips, most_positions: float
) -> DailyResults:
    """Book all round trips in one portfolio.

    Parameters
    ----------
    instruments : sequence of EvidenceInstrument
        Of the run.
    trips : Trips
        Of these instruments.
    most_positions : float
        Cap on the open units of risk, > 0; may be infinite.

    Returns
    -------
    DailyResults
        From the first entry to the last exit. A position's unit is 10 % a year by the volatility
        known at its signal.
    """
    if len(trips) == 0:
        return DailyResults(np.empty(0, dtype=np.int64), np.empty(0))
    entry_days, exit_days = _trip_days(instruments, trips)
    order = np.lexsort((trips.signal, trips.instrument, entry_days))
    units = np.empty(len(trips))
    units[order] = allotted_units_nb(entry_days[order], exit_days[order], float(most_positions))
    first, last = int(entry_days.min()), int(exit_days.max())
    results = np.zeros(last - first + 1)
    for k in np.unique(trips.instrument):
        rows = trips.instrument == k
        instrument = instruments[k]
        volatility = instrument.regimes.volatility[trips.signal[rows]]
        weights = units[rows] * risk_weights(volatility)
        add_positions_nb(
            results,
            np.clip(instrument.days - first, 0, last - first),
            instrument.bars.exec_prices,
            instrument.bars.close,
            instrument.rates,
            instrument.bars.exec_price == "CLOSE",
            trips.signal[rows],
            trips.exit[rows],
            weights,
        )
    return DailyResults(np.arange(first, last + 1), results)


def always_long_days(
    instruments: Sequence[EvidenceInstrument], first_day: int, last_day: int
) -> DailyResults:
    """Hold every instrument all the time at equal risk, resized at each month's first bar.

    Parameters
    ----------
    instruments : sequence of EvidenceInstrument
        To hold; only bars with a known regime count.
    first_day, last_day : int
        Weekday numbers, inclusive.

    Returns
    -------
    DailyResults
        Mean over the instruments alive on each day, after the costs of resizing.
    """
    total = np.zeros(last_day - first_day + 1)
    alive = np.zeros(last_day - first_day + 1)
    for instrument in instruments:
        days = instrument.days - first_day
        weights = _monthly_weights(instrument)
        held = np.concatenate(([0.0], weights[:-1]))
        change = np.concatenate(([0.0], np.diff(instrument.bars.close))) / np.concatenate(
            (instrument.bars.close[:1], instrument.bars.close[:-1])
        )
        booked = held * change - np.abs(weights - held) * instrument.rates
        inside = (days >= 0) & (days < total.shape[0]) & (instrument.codes >= 0)
        np.add.at(total, days[inside], booked[inside])
        alive[np.unique(days[inside])] += 1.0
    return DailyResults(
        np.arange(first_day, last_day + 1), total / np.where(alive > 0.0, alive, 1.0)
    )


def figures(results: DailyResults) -> PortfolioFigures:
    """Scale a portfolio to 10 % volatility and measure it.

    Parameters
    ----------
    results : DailyResults
        Unscaled.

    Returns
    -------
    PortfolioFigures
        NaN where nothing moved.
    """
    returns = results.returns
    n_days = int(returns.shape[0])
    deviation = float(returns.std(ddof=1)) if n_days > 1 else 0.0
    if deviation == 0.0:
        return PortfolioFigures(math.nan, math.nan, math.nan, math.nan, n_days)
    scaled = returns * TARGET_VOLATILITY / (deviation * math.sqrt(WEEKDAYS_PER_YEAR))
    return PortfolioFigures(
        sharpe_ratio=sharpe_ratio(scaled, WEEKDAYS_PER_YEAR),
        annual_return=float(scaled.mean()) * WEEKDAYS_PER_YEAR,
        volatility=TARGET_VOLATILITY,
        max_drawdown=max_drawdown(np.exp(np.cumsum(np.log1p(np.maximum(scaled, -0.99)))), 1.0),
        n_days=n_days,
    )


def _trip_days(
    instruments: Sequence[EvidenceInstrument], trips: Trips
) -> tuple[IntArray, IntArray]:
    entry = np.empty(len(trips), dtype=np.int64)
    leave = np.empty(len(trips), dtype=np.int64)
    for k in np.unique(trips.instrument):
        rows = trips.instrument == k
        days = instruments[k].days
        entry[rows] = days[trips.signal[rows] + 1]
        leave[rows] = days[trips.exit[rows]]
    return entry, leave


def _monthly_weights(instrument: EvidenceInstrument) -> FloatArray:
    months, volatility = instrument.months, instrument.regimes.volatility
    is_first = np.concatenate(([True], months[1:] != months[:-1]))
    wanted = risk_weights(np.nan_to_num(volatility, nan=1.0))
    known = instrument.codes >= 0
    sizes = np.where(is_first | (np.cumsum(known) == 1), wanted, np.nan)
    return _carried(np.where(known, sizes, 0.0))


def _carried(values: FloatArray) -> FloatArray:
    """Fill each NaN with the last value before it; 0 before the first."""
    index = np.where(np.isnan(values), 0, np.arange(values.shape[0]))
    filled = values[np.maximum.accumulate(index)]
    return np.nan_to_num(filled, nan=0.0)
