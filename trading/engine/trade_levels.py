"""What the completed trades of a run left by, gathered so that they can be drawn again.

INPUT    round trips of a run, its features, what was noted of positions of a rule without a table
OUTPUT   `random_trades.Trades`
LOOKBACK the whole run; nothing here ever decides a trade
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import rules
from trading.engine.null_kernels import Levels, protected_trades_nb
from trading.engine.random_trades import LeaveBy, Trades
from trading.engine.rules import RuleTable
from trading.engine.strategies.base import Features
from trading.engine.types import OrderSide, RoundTrip

# Distances of stop and target from the price of a fill, as shares of the close before; NaN none.
LevelShares = tuple[float, float]
LEVEL_COLUMNS = (rules.STOP_DISTANCE, rules.TARGET_DISTANCE, rules.TRAIL_DISTANCE)
# Exits that hide whether the rule itself would have left with the same fill, and that do not.
HIDING, SHOWING = (rules.STOP, rules.TARGET), (rules.HOLDING_LIMIT_REACHED,)


def trades_of(
    trips: Sequence[RoundTrip],
    weights: FloatArray,
    features: Features,
    slippage: float,
    *,
    tick_size: float = 0.0,
    rested: Mapping[int, LevelShares] | None = None,
    watched: Mapping[int, LevelShares] | None = None,
) -> Trades:
    """Gather what is needed to draw the trades of one instrument again.

    Parameters
    ----------
    trips : sequence of RoundTrip
        Their bars counted in those of ``features``.
    weights : float64, shape (n_trips,)
        Share of equity each took, below 0 for a short one.
    features : Features
        Of the strategy on the bars; a table says for every bar which levels a trade would have.
    slippage : float
        Fraction of price.
    tick_size : float
        Of the prices of resting orders; 0 for any price.
    rested, watched : mapping or None
        By bar of entry, the levels of the positions of a rule without a table.

    Returns
    -------
    Trades
        Distances of a rule without a table are those of each trade as shares of the price; its
        stop stays where it began. Levels it had set to watch are known if every trade left at its
        first close beyond them.
    """
    trades = Trades(
        bars=features.bars,
        lengths=np.array([max(trip.bars_held, 1) for trip in trips], dtype=np.int64),
        weights=weights,
        times=np.array([2 * max(trip.bars_held, 1) for trip in trips], dtype=np.int64),
        slippage=slippage,
        leave_by=LeaveBy.LENGTHS,
        levels=None,
        terms=_terms(trips, features.table),
        ready=features.first + 1,
    )
    if features.table is not None:
        return _by_table(trades, trips, features.table, tick_size)
    if rested:
        return _by_rested(trades, trips, rested, tick_size)
    return _by_watched(trades, trips, watched or {})


def _by_table(
    trades: Trades, trips: Sequence[RoundTrip], table: RuleTable, tick_size: float
) -> Trades:
    """Let trades leave by the levels of a table, where it has any."""
    if np.isnan(table.rows[:, LEVEL_COLUMNS]).all():
        return trades
    words = {table.reasons[reason]: -1 for reason in HIDING}
    words |= {table.reasons[reason]: 1 for reason in SHOWING}
    return replace(
        trades,
        leave_by=LeaveBy.RESTING if table.rests_protection else LeaveBy.WATCHED,
        levels=_table_levels(trades.bars, table, trades.slippage, tick_size),
        times=_times(trips, _resting_words(trades.bars) | words),
    )


def _by_rested(
    trades: Trades,
    trips: Sequence[RoundTrip],
    rested: Mapping[int, LevelShares],
    tick_size: float,
) -> Trades:
    """Let trades leave by what rested for each."""
    return replace(
        trades,
        leave_by=LeaveBy.RESTING,
        levels=_share_levels(trades.bars, trades.slippage, tick_size, rests=True),
        times=_times(trips, _resting_words(trades.bars)),
        terms=_with_shares(trades.terms, trips, rested),
    )


def _by_watched(
    trades: Trades, trips: Sequence[RoundTrip], watched: Mapping[int, LevelShares]
) -> Trades:
    """Let trades leave by the levels each had set, if the rule keeps to them in all of them.

    What a rule compares with the close is its own code; only its trades tell.
    """
    terms = _with_shares(trades.terms, trips, watched)
    levels = _share_levels(trades.bars, trades.slippage, 0.0, rests=False)
    ends = np.array([trip.exit_bar for trip in trips], dtype=np.int64)
    alone = np.array([_end_alone(trips[k], terms[k : k + 1], levels) for k in range(len(trips))])
    if (alone < ends).any() or not (alone == ends).any():
        return replace(trades, leave_by=LeaveBy.UNKNOWN)
    times = trades.times - (alone == ends)
    return replace(trades, leave_by=LeaveBy.WATCHED, levels=levels, terms=terms, times=times)


def _end_alone(trip: RoundTrip, terms: FloatArray, levels: Levels) -> int:
    """Return the bar at which a trade would end by its levels alone; n_bars for never."""
    entry, never = np.array([trip.entry_bar]), np.array([levels.close.shape[0]])
    return int(protected_trades_nb(entry, never, terms, levels)[1][0])


def _resting_words(bars: Bars) -> dict[str, int]:
    """Return by how much of half a bar what rests ends a trade before or after a fill."""
    # What rests meets a bar before the fill at its close that the rule may have asked for.
    return dict.fromkeys(rules.PROTECTED, -1 if bars.exec_price == "CLOSE" else 1)


def _times(trips: Sequence[RoundTrip], words: Mapping[str, int]) -> IntArray:
    """Return when each trade ended in half bars, as `Trades` has it."""
    ends = []
    for trip in trips:
        half = words.get(trip.exit_reason, 0)
        # What rests may end a trade inside the bar of its entry; anything else takes a bar.
        ends.append(2 * max(trip.bars_held, 0 if half > 0 else 1) + half)
    return np.array(ends, dtype=np.int64)


def _terms(trips: Sequence[RoundTrip], table: RuleTable | None) -> FloatArray:
    """Return each trade's `null_kernels.Terms` as a row, its distances as they are."""
    terms = np.ones((len(trips), 4))
    terms[:, 0] = [1.0 if trip.side is OrderSide.BUY else -1.0 for trip in trips]
    terms[:, 1] = rules.TREND
    if table is not None:
        decided = np.array([trip.signal_bar for trip in trips], dtype=np.int64)
        signals = table.rows[decided, rules.SIGNALS].astype(np.int64)
        terms[signals & rules.ENTER_TREND == 0, 1] = rules.DIP
    return terms


