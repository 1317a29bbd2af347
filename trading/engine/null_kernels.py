"""Kernels of random trades: how each ends, and what they leave on one cash account.

INPUT    bars where trades begin, the levels that rest for them, prices and costs
OUTPUT   bars and prices of their ends, equity paths, wins
LOOKBACK none; nothing here ever decides a trade
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.positions import Pending, kept_nb, opened_nb, protected_nb
from trading.engine.rules import TREND

# When on its tick a trade of an account begins or ends, in the order of `shared_account`.
SELL_AT_OPEN, BUY_AT_OPEN, SELL_INSIDE, SELL_AT_CLOSE, BUY_AT_CLOSE = 0, 1, 2, 3, 4
# A rest of probability that is the rounding of sums.
LEAST = 1e-12


class Resting(NamedTuple):
    """What the trades of one instrument meet while stops and targets rest for them.

    Prices of the bars; then per signal bar the distances of stop, target and trailing stop in units
    of price (NaN none) and the cost per side a target must earn first, all float64 of shape
    (n_bars,); last the slippage as a fraction, the tick, and whether market orders get the close.
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
    slippage: float
    tick_size: float
    fills_at_close: bool


@kernel
def protected_trade_nb(
    entry: int, limit: int, stop_times: float, target_times: float, resting: Resting
) -> tuple[int, float, bool]:
    """Play one long trade from its entry bar on: bar and price of its end, whether inside the bar.

    It ends at what rests for it (`positions.protected_nb`), or with the fill `limit` bars after its
    entry, which at an open comes first. Distances are those of the bar before the entry, times
    `stop_times` and `target_times`. A trade that never ends has bar n_bars and no price (NaN).
    """
    n = resting.close.shape[0]
    price = resting.exec_price[entry] * (1.0 + resting.slippage)
    signal = entry - 1
    pending = Pending(
        TREND,
        stop_times * resting.stop[signal],
        target_times * resting.target[signal],
        resting.rate[signal],
        0,
    )
    position = opened_nb(pending, price, True)
    last = entry + limit
    for i in range(entry, n):
        sold_at = resting.exec_price[i] * (1.0 - resting.slippage)
        if i == last and not resting.fills_at_close:
            return i, sold_at, False
        if i > entry or not resting.fills_at_close:
            reason, price, _ = protected_nb(
                position,
                resting.opened[i],
                resting.high[i],
                resting.low[i],
                resting.tick_size,
                resting.slippage,
            )
            if reason != 0:
                return i, price, True
        if i == last:
            return i, sold_at, False
        if i != last - 1:
            # A stop does not trail at the close that decides to leave.
            position = kept_nb(position, TREND, resting.close[i], resting.trail[i])
    return n, np.nan, False


@kernel
def protected_trades_nb(
    starts: IntArray,
    limits: IntArray,
    stop_times: FloatArray,
    target_times: FloatArray,
    resting: Resting,
) -> tuple[IntArray, IntArray, FloatArray, IntArray]:
    """Play trades one after another: bars of entry and end, price of the end, 1 if inside a bar.

    A trade begins at its start, or later, once the one before it has ended. Bar n_bars stands for
    never.
    """
    n = resting.close.shape[0]
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
        bar, price, is_inside = protected_trade_nb(
            entry, limits[k], stop_times[k], target_times[k], resting
        )
        entries[k], exits[k], prices[k], insides[k] = entry, bar, price, is_inside
        # What ended inside a bar is known at its close: the next order meets the bar after.
        free = bar + int(is_inside)
    return entries, exits, prices, insides


@kernel
def protected_chance_nb(
    entries: IntArray,
    leaves: FloatArray,
    stop_times: float,
    target_times: float,
    resting: Resting,
    commission: FloatArray,
) -> float:
    """Return the chance that a trade begun at one of `entries` wins after costs.

    `leaves` holds the probability that it leaves as many bars after its entry as the index says,
    if nothing that rests ends it before; what they lack to 1 never leaves. A trade that has not
    ended by the last bar is judged at its close. Stops trail at every close.
    """
    n = resting.close.shape[0]
    total = 0.0
    for entry in entries:
        price = resting.exec_price[entry] * (1.0 + resting.slippage)
        paid = price * (1.0 + commission[entry - 1])
        stop = stop_times * resting.stop[entry - 1]
        target = target_times * resting.target[entry - 1]
        pending = Pending(TREND, stop, target, resting.rate[entry - 1], 0)
        position = opened_nb(pending, price, True)
        left = 1.0
        for i in range(entry, n):
            kept = 1.0 - commission[i - 1]
            leaving = leaves[i - entry] if i - entry < leaves.shape[0] else 0.0
            wins = resting.exec_price[i] * (1.0 - resting.slippage) * kept > paid
            if not resting.fills_at_close:
                total += leaving * wins
                left -= leaving
            if i > entry or not resting.fills_at_close:
                reason, price, _ = protected_nb(
                    position,
                    resting.opened[i],
                    resting.high[i],
                    resting.low[i],
                    resting.tick_size,
                    resting.slippage,
                )
                if reason != 0:
                    total += left * (price * kept > paid)
                    left = 0.0
            if resting.fills_at_close and left > 0.0:
                total += leaving * wins
                left -= leaving
            if left <= LEAST:
                break
            position = kept_nb(position, TREND, resting.close[i], resting.trail[i])
        if left > LEAST:
            total += left * (resting.close[n - 1] > paid)
    return float(total / entries.shape[0])


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
