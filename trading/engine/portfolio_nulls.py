"""What luck would have done with the same account: random entries, and bars shuffled together.

INPUT    a finished portfolio run, what it was made from, a seeded generator
OUTPUT   distributions of win rate, Sharpe ratio and equity of the account
LOOKBACK the whole run; nothing here ever decides a trade
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import metrics, null_kernels
from trading.engine.errors import ConfigInvalid
from trading.engine.null_kernels import (
    BUY_AT_CLOSE,
    BUY_AT_OPEN,
    SELL_AT_CLOSE,
    SELL_AT_OPEN,
    SELL_INSIDE,
)
from trading.engine.nulls import (
    BAND_POINTS,
    BAND_SHARES,
    NullDraws,
    charged_rates,
    draws_check,
    reordered_bars,
)
from trading.engine.portfolio_backtest import InstrumentResult, PortfolioRun
from trading.engine.random_trades import LeaveBy, Trades, paid_shares
from trading.engine.shared_account import Leg
from trading.engine.trade_levels import trades_of
from trading.engine.types import OrderSide


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """The completed trades of one instrument, and the tick of each of its bars."""

    trades: Trades
    ticks: IntArray

    @property
    def moments(self) -> tuple[int, int, int]:
        """When on a tick a trade begins, ends at a fill, and ends by what rests for it."""
        if self.trades.bars.exec_price == "CLOSE":
            return BUY_AT_CLOSE, SELL_AT_CLOSE, SELL_INSIDE
        return BUY_AT_OPEN, SELL_AT_OPEN, SELL_INSIDE


@dataclass(frozen=True, slots=True, eq=False)
class _Prices:
    """Arrays of shape (n_instruments, n_ticks), and slippage by instrument."""

    exec_price: FloatArray
    close: FloatArray
    commission: FloatArray
    slippage: FloatArray


def random_accounts(
    run: PortfolioRun,
    legs: Sequence[Leg],
    rng: np.random.Generator,
    *,
    n_draws: int = 200,
    gross_cap: float = 1.0,
) -> NullDraws:
    """Draw accounts with as many long trades of the same sizes at random times, left as ours were.

    Parameters
    ----------
    run : PortfolioRun
        With at least one completed trade and none short.
    legs : sequence of Leg
        What it was made from.
    rng : numpy.random.Generator
        Seeded by the caller.
    n_draws : int
        >= 1.
    gross_cap : float
        Of the run's allocation, in (0, 1].

    Returns
    -------
    NullDraws
        Of the account; the band is given at ticks of its clock.

    Raises
    ------
    ConfigInvalid
        Without a completed trade, with a short one, or with fewer than one draw.

    Notes
    -----
    Every instrument keeps its own trades: their number, their lengths in its own bars, the share of
    the account's equity each took, and its own costs. Only the times are drawn. Where levels are
    known, trades leave by them, as in `nulls.random_entries`. Where more is asked for than there is
    cash, purchases share it, so a draw may hold less than the run did; a limit on the number of
    positions is not imposed.
    """
    draws_check(run.account.round_trips, n_draws)
    if any(trip.side is OrderSide.SELL for trip in run.account.round_trips):
        raise ConfigInvalid("random accounts are drawn for long trades only")
    clock = run.account.closed_at
    bars_of = {leg.bars.symbol: leg.bars for leg in legs}
    rows = [row for row in run.instruments if row.round_trips]
    trades = [
        _Row(instrument_trades(row, run, legs), _ticks(run, bars_of[row.symbol])) for row in rows
    ]
    prices = _prices(rows, run, bars_of, legs)
    points = np.unique(np.linspace(0, clock.shape[0] - 1, BAND_POINTS).astype(np.int64))
    paths = np.empty((n_draws, points.shape[0]))
    win_rates, sharpes, totals = np.empty(n_draws), np.empty(n_draws), np.empty(n_draws)
    for k in range(n_draws):
        events, exit_prices, weights = _draw(trades, rng)
        equity, n_wins = null_kernels.random_account_path_nb(
            prices.exec_price, prices.close, prices.commission, prices.slippage,
            events, exit_prices, weights, gross_cap,
        )  # fmt: skip
        is_purchase = np.isin(events[:, 3], (BUY_AT_OPEN, BUY_AT_CLOSE))
        win_rates[k] = n_wins / np.count_nonzero(is_purchase)
        returns = metrics.simple_returns(equity, start=1.0)
        sharpes[k] = metrics.sharpe_ratio(returns, run.account.bars_per_year)
        totals[k] = equity[-1] - 1.0
        paths[k] = equity[points]
    low, median, high = np.quantile(paths, BAND_SHARES, axis=0) * run.account.config.cash
    ways = {row.trades.leave_by for row in trades}
    leave_by = ways.pop() if len(ways) == 1 else LeaveBy.MIXED
    return NullDraws(win_rates, sharpes, totals, points, low, median, high, leave_by)


def permuted_legs(
    legs: Sequence[Leg], rng: np.random.Generator, *, first: int = 0, window: int = 63
) -> list[Leg]:
    """Shuffle the bars of all instruments within windows of the clock, all in one order.

    Parameters
    ----------
    legs : sequence of Leg
        At least one, each with two bars.
    rng : numpy.random.Generator
        Seeded by the caller.
    first : int
        First tick of the clock that may move, >= 0; ticks before it stay.
    window : int
        Ticks that are shuffled among each other, >= 2.

    Returns
    -------
    list of Leg
        What moved together on a day still does: only the order of the days is lost.

    Raises
    ------
    ConfigInvalid
        If ``first`` is below 0 or ``window`` below 2.
    """
    if first < 0 or window < 2:
        raise ConfigInvalid(f"first {first} must be at least 0 and window {window} at least 2")
    clock = np.unique(np.concatenate([leg.bars.closed_at for leg in legs]))
    # One order for all: a tick moves within its window, and before `first` it stays.
    keys = np.arange(clock.shape[0])
    rng.shuffle(keys[first:])
    windows = np.maximum(np.arange(clock.shape[0]) - first, -1) // window
    return [replace(leg, bars=_permuted(leg.bars, clock, keys, windows, first)) for leg in legs]


def _permuted(bars: Bars, clock: IntArray, keys: IntArray, windows: IntArray, first: int) -> Bars:
    ticks = np.searchsorted(clock, bars.closed_at)
    order = np.lexsort((keys[ticks], windows[ticks]))
    # The first bar has no close before it and keeps its place.
    order = np.concatenate(([0], order[order != 0]))
    return reordered_bars(bars, order, max(int(np.searchsorted(ticks, first)), 1))


def instrument_rates(
    row: InstrumentResult, run: PortfolioRun, legs: Sequence[Leg]
) -> tuple[FloatArray, float]:
    """Return what one instrument's trades pay: commission per own bar, and the worse price.

    Parameters
    ----------
    row : InstrumentResult
        Of the run.
    run : PortfolioRun
        Its settings hold the costs of legs without own ones.
    legs : sequence of Leg
        What it was made from.

    Returns
    -------
    float64, shape (n_bars,)
        Fraction of notional per side.
    float
        Fraction of price per side.
    """
    own = next(leg.costs for leg in legs if leg.bars.symbol == row.symbol)
    return charged_rates(own or run.account.config.costs, row.costs, row.regime_codes)


def instrument_trades(row: InstrumentResult, run: PortfolioRun, legs: Sequence[Leg]) -> Trades:
    """Gather the completed trades of one instrument, ready to be drawn again.

    Parameters
    ----------
    row, run, legs
        As in `instrument_rates`.

    Returns
    -------
    Trades
        Bars counted in the instrument's own; weights are shares of the account's equity.
    """
    account = run.account
    leg = next(leg for leg in legs if leg.bars.symbol == row.symbol)
    spec, params = leg.resolved()
    before = np.concatenate(([account.config.cash], account.equity))
    ticks = _ticks(run, leg.bars)
    rates, slippage = instrument_rates(row, run, legs)
    signals = np.array([trip.signal_bar for trip in row.round_trips], dtype=np.int64)
    entries = np.array([trip.entry_bar for trip in row.round_trips], dtype=np.int64)
    return trades_of(
        row.round_trips,
        paid_shares(row.round_trips, rates[signals], before[ticks[entries]]),
        spec.prepare(leg.bars, params),
        slippage,
        tick_size=account.config.tick_size,
        rested=row.rested,
        watched=row.watched,
    )


def _ticks(run: PortfolioRun, bars: Bars) -> IntArray:
    return np.searchsorted(run.account.closed_at, bars.closed_at)


def _prices(
    rows: Sequence[InstrumentResult],
    run: PortfolioRun,
    bars_of: Mapping[str, Bars],
    legs: Sequence[Leg],
) -> _Prices:
    clock = run.account.closed_at
    shape = (len(rows), clock.shape[0])
    found = _Prices(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(len(rows)))
    for k, row in enumerate(rows):
        bars = bars_of[row.symbol]
        ticks = np.searchsorted(clock, bars.closed_at)
        rates, found.slippage[k] = instrument_rates(row, run, legs)
        found.exec_price[k, ticks] = bars.exec_prices
        found.commission[k, ticks[1:]] = rates[:-1]
        last = np.searchsorted(bars.closed_at, clock, "right") - 1
        found.close[k] = np.where(last >= 0, bars.close[np.maximum(last, 0)], 0.0)
    return found


def _draw(
    rows: Sequence[_Row], rng: np.random.Generator
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Draw times for every trade; return the events in order, end prices and weights by number."""
    events, prices, weights, number = [], [], [], 0
    for k, own in enumerate(rows):
        drawn = own.trades.drawn(1, rng)
        bought, sold, ended = own.moments
        numbers = np.arange(number, number + len(own.trades))
        sides = ((drawn.entries, np.full_like(numbers, bought)),
                 (drawn.exits, np.where(drawn.insides, ended, sold)))  # fmt: skip
        for bars, when in sides:
            there = bars < own.ticks.shape[0]
            columns = (own.ticks[bars[there]], np.full_like(numbers, k)[there])
            events.append(np.column_stack((*columns, numbers[there], when[there])))
        prices.append(drawn.prices)
        weights.append(drawn.weights)
        number += len(own.trades)
    found = np.concatenate(events)
    order = np.lexsort((found[:, 1], found[:, 3], found[:, 0]))
    return np.ascontiguousarray(found[order]), np.concatenate(prices), np.concatenate(weights)
