"""What luck would have done: random entries and buy-and-hold under the same costs.

INPUT    a finished run, its bars, a seeded generator
OUTPUT   distributions of win rate, Sharpe ratio and equity
LOOKBACK the whole run; nothing here ever decides a trade
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import metrics, null_kernels
from trading.engine.backtest import BacktestRun
from trading.engine.cost_parts import CostParts
from trading.engine.costs import BPS, CostModel, commission_rates
from trading.engine.errors import ConfigInvalid
from trading.engine.market import days_between
from trading.engine.random_trades import LeaveBy, Trades, paid_shares
from trading.engine.trade_levels import trades_of
from trading.engine.types import RoundTrip

BAND_POINTS = 500
BAND_SHARES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class NullDraws:
    """Results of random entries, one value per draw.

    Attributes
    ----------
    win_rates, sharpe_ratios, total_returns : float64, shape (n_draws,)
        Fractions and ratios after the run's own costs.
    band_bars : int64, shape (n_points,)
        Bars (counted in the run's arrays) at which the band is given.
    band_low, band_median, band_high : float64, shape (n_points,)
        5th, 50th and 95th percentile of equity, currency.
    leave_by : LeaveBy
        What ends their trades.
    """

    win_rates: FloatArray
    sharpe_ratios: FloatArray
    total_returns: FloatArray
    band_bars: IntArray
    band_low: FloatArray
    band_median: FloatArray
    band_high: FloatArray
    leave_by: LeaveBy = LeaveBy.LENGTHS


def random_entries(
    run: BacktestRun, bars: Bars, rng: np.random.Generator, *, n_draws: int = 200
) -> NullDraws:
    """Draw runs with as many trades of the same sizes and sides at random times, left as the run's.

    Parameters
    ----------
    run : BacktestRun
        With at least one completed trade.
    bars : Bars
        The bars it ran on.
    rng : numpy.random.Generator
        Seeded by the caller.
    n_draws : int
        >= 1.

    Returns
    -------
    NullDraws
        See there.

    Raises
    ------
    ConfigInvalid
        Without a completed trade, or with fewer than one draw.

    Notes
    -----
    Lengths are shuffled and the free bars between the trades are split at random, so every draw
    holds as long as the run did and trades never overlap. Where the levels are known that trades
    of the run leave by, resting or watched at the close, draws leave by them too, at the distances
    the rule has for each bar; see `random_trades`. Short trades pay their borrow.
    """
    draws_check(run.round_trips, n_draws)
    first = run.first_bar
    codes = np.full(len(bars), -1, dtype=np.int64)
    codes[first:] = run.regime_codes
    rates, slippage = charged_rates(run.config.costs, run.costs, codes)
    trades, borrow = trades_of_run(run, bars, slippage), borrowed(bars, run.config.costs)
    points = np.unique(np.linspace(0, len(bars) - first - 1, BAND_POINTS).astype(np.int64))
    paths = np.empty((n_draws, points.shape[0]))
    win_rates, sharpes, totals = np.empty(n_draws), np.empty(n_draws), np.empty(n_draws)
    for k in range(n_draws):
        drawn = trades.drawn(first + 1, rng)
        equity, n_wins = null_kernels.random_entry_path_nb(
            bars.exec_prices, bars.close, drawn.entries, drawn.exits, drawn.prices, drawn.weights,
            rates, slippage, borrow, first + 1,
        )  # fmt: skip
        win_rates[k] = n_wins / np.count_nonzero(drawn.entries < len(bars))
        curve = equity[first:]
        sharpes[k] = metrics.sharpe_ratio(
            metrics.simple_returns(curve, start=1.0), run.bars_per_year
        )
        totals[k] = curve[-1] - 1.0
        paths[k] = curve[points]
    low, median, high = np.quantile(paths, BAND_SHARES, axis=0) * run.config.cash
    return NullDraws(win_rates, sharpes, totals, points, low, median, high, trades.leave_by)


def trades_of_run(run: BacktestRun, bars: Bars, slippage: float) -> Trades:
    """Gather the completed trades of a run, ready to be drawn again.

    Parameters
    ----------
    run : BacktestRun
        Finished.
    bars : Bars
        The bars it ran on.
    slippage : float
        Fraction of price per side.

    Returns
    -------
    Trades
        See there.
    """
    signals = np.array([trip.signal_bar for trip in run.round_trips], dtype=np.int64)
    entries = np.array([trip.entry_bar for trip in run.round_trips], dtype=np.int64)
    rates, _ = charged_rates(run.config.costs, run.costs, run.regime_codes)
    before = np.concatenate(([run.config.cash], run.equity))
    first = run.first_bar
    return trades_of(
        run.round_trips,
        paid_shares(run.round_trips, rates[signals - first], before[entries - first]),
        run.spec.prepare(bars, run.params),
        slippage,
        tick_size=run.config.tick_size,
        rested=run.rested,
        watched=run.watched,
    )


def draws_check(trips: Sequence[RoundTrip], n_draws: int) -> None:
    """Refuse to draw without a trade, and fewer than one draw."""
    if not trips:
        raise ConfigInvalid("random entries need at least 1 completed trade, found 0")
    if n_draws < 1:
        raise ConfigInvalid(f"n_draws {n_draws} must be at least 1")


def buy_and_hold(run: BacktestRun, bars: Bars) -> FloatArray:
    """Compute the equity of buying everything on the run's second bar and keeping it.

    Parameters
    ----------
    run : BacktestRun
        Gives first bar, cash and costs.
    bars : Bars
        The bars it ran on.

    Returns
    -------
    float64, shape (n_bars - first_bar,)
        Currency; the purchase pays the run's costs, the last value is a mark, not a sale.
    """
    first = run.first_bar
    rates, worse = charged_rates(run.config.costs, run.costs, run.regime_codes[:1])
    price = float(bars.exec_prices[first + 1]) * (1.0 + worse)
    quantity = run.config.cash / (1.0 + float(rates[0])) / price
    equity: FloatArray = quantity * bars.close[first:]
    equity[0] = run.config.cash
    return equity


def permuted_bars(
    bars: Bars, rng: np.random.Generator, *, first: int = 1, window: int = 63
) -> Bars:
    """Shuffle the bars within windows: the same moves in another order.

    Parameters
    ----------
    bars : Bars
        At least two.
    rng : numpy.random.Generator
        Seeded by the caller.
    first : int
        First bar that may move, >= 1; bars before it stay.
    window : int
        Bars that are shuffled among each other, >= 2.

    Returns
    -------
    Bars
        Same times. Each bar keeps its gap from the close before, its range and its volume, so the
        close at the end of every window (and of the series) is the same as before.

    Raises
    ------
    ConfigInvalid
        If ``first`` is below 1 or ``window`` below 2.

    Examples
    --------
    >>> price = np.array([1.0, 2.0, 4.0, 2.0])
    >>> bars = Bars("X", "1d", np.arange(4), price, price, price, price, np.zeros(4))
    >>> float(permuted_bars(bars, np.random.default_rng(0)).close[-1])
    2.0
    """
    if first < 1 or window < 2:
        raise ConfigInvalid(f"first {first} must be at least 1 and window {window} at least 2")
    order = np.arange(len(bars))
    for begin in range(first, len(bars), window):
        rng.shuffle(order[begin : begin + window])
    return reordered_bars(bars, order, first)


def reordered_bars(bars: Bars, order: IntArray, first: int) -> Bars:
    """Put the moves of bars in another order.

    Parameters
    ----------
    bars : Bars
        At least two.
    order : int64, shape (n_bars,)
        A permutation that leaves the bars before ``first`` in their places.
    first : int
        First bar that may move, >= 1.

    Returns
    -------
    Bars
        Same times; each bar keeps its gap from the close before, its range and its volume.

    Examples
    --------
    >>> price = np.array([1.0, 2.0, 8.0])
    >>> bars = Bars("X", "1d", np.arange(3), price, price, price, price, np.zeros(3))
    >>> reordered_bars(bars, np.array([0, 2, 1]), 1).close.tolist()
    [1.0, 4.0, 8.0]
    """
    n_bars = len(bars)
    before = np.concatenate((bars.open[:1], bars.close[:-1]))
    gap, high, low, move = (
        (column / base)[order]
        for column, base in (
            (bars.open, before), (bars.high, bars.open), (bars.low, bars.open),
            (bars.close, bars.open),
        )
    )  # fmt: skip
    close = bars.close.copy()
    anchor = close[first - 1] if first <= n_bars else 1.0
    close[first:] = anchor * np.cumprod((gap * move)[first:])
    opened = np.concatenate((bars.open[:first], close[first - 1 : -1] * gap[first:]))
    tops = np.concatenate((bars.high[:first], (opened * high)[first:]))
    bottoms = np.concatenate((bars.low[:first], (opened * low)[first:]))
    return replace(
        bars,
        open=opened,
        # Rounding must not leave a close outside its own range.
        high=np.maximum(tops, np.maximum(opened, close)),
        low=np.minimum(bottoms, np.minimum(opened, close)),
        close=close,
        volume=bars.volume[order],
    )


def charged_rates(costs: CostModel, parts: CostParts, codes: IntArray) -> tuple[FloatArray, float]:
    """Return what a trade like those of a run pays: commission per bar and the worse price.

    Parameters
    ----------
    costs : CostModel
        Rates.
    parts : CostParts
        What the run paid; costs that depend on an order's size are charged as their average share.
    codes : int64, shape (n_bars,)
        Regime at each bar, -1 to 3.

    Returns
    -------
    float64, shape (n_bars,)
        Fraction of notional per side.
    float
        Fraction of price per side.
    """
    rates = commission_rates(costs, codes)
    if (costs.is_proportional and costs.slips_alike) or not parts.notional:
        return rates, costs.slippage_rate
    in_price = (parts.spread + parts.slippage + parts.impact) / parts.notional
    more = parts.commission / parts.notional - costs.commission_bps * BPS
    return rates + max(more, 0.0), in_price


def borrowed(bars: Bars, costs: CostModel) -> FloatArray:
    """Return what a short position pays at each bar, as a fraction of its value a close before."""
    return days_between(bars.closed_at) * costs.borrow_rate_per_day


def exceedance(value: float, draws: FloatArray) -> float:
    """Return the share of draws at least as good as ``value``, counting the value itself.

    NaN for a value that is not known: it would beat every draw.

    Examples
    --------
    >>> exceedance(3.0, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    if math.isnan(value):
        return math.nan
    return float((np.sum(draws >= value) + 1.0) / (draws.shape[0] + 1.0))