def _with_shares(
    terms: FloatArray, trips: Sequence[RoundTrip], given: Mapping[int, LevelShares]
) -> FloatArray:
    shares = [given.get(trip.entry_bar, (np.nan, np.nan)) for trip in trips]
    return np.column_stack((terms[:, :2], np.array(shares).reshape(len(trips), 2)))


def _table_levels(bars: Bars, table: RuleTable, slippage: float, tick_size: float) -> Levels:
    columns = (*LEVEL_COLUMNS, rules.COST_RATE, rules.HOLDING_LIMIT)
    stop, target, trail, rate, holding = (
        np.ascontiguousarray(table.rows[:, column]) for column in columns
    )
    return Levels(
        *(bars.exec_prices, bars.open, bars.high, bars.low, bars.close),
        *(stop, target, trail, rate, holding),
        turns=table.rows[:, rules.SIGNALS].astype(np.int64) & rules.ENTER_TREND,
        slippage=float(slippage),
        tick_size=float(tick_size),
        fills_at_close=bars.exec_price == "CLOSE",
        rests=bool(table.rests_protection),
        keeps_limit=bool(table.keeps_limit),
    )


def _share_levels(bars: Bars, slippage: float, tick_size: float, *, rests: bool) -> Levels:
    """Return levels whose distances are each trade's own shares of the close before."""
    zero, none = np.zeros(len(bars)), np.full(len(bars), np.nan)
    return Levels(
        *(bars.exec_prices, bars.open, bars.high, bars.low, bars.close),
        *(bars.close, bars.close, none, zero, zero),
        turns=np.zeros(len(bars), dtype=np.int64),
        slippage=float(slippage),
        tick_size=float(tick_size),
        fills_at_close=bars.exec_price == "CLOSE",
        rests=rests,
        keeps_limit=False,
    )
