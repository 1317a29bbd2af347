"""Replay strategies on several instruments that share one cash account.

INPUT    bars and a strategy per instrument, a `BacktestConfig`, an `Allocation`
OUTPUT   a `PortfolioRun`: one `BacktestRun` of the account and a row per instrument
LOOKBACK each strategy's own; an order decided on an instrument's bar meets its next bar

The clock is the union of all closes; `shared_account` tells what happens at a tick. Nothing depends
on the order in which instruments are given.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from marketdata.types import FloatArray, IntArray, bars_per_year_estimate
from trading.engine import account_loop, metrics
from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestConfig, BacktestRun, Curve
from trading.engine.cost_parts import CostParts, cost_parts
from trading.engine.errors import ConfigInvalid
from trading.engine.explanation import Decision
from trading.engine.portfolio import round_trips
from trading.engine.portfolio_regimes import account_regimes
from trading.engine.shared_account import Book, Leg, SharedAccount, book_of, replay
from trading.engine.summary import run_metrics
from trading.engine.trade_levels import LevelShares
from trading.engine.types import Fill, Order, RoundTrip


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentResult:
    """What one instrument did within the account; trades and regimes counted in its own bars."""

    symbol: str
    first_at: int
    last_at: int
    n_bars: int
    n_orders: int
    round_trips: tuple[RoundTrip, ...]
    costs: CostParts
    quantity: float
    open_pnl: float
    regime_codes: IntArray
    rested: Mapping[int, LevelShares]
    watched: Mapping[int, LevelShares]

    @property
    def pnl(self) -> float:
        """Return the result of the completed trades after costs, currency."""
        return float(sum(trip.pnl for trip in self.round_trips))


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioRun:
    """The account as one run (bars counted on the clock) and its instruments by symbol."""

    account: BacktestRun
    instruments: tuple[InstrumentResult, ...]


def run_portfolio(
    legs: Sequence[Leg],
    config: BacktestConfig | None = None,
    allocation: Allocation | None = None,
) -> PortfolioRun:
    """Run one strategy per instrument on a shared account.

    Parameters
    ----------
    legs : sequence of Leg
        At least one; every symbol once. Calendars and spans may differ.
    config : BacktestConfig or None
        ``cash`` is the account's; ``start_index`` is not used. With ``keeps_decisions`` the
        account's run has the decisions of all, in order of time and symbol, their bars counted in
        each instrument's own series.
    allocation : Allocation or None
        None for equal weights.

    Returns
    -------
    PortfolioRun
        Deterministic, and the same whatever the order of the legs.

    Raises
    ------
    ConfigInvalid
        Without a leg, with a symbol given twice, or with weights for unknown symbols.
    InsufficientBars
        If an instrument has no bar behind its strategy's warm-up; the message names it.
    UnknownStrategy, ParameterInvalid
        For a wrong request.

    Examples
    --------
    >>> from marketdata.types import Bars
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = [Bars(s, "1d", np.arange(8), price, price, price, price, np.zeros(8)) for s in "AB"]
    >>> legs = [Leg(b, "sma_cross", {"fast": 1, "slow": 2}) for b in bars]
    >>> found = run_portfolio(legs, BacktestConfig(cash=100.0))
    >>> found.account.final_equity, [row.symbol for row in found.instruments]
    (50.0, ['A', 'B'])
    """
    account, clock = account_opened(legs, config or BacktestConfig(), allocation or Allocation())
    equity, cash, gross = replay(account, clock)
    return _result(account, clock, equity, cash, gross)


def account_equity(
    legs: Sequence[Leg], config: BacktestConfig, allocation: Allocation, until: int | None = None
) -> FloatArray:
    """Run the account for its equity alone.

    Parameters
    ----------
    legs : sequence of Leg
        As for `run_portfolio`.
    config : BacktestConfig
        Settings of the account.
    allocation : Allocation
        How it is divided.
    until : int or None
        Closes at and after this moment (nanoseconds since 1970) are not traded, though strategies
        are prepared with them; None for all.

    Returns
    -------
    float64, shape (n_ticks,)
        Currency, after each tick before ``until``.

    Raises
    ------
    ConfigInvalid, InsufficientBars, UnknownStrategy, ParameterInvalid
        As `run_portfolio`.
    """
    account, clock = account_opened(legs, config, allocation)
    return replay(account, clock if until is None else clock[clock < until])[0]


def account_curve(account: SharedAccount, clock: IntArray) -> Curve:
    """Run an opened account for its equity and the count of its trades, compiled where it can be.

    Parameters
    ----------
    account : SharedAccount
        With nothing traded yet; its books may be filled afterwards.
    clock : int64, shape (n_ticks,)
        Closes of all instruments, nanoseconds since 1970, increasing.

    Returns
    -------
    Curve
        Equity in currency after each tick; trades of all instruments that ended, and that won.
    """
    if account_loop.runs_compiled(account):
        return account_loop.curve_of(account, clock)
    equity, _, _ = replay(account, clock)
    trips = [trip for book in account.books for trip in _book_trips(book)[0]]
    return Curve(equity, len(trips), sum(trip.pnl > 0.0 for trip in trips))


def account_decisions(
    legs: Sequence[Leg], config: BacktestConfig, allocation: Allocation, closes: Collection[int]
) -> tuple[Decision, ...]:
    """Explain the decisions of an account at some moments, without the words of all others.

    Parameters
    ----------
    legs, config, allocation
        As for `run_portfolio`; ``keeps_decisions`` need not be set.
    closes : collection of int
        Moments of its clock, nanoseconds since 1970; nothing after the last is traded.

    Returns
    -------
    tuple of Decision
        Of every instrument with a bar that closes then, in order of time and symbol.

    Raises
    ------
    ConfigInvalid, InsufficientBars, UnknownStrategy, ParameterInvalid
        As `run_portfolio`.
    """
    account, clock = account_opened(legs, config, allocation)
    account.explained = frozenset(closes)
    replay(account, clock[clock <= max(account.explained, default=-1)])
    return tuple(account.decisions)


def account_opened(
    legs: Sequence[Leg], config: BacktestConfig, allocation: Allocation
) -> tuple[SharedAccount, IntArray]:
    """Open an account with a book for each instrument, in order of symbol.

    Returns
    -------
    SharedAccount
        With nothing traded yet.
    int64, shape (n_ticks,)
        Its clock: the closes of all instruments, nanoseconds since 1970, increasing.

    Raises
    ------
    ConfigInvalid, InsufficientBars, UnknownStrategy, ParameterInvalid
        As `run_portfolio`.
    """
    _check_symbols(legs, allocation)
    clock = np.unique(np.concatenate([leg.bars.closed_at for leg in legs]))
    books = sorted((book_of(leg, config, clock) for leg in legs), key=lambda book: book.symbol)
    return SharedAccount(books, config, allocation, float(config.cash)), clock


def _check_symbols(legs: Sequence[Leg], allocation: Allocation) -> None:
    symbols = [leg.bars.symbol for leg in legs]
    if not symbols:
        raise ConfigInvalid("a portfolio needs at least 1 instrument, found 0")
    twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if twice:
        raise ConfigInvalid(f"instrument {twice[0]} is given {symbols.count(twice[0])} times")
    unknown = sorted(set(allocation.weights) - set(symbols))
    if unknown:
        raise ConfigInvalid(f"weights name {', '.join(unknown)}, not among the instruments")


def _result(
    account: SharedAccount, clock: IntArray, equity: FloatArray, cash: FloatArray, gross: FloatArray
) -> PortfolioRun:
    books, start = account.books, account.config.cash
    rows = tuple(_row(book) for book in books)
    trips, booked, exposure = _trips(books, rows), _booked(books), gross / equity
    bars_per_year = _ticks_per_year(books, clock)
    unknown = np.full(clock.shape[0], -1, dtype=np.int64)
    run = BacktestRun(
        spec=books[0].context.spec,
        params=books[0].features.params,
        config=account.config,
        symbol=" + ".join(book.symbol for book in books),
        first_bar=0,
        bars_per_year=bars_per_year,
        orders=_orders(books),
        fills=tuple(fill for fill, _, _ in booked),
        signal_bars=tuple(signal for _, signal, _ in booked),
        fill_reasons=tuple(reason for _, _, reason in booked),
        round_trips=trips,
        closed_at=clock,
        equity=equity,
        cash=cash,
        quantity=np.zeros(clock.shape[0]),
        drawdown=metrics.drawdowns(equity, start=start),
        exposure=exposure,
        regime_codes=unknown,
        absolute_regime_codes=unknown,
        metrics={},
        by_regime=account_regimes(books, trips, equity, start, bars_per_year),
        by_absolute_regime={},
        costs=_total(rows, account.financing),
        decisions=tuple(account.decisions),
    )
    return PortfolioRun(replace(run, metrics=_metrics(run)), rows)


def _ticks_per_year(books: Sequence[Book], clock: IntArray) -> float:
    """Return the ticks in a year of the account: its clock has those of every calendar it holds."""
    theirs = {book.features.bars.bars_per_year for book in books}
    if len(theirs) == 1 and all(len(book.features.bars) == clock.shape[0] for book in books):
        return theirs.pop()
    return bars_per_year_estimate(clock)


def _metrics(run: BacktestRun) -> dict[str, float]:
    cash = run.config.cash
    returns = metrics.simple_returns(run.equity, start=cash)
    found = run_metrics(
        run.equity, returns, run.exposure, run.round_trips, run.fills, cash, run.bars_per_year
    )
    return {**found, "n_orders": float(len(run.orders))}


def _trips(books: Sequence[Book], rows: Sequence[InstrumentResult]) -> tuple[RoundTrip, ...]:
    """Put the trades of all instruments on the clock, in order of their ends."""
    trips = (
        _on_clock(trip, book)
        for book, row in zip(books, rows, strict=True)
        for trip in row.round_trips
    )
    return tuple(sorted(trips, key=lambda trip: (trip.exit_at, trip.symbol)))


def _booked(books: Sequence[Book]) -> list[tuple[Fill, int, str]]:
    """Put all fills on the clock, in order, each with its signal's tick and the rule that spoke."""
    booked = (
        (replace(fill, bar=int(book.ticks[fill.bar])), int(book.ticks[signal]), reason)
        for book in books
        for fill, signal, reason in zip(
            book.blotter.fills, book.blotter.signal_bars, book.blotter.reasons, strict=True
        )
    )
    return sorted(booked, key=lambda item: (item[0].filled_at, item[0].symbol))


