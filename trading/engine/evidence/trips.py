"""Round trips of the protocol: signal at a close, fill on the next bar, exit decided at a close.

INPUT    entry signals and an exit plan of one instrument
OUTPUT   what a trade begun at each signal comes to, and the trades one position at a time allows
LOOKBACK an exit decided at bar i uses the plan up to i; its fill follows on bar i + 1
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from trading.engine import hybrid
from trading.engine.evidence.instruments import EvidenceInstrument
from trading.engine.hybrid import exit_next_nb
from trading.engine.kernels import FloatArray, IntArray, kernel


@dataclass(frozen=True, slots=True, eq=False)
class ExitPlan:
    """When a long position is left, as arrays of shape (n_bars,).

    Attributes
    ----------
    atr, take_atr, stop_atr : float64
        Read at the signal bar: ATR in price units, distances in ATRs. ``take_atr`` below 0 never
        takes a profit, ``stop_atr`` 0 is no stop.
    max_bars : int64
        Most bars since the signal, read at the signal bar; 0 is no limit.
    limits : int64
        The same, read at the deciding bar, of an ordinary position.
    ends : int64
        1 where an ordinary position is left whatever it earned.
    keeps : int64
        1 where the position turns into a trend position, which leaves by ``ends_trend`` instead of
        ``ends`` and ``limits``.
    ends_trend : int64
        1 where a trend position is left.
    """

    atr: FloatArray
    take_atr: FloatArray
    stop_atr: FloatArray
    max_bars: IntArray
    limits: IntArray
    ends: IntArray
    keeps: IntArray
    ends_trend: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What a trade signaled at each bar comes to; shape (n_bars,).

    ``exit_bars`` is the bar of the exit fill, -1 where no trade was signaled or it is still open at
    the end of the data. ``net``, ``net_double`` and ``gross`` are fractions of the entry price at
    one, two and no times the costs; NaN where there is no trade.
    """

    exit_bars: IntArray
    net: FloatArray
    net_double: FloatArray
    gross: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """Completed round trips of many instruments, one row each, in order of instrument and time.

    `instrument` numbers the instruments of the run; `code` and `absolute_code` are regimes of the
    signal bar; `net`, `net_double`, `gross` are fractions; `probability` is the model's P(win) at
    the signal, NaN without a model.
    """

    instrument: IntArray
    signal: IntArray
    exit: IntArray
    net: FloatArray
    net_double: FloatArray
    gross: FloatArray
    code: IntArray
    absolute_code: IntArray
    month: IntArray
    year: IntArray
    probability: FloatArray

    def __len__(self) -> int:
        """Count the round trips."""
        return int(self.net.shape[0])

    @property
    def wins(self) -> FloatArray:
        """1.0 for a net result above zero, else 0.0."""
        return (self.net > 0.0).astype(np.float64)

    def where(self, mask: NDArray[np.bool_]) -> Trips:
        """Keep the rows of a mask."""
        return Trips(*(getattr(self, field.name)[mask] for field in fields(self)))


@kernel
def exit_bar_nb(
    signal: int,
    exec_price: FloatArray,
    close: FloatArray,
    rates: FloatArray,
    atr: FloatArray,
    take_atr: FloatArray,
    stop_atr: FloatArray,
    max_bars: IntArray,
    limits: IntArray,
    ends: IntArray,
    keeps: IntArray,
    ends_trend: IntArray,
) -> int:
    """Return the bar whose close ends a trade signaled at `signal`; -1 if none before the end."""
    n = close.shape[0]
    entry = signal + 1
    is_trend = keeps[signal] == 1
    for i in range(entry, n - 1):
        is_trend = is_trend or keeps[i] == 1
        reason = exit_next_nb(
            close[i],
            exec_price[entry],
            i - signal,
            rates[signal],
            rates[i],
            atr[signal],
            take_atr[signal],
            stop_atr[signal],
            max_bars[signal],
        )
        if reason > 0:
            return i
        if is_trend and keeps[i] == 0 and ends_trend[i] == 1:
            return i
        is_over = limits[i] > 0 and i - signal >= limits[i]
        if not is_trend and (ends[i] == 1 or is_over):
            return i
    return -1


