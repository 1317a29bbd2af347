"""Kernels of random trades: how each ends, and what they leave on one cash account.

INPUT    bars where trades begin, the levels they leave by, prices and costs
OUTPUT   bars and prices of their ends, equity paths, wins
LOOKBACK none; nothing here ever decides a trade
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine.kernels import FloatArray, IntArray, inlined, kernel
from trading.engine.positions import (
    Pending,
    Position,
    begin_nb,
    kept_nb,
    opened_nb,
    protected_nb,
)
from trading.engine.rules import FLAT, kind_after_nb, order_level_nb, rule_next_nb

# When on its tick a trade of an account begins or ends, in the order of `shared_account`.
SELL_AT_OPEN, BUY_AT_OPEN, SELL_INSIDE, SELL_AT_CLOSE, BUY_AT_CLOSE = 0, 1, 2, 3, 4


class Levels(NamedTuple):
    """What the trades of one instrument leave by: stops, targets and limits of their holding time.

    Prices of the bars; then per bar the distances of stop, target and trailing stop in units of
    price (NaN none), the cost per side a target must earn first and the closes a DIP is held at
    most (0 for any), all float64 of shape (n_bars,); the bit ENTER_TREND where a close turns a DIP
    into a TREND, int64; last the slippage as a fraction, the tick of orders that rest, and whether
    market orders get the close, stop and target rest, and the limit of the signal bar stays.
    """

    exec_price: FloatArray
    opened: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    stop: FloatArray
    target: FloatArray
    trail: FloatArray
    rate: FloatArray
    holding: FloatArray
    turns: IntArray
    slippage: float
    tick_size: float
    fills_at_close: bool
    rests: bool
    keeps_limit: bool


class Terms(NamedTuple):
    """What is one trade's own: side (1 or -1), kind at its entry, by what distances are multiplied.

    A short trade is a long one in prices below zero: its `Position` holds them.
    """

    side: float
    kind: int
    stop_times: float
    target_times: float


@inlined
def terms_of_nb(row: FloatArray) -> Terms:
    """Read the terms of a trade out of its row, in their order."""
    return Terms(row[0], int(row[1]), row[2], row[3])


@inlined
def begun_nb(entry: int, terms: Terms, levels: Levels) -> Position:
    """Return the position of a trade that begins at a bar, by the row of the bar before."""
    signal = entry - 1
    price = terms.side * levels.exec_price[entry] * (1.0 + terms.side * levels.slippage)
    pending = Pending(
        terms.kind,
        terms.stop_times * levels.stop[signal],
        terms.target_times * levels.target[signal],
        terms.side * levels.rate[signal],
        int(levels.holding[signal]),
    )
    return opened_nb(pending, price, levels.rests)


@inlined
def rested_nb(position: Position, i: int, terms: Terms, levels: Levels) -> tuple[int, float]:
    """Let a bar meet what rests for a trade: reason (0 for none), price paid."""
    opened, close, at_close = levels.opened[i], levels.close[i], levels.fills_at_close
    high, low = levels.high[i], levels.low[i]
    if terms.side > 0.0:
        begin = begin_nb(opened, high, low, close, at_close)
        reason, price, _ = protected_nb(
            position, begin, high, low, levels.tick_size, levels.slippage
        )
        return reason, price
    # Ticks are counted from zero: away from the market is the other way round than below it.
    stop, target = position.stop_price, position.target_price
    if stop == stop:
        stop = -order_level_nb(-stop, levels.tick_size, True)
    if target == target:
        target = -order_level_nb(-target, levels.tick_size, False)
    mirrored = Position(position.kind, 0, stop, target, position.limit)
    begin = begin_nb(-opened, -low, -high, -close, at_close)
    reason, price, _ = protected_nb(mirrored, begin, -low, -high, 0.0, -levels.slippage)
    return reason, -price


@inlined
def watched_nb(
    position: Position, entry: int, i: int, terms: Terms, levels: Levels
) -> tuple[bool, Position]:
    """Look at a close as the rule does, but for its own exits: whether to leave, what is kept."""
    close = terms.side * levels.close[i]
    reason = rule_next_nb(
        levels.turns[i],
        position.kind,
        i - entry + 1,
        position.limit if levels.keeps_limit else int(levels.holding[i]),
        close,
        np.nan if levels.rests else position.stop_price,
        np.nan if levels.rests else position.target_price,
        terms.side * levels.rate[i],
    )
    kind = kind_after_nb(reason)
    if kind == FLAT:
        return True, position
    return False, kept_nb(position, kind, close, levels.trail[i])


@kernel
def protected_trade_nb(
    entry: int, limit: int, terms: Terms, levels: Levels
) -> tuple[int, float, bool]:
    """Play one trade from its entry bar on: bar and price of its end, whether inside the bar.

    It ends at what rests for it (`positions.protected_nb`), with the fill after a close that leaves
    by a level or its holding time (`rules.rule_next_nb`), or with the fill `limit` bars after its
    entry. A fill at an open comes before what rests. Distances are those of the bar before the
    entry, times those of `terms`. A trade that never ends has bar n_bars and no price (NaN).
    """
    n = levels.close.shape[0]
    position = begun_nb(entry, terms, levels)
    last = entry + limit
    for i in range(entry, n):
        left_at = levels.exec_price[i] * (1.0 - terms.side * levels.slippage)
        if i == last and not levels.fills_at_close:
            return i, left_at, False
        if levels.rests and (i > entry or not levels.fills_at_close):
            reason, price = rested_nb(position, i, terms, levels)
            if reason != 0:
                return i, price, True
        if i == last:
            return i, left_at, False
        if i != last - 1:
            # A stop does not trail at the close that decides to leave.
            leaves, position = watched_nb(position, entry, i, terms, levels)
            if leaves:
                last = i + 1
    return n, np.nan, False


@kernel
def protected_trades_nb(
    starts: IntArray, limits: IntArray, terms: FloatArray, levels: Levels
) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Play trades one after another: bars of entry and end, price of the end, 1 if inside a bar.

    A trade begins at its start, or later, once the one before it has ended. Bar n_bars stands for
    never. A row of `terms` is a trade's `Terms`.
    """
    n = levels.close.shape[0]
    n_trades = starts.shape[0]
    entries = np.full(n_trades, n)
    exits = np.full(n_trades, n)
    prices = np.full(n_trades, np.nan)
    insides = np.zeros(n_trades, dtype=np.int64)
    free = 0
    for k in range(n_trades):
        entry = max(starts[k], free)
        if entry >= n:
            break
        bar, price, is_inside = protected_trade_nb(entry, limits[k], terms_of_nb(terms[k]), levels)
        entries[k], exits[k], prices[k], insides[k] = entry, bar, price, is_inside
        # What ended inside a bar is known at its close: the next order meets the bar after.
        free = bar + int(is_inside)
    return entries, exits, prices, insides