def _orders(books: Sequence[Book]) -> tuple[Order, ...]:
    orders = (order for book in books for order in book.blotter.orders)
    return tuple(sorted(orders, key=lambda order: (order.submitted_at, order.symbol)))


def _book_trips(book: Book) -> tuple[list[RoundTrip], list[Fill]]:
    """Return the completed trades of a book, and the fills of one that is still open."""
    return round_trips(
        book.blotter.fills,
        signal_bars=book.blotter.signal_bars,
        reasons=book.blotter.reasons,
        regime_codes=book.features.regimes.codes,
        borrow=book.blotter.borrow_at,
    )


def _row(book: Book) -> InstrumentResult:
    blotter, bars = book.blotter, book.features.bars
    trips, still_open = _book_trips(book)
    owed = blotter.borrow - math.fsum(trip.borrow for trip in trips)
    flows = math.fsum(fill.cash_flow for fill in still_open)
    return InstrumentResult(
        symbol=bars.symbol,
        first_at=int(bars.closed_at[0]),
        last_at=int(bars.closed_at[-1]),
        n_bars=len(bars),
        n_orders=len(blotter.orders),
        round_trips=tuple(trips),
        costs=cost_parts(
            blotter.fills,
            blotter.signal_bars,
            book.market,
            book.terms.costs,
            limit_orders=blotter.limit_orders,
            borrow=blotter.borrow,
        ),
        quantity=blotter.state.quantity,
        regime_codes=book.features.regimes.codes,
        open_pnl=flows + book.value - owed if still_open else 0.0,
        rested=blotter.rested,
        watched=blotter.watched,
    )


def _on_clock(trip: RoundTrip, book: Book) -> RoundTrip:
    return replace(
        trip,
        signal_bar=int(book.ticks[trip.signal_bar]),
        entry_bar=int(book.ticks[trip.entry_bar]),
        exit_bar=int(book.ticks[trip.exit_bar]),
    )


def _total(rows: Sequence[InstrumentResult], financing: float) -> CostParts:
    names = ("commission", "preset", "spread", "slippage", "impact", "borrow", "notional")
    sums = {name: math.fsum(getattr(row.costs, name) for row in rows) for name in names}
    return CostParts(**sums, financing=financing)