@kernel
def outcomes_nb(
    signals: IntArray,
    exec_price: FloatArray,
    close: FloatArray,
    rates: FloatArray,
    atr: FloatArray,
    take_atr: FloatArray,
    stop_atr: FloatArray,
    max_bars: IntArray,
    limits: IntArray,
    ends: IntArray,
    keeps: IntArray,
    ends_trend: IntArray,
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Play every signal on its own: exit fill, and net, double-cost and gross result."""
    n = close.shape[0]
    exits = np.full(n, -1, dtype=np.int64)
    net = np.full(n, np.nan)
    net_double = np.full(n, np.nan)
    gross = np.full(n, np.nan)
    for t in range(n - 2):
        if signals[t] == 0:
            continue
        last = exit_bar_nb(
            t,
            exec_price,
            close,
            rates,
            atr,
            take_atr,
            stop_atr,
            max_bars,
            limits,
            ends,
            keeps,
            ends_trend,
        )
        if last < 0:
            continue
        paid, received = exec_price[t + 1], exec_price[last + 1]
        exits[t] = last + 1
        gross[t] = received / paid - 1.0
        net[t] = received * (1.0 - rates[last]) / (paid * (1.0 + rates[t])) - 1.0
        net_double[t] = received * (1.0 - 2.0 * rates[last]) / (paid * (1.0 + 2.0 * rates[t])) - 1.0
    return exits, net, net_double, gross


@kernel
def one_at_a_time_nb(signals: IntArray, exit_bars: IntArray) -> IntArray:
    """Take signals in order, leaving out those that come while a position is open.

    A signal at the close of the bar on which the position was left is free to enter again. A trade
    that is still open at the end of the data (exit -1) blocks everything after it.
    """
    n = signals.shape[0]
    taken = np.zeros(n, dtype=np.int64)
    free = 0
    for t in range(n):
        if t < free or signals[t] == 0:
            continue
        if exit_bars[t] < 0:
            break
        taken[t] = 1
        free = exit_bars[t]
    return taken


def outcomes(instrument: EvidenceInstrument, signals: IntArray, plan: ExitPlan) -> Outcomes:
    """Play every signal of one instrument on its own.

    Parameters
    ----------
    instrument : EvidenceInstrument
        With its costs.
    signals : int64, shape (n_bars,)
        1 where a long trade is signaled.
    plan : ExitPlan
        Of the same bars.

    Returns
    -------
    Outcomes
        See there; overlapping trades are all played.
    """
    bars = instrument.bars
    return Outcomes(
        *outcomes_nb(
            signals,
            bars.exec_prices,
            bars.close,
            instrument.rates,
            *(getattr(plan, field.name) for field in fields(plan)),
        )
    )


def taken_trips(
    number: int,
    instrument: EvidenceInstrument,
    signals: IntArray,
    plan: ExitPlan,
    probabilities: FloatArray,
) -> Trips:
    """Return the round trips of one instrument, one position at a time.

    Parameters
    ----------
    number : int
        The instrument's number in the run.
    instrument, signals, plan
        As for `outcomes`; a signal without a known regime is not traded.
    probabilities : float64, shape (n_bars,)
        P(win) at each bar, NaN without a model.

    Returns
    -------
    Trips
        In order of time.
    """
    known = signals * (instrument.codes >= 0)
    played = outcomes(instrument, known, plan)
    rows = np.flatnonzero(one_at_a_time_nb(known, played.exit_bars))
    return Trips(
        instrument=np.full(rows.size, number, dtype=np.int64),
        signal=rows,
        exit=played.exit_bars[rows],
        net=played.net[rows],
        net_double=played.net_double[rows],
        gross=played.gross[rows],
        code=instrument.codes[rows],
        absolute_code=instrument.regimes.absolute_codes[rows],
        month=instrument.months[rows],
        year=instrument.years[rows],
        probability=probabilities[rows],
    )


def joined(parts: list[Trips]) -> Trips:
    """Put the trips of several instruments into one table."""
    return Trips(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Trips))
    )


def blind_plan(instrument: EvidenceInstrument) -> ExitPlan:
    """Return the protocol's profit-blind exit: close above its 5-bar mean, or 10 bars.

    Parameters
    ----------
    instrument : EvidenceInstrument
        Its closes decide.

    Returns
    -------
    ExitPlan
        Without profit, stop or anything else that looks at the trade's own result.
    """
    close, mean = instrument.bars.close, instrument.inputs.exit_mean
    return flat_plan(len(close), ends=(close > mean).astype(np.int64), limit=hybrid.BLIND_BARS)


def flat_plan(n_bars: int, *, ends: IntArray, limit: int = 0) -> ExitPlan:
    """Build a plan that leaves where ``ends`` is 1 or after ``limit`` bars (0: no limit)."""
    nothing, zeros = np.zeros(n_bars), np.zeros(n_bars, dtype=np.int64)
    return ExitPlan(
        atr=np.ones(n_bars),
        take_atr=np.full(n_bars, -1.0),
        stop_atr=nothing,
        max_bars=np.full(n_bars, limit, dtype=np.int64),
        limits=zeros,
        ends=ends,
        keeps=zeros,
        ends_trend=zeros,
    )