@kernel
def protected_wins_nb(
    entries: IntArray,
    longest: int,
    plays_on: bool,
    row: FloatArray,
    levels: Levels,
    commission: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Count the wins of trades begun at `entries`, whenever their rule might leave them.

    First, by bars after the entry up to `longest`, those that would win if the rule left then, of
    those no level has ended before; then those that win by a level if the rule has not left before,
    by the number of bars at which it might have, `longest + 1` standing for all. A trade that has
    not ended by the last bar is judged at its close. Stops trail at every close. `row` holds the
    `Terms`; without `plays_on` nothing is held for more than `longest` bars.
    """
    terms = terms_of_nb(row)
    by_rule, by_level = np.zeros(longest + 1), np.zeros(longest + 2)
    for entry in entries:
        wins_write_nb(entry, plays_on, terms, levels, commission, by_rule, by_level)
    return by_rule, by_level


@kernel
def wins_write_nb(
    entry: int,
    plays_on: bool,
    terms: Terms,
    levels: Levels,
    commission: FloatArray,
    by_rule: FloatArray,
    by_level: FloatArray,
) -> None:
    """Add the wins of a trade begun at one bar; see `protected_wins_nb`."""
    n, side, longest = levels.close.shape[0], terms.side, by_rule.shape[0] - 1
    price = levels.exec_price[entry] * (1.0 + side * levels.slippage)
    paid = side * price * (1.0 + side * commission[entry - 1])
    position = begun_nb(entry, terms, levels)
    stop = n if plays_on else min(entry + longest + 1, n)
    for i in range(entry, stop):
        kept = side * (1.0 - side * commission[i - 1])
        begun, passed = min(i - entry, longest + 1), min(i - entry + 1, longest + 1)
        wins = levels.exec_price[i] * (1.0 - side * levels.slippage) * kept > paid
        if passed > begun and not levels.fills_at_close:
            by_rule[begun] += wins
        if levels.rests and (i > entry or not levels.fills_at_close):
            reason, price = rested_nb(position, i, terms, levels)
            if reason != 0:
                by_level[begun if levels.fills_at_close else passed] += price * kept > paid
                return
        if passed > begun and levels.fills_at_close:
            by_rule[begun] += wins
        leaves, position = watched_nb(position, entry, i, terms, levels)
        if leaves and i + 1 < n:
            worth = levels.exec_price[i + 1] * (1.0 - side * levels.slippage)
            if levels.rests and levels.fills_at_close:
                # What rests meets the bar before the fill at its close.
                reason, price = rested_nb(position, i + 1, terms, levels)
                if reason != 0:
                    worth = price
            by_level[passed] += worth * side * (1.0 - side * commission[i]) > paid
            return
    if stop == n:
        by_level[min(n - entry, longest + 1)] += side * levels.close[n - 1] > paid


@kernel
def random_entry_path_nb(
    exec_price: FloatArray,
    close: FloatArray,
    entry_bars: IntArray,
    exit_bars: IntArray,
    exit_prices: FloatArray,
    weights: FloatArray,
    commission: FloatArray,
    slippage: float,
    borrow: FloatArray,
    first: int,
) -> tuple[FloatArray, int]:
    """Equity (starting at 1) of given trades with costs, and how many of them won.

    Trades are in order and do not overlap; an entry meets `exec_price` of its bar, an end has a
    price of its own, with slippage, and may lie inside the bar of the entry. Both pay the
    commission known at the bar before. A weight is the share of cash paid, below 0 for a short
    trade the share it brings in; that pays `borrow`, a fraction of its value at the close before. A
    bar beyond the last is never: what is still held then is judged at the last close.
    """
    n = close.shape[0]
    equity = np.ones(n)
    n_trades = entry_bars.shape[0]
    cash = 1.0
    held = 0.0
    paid = 0.0
    n_wins = 0
    k = 0
    is_open = False
    for i in range(first, n):
        if held < 0.0:
            charged = -held * close[i - 1] * borrow[i]
            cash -= charged
            paid += charged
        for is_entered in (False, True):
            if is_entered and not is_open and k < n_trades and i == entry_bars[k]:
                # Who has lost everything trades no more.
                paid = max(cash, 0.0) * weights[k]
                side = np.sign(weights[k])
                price = exec_price[i] * (1.0 + side * slippage) * (1.0 + side * commission[i - 1])
                held = paid / price
                cash -= paid
                is_open = True
            if is_open and i == exit_bars[k]:
                value = held * exit_prices[k] * (1.0 - np.sign(held) * commission[i - 1])
                cash += value
                n_wins += value > paid
                held = 0.0
                is_open = False
                k += 1
        equity[i] = cash + held * close[i]
    if is_open:
        n_wins += held * close[n - 1] > paid
    return equity, n_wins


@kernel
def random_account_path_nb(
    exec_price: FloatArray,
    close: FloatArray,
    commission: FloatArray,
    slippage: FloatArray,
    trades: IntArray,
    exit_prices: FloatArray,
    weights: FloatArray,
    gross_cap: float,
) -> tuple[FloatArray, int]:
    """Equity (starting at 1) of given long trades on one cash account, and how many of them won.

    Prices and commission have shape (n_instruments, n_ticks): `exec_price` and `commission` are
    read where an instrument has a bar, `close` holds the last one (0 before the first). A row of
    `trades` is (tick, instrument, number, when), in order of tick and of when on it (see
    `SELL_AT_OPEN`). By number, `exit_prices` are those of the ends, with slippage; `weights` are
    shares of the equity, at the closes before, after the sales that came before the purchase.
    Purchases that come together share the cash, and what the gross cap leaves, in proportion. No
    trade may begin on the first tick; one without an end is judged at the last close.
    """
    n_instruments, n_ticks = close.shape
    equity = np.ones(n_ticks)
    held = np.zeros(weights.shape[0])
    paid = np.zeros(weights.shape[0])
    total = np.zeros(n_instruments)
    cash = 1.0
    n_wins = 0
    first = 0
    for tick in range(n_ticks):
        while first < trades.shape[0] and trades[first, 0] == tick:
            when = trades[first, 3]
            stop = first
            asked = 0.0
            while stop < trades.shape[0] and trades[stop, 0] == tick and trades[stop, 3] == when:
                k, number = trades[stop, 1], trades[stop, 2]
                if when in (BUY_AT_OPEN, BUY_AT_CLOSE):
                    asked += weights[number]
                else:
                    value = held[number] * exit_prices[number] * (1.0 - commission[k, tick])
                    n_wins += value > paid[number]
                    cash += value
                    total[k] -= held[number]
                    held[number] = 0.0
                stop += 1
            if asked > 0.0:
                gross = 0.0
                for k in range(n_instruments):
                    gross += total[k] * close[k, tick - 1]
                budget = max(min(cash, gross_cap * (cash + gross) - gross), 0.0)
                unit = min(cash + gross, budget / asked)
                for row in range(first, stop):
                    k, number = trades[row, 1], trades[row, 2]
                    paid[number] = weights[number] * unit
                    price = exec_price[k, tick] * (1.0 + slippage[k])
                    held[number] = paid[number] / (price * (1.0 + commission[k, tick]))
                    cash -= paid[number]
                    total[k] += held[number]
            first = stop
        value = cash
        for k in range(n_instruments):
            value += total[k] * close[k, tick]
        equity[tick] = value
    for row in range(trades.shape[0]):
        # What has an end holds nothing any more, and nothing is no win.
        k, number = trades[row, 1], trades[row, 2]
        n_wins += held[number] * close[k, n_ticks - 1] > paid[number] and held[number] > 0.0
    return equity, n_wins
