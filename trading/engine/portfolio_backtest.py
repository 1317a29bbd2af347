"""Replay strategies on several instruments that share one cash account.

INPUT    bars and a strategy per instrument, a `BacktestConfig`, an `Allocation`
OUTPUT   a `PortfolioRun`: one `BacktestRun` of the account and a row per instrument
LOOKBACK each strategy's own; an order decided on an instrument's bar meets its next bar

The clock is the union of all closes. Events of one tick, for the instruments with a bar on it and
in order of symbol: 1. holding costs; 2. sales; 3. purchases, which share what cash and the gross
cap leave in proportion to what each asked for; 4. every position is marked, at its last close where
it has no bar; 5. each strategy steps with its share of the account's equity. Nothing depends on the
order in which instruments are given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import metrics
from trading.engine.backtest import BacktestConfig, BacktestRun
from trading.engine.cost_parts import CostParts, cost_parts
from trading.engine.costs import BPS, CostModel
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.execution import (
    DAY_NS,
    DAYS_PER_YEAR,
    Blotter,
    ExecutionTerms,
    Market,
    market_of,
)
from trading.engine.portfolio import round_trips
from trading.engine.state import start
from trading.engine.step import StepContext, step
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import Features, StrategySpec, resolve_params
from trading.engine.summary import regime_table, run_metrics
from trading.engine.types import OrderIntent, OrderSide, Regime, RoundTrip

PROGRESS_EVERY_TICKS = 256


class AllocationRule(StrEnum):
    """How the account's equity is divided among the instruments."""

    EQUAL_WEIGHT = "EQUAL_WEIGHT"
    EQUAL_RISK = "EQUAL_RISK"
    FIXED_WEIGHT = "FIXED_WEIGHT"


@dataclass(frozen=True, slots=True)
class Allocation:
    """The share of equity each instrument's strategy may use.

    Attributes
    ----------
    rule : AllocationRule
        EQUAL_WEIGHT: ``gross_cap`` divided by the slots. EQUAL_RISK: the same in proportion to
        1 / volatility at the close. FIXED_WEIGHT: `weights`.
    weights : mapping
        Symbol to share of equity, each >= 0, summing to at most ``gross_cap``.
    max_positions : int or None
        Positions at once, the number of slots; None for one slot per instrument. When more
        instruments want to enter than slots are free, the first by symbol do.
    gross_cap : float
        Largest sum of position values over equity when buying, in (0, 1].
    """

    rule: AllocationRule = AllocationRule.EQUAL_WEIGHT
    weights: Mapping[str, float] = field(default_factory=dict)
    max_positions: int | None = None
    gross_cap: float = 1.0

    def __post_init__(self) -> None:
        """Refuse caps and weights that cannot be meant."""
        if not 0.0 < self.gross_cap <= 1.0:
            raise ConfigInvalid(f"gross_cap {self.gross_cap} must lie in (0, 1]")
        if self.max_positions is not None and self.max_positions < 1:
            raise ConfigInvalid(f"max_positions {self.max_positions} must be at least 1")
        if any(not weight >= 0.0 for weight in self.weights.values()):
            raise ConfigInvalid(f"weights {dict(self.weights)} must not be negative")
        total = math.fsum(self.weights.values())
        if total > self.gross_cap * (1.0 + 1e-9):
            raise ConfigInvalid(f"weights sum to {total:g}, above gross_cap {self.gross_cap:g}")


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """One instrument of a portfolio: bars, strategy (key or spec), parameters, own costs.

    `costs` None takes those of the run's settings.
    """

    bars: Bars
    strategy: str | StrategySpec
    params: Mapping[str, object] | None = None
    costs: CostModel | None = None


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentResult:
    """What one instrument did within the account; trades counted in its own bars."""

    symbol: str
    first_at: int
    last_at: int
    n_bars: int
    n_orders: int
    round_trips: tuple[RoundTrip, ...]
    costs: CostParts
    quantity: float
    open_pnl: float

    @property
    def pnl(self) -> float:
        """Return the result of the completed trades after costs, currency."""
        return float(sum(trip.pnl for trip in self.round_trips))


@dataclass(frozen=True, slots=True, eq=False)
class PortfolioRun:
    """The account as one run (bars counted on the clock) and its instruments by symbol."""

    account: BacktestRun
    instruments: tuple[InstrumentResult, ...]


@dataclass(slots=True, eq=False)
class _Book:
    """One instrument while it is replayed."""

    features: Features
    context: StepContext
    market: Market
    terms: ExecutionTerms
    blotter: Blotter
    ticks: IntArray
    price: float = math.nan
    volatility: float = math.nan

    @property
    def symbol(self) -> str:
        return self.features.bars.symbol

    @property
    def value(self) -> float:
        """Signed value of the position at the last close; 0 while flat."""
        held = self.blotter.state.quantity
        return held * self.price if held else 0.0


@dataclass(slots=True, eq=False)
class _Account:
    """The one cash account; `books` are in order of symbol."""

    books: list[_Book]
    config: BacktestConfig
    allocation: Allocation
    cash: float
    financing: float = 0.0

    @property
    def equity(self) -> float:
        return self.cash + math.fsum(book.value for book in self.books)

    @property
    def gross(self) -> float:
        return math.fsum(abs(book.value) for book in self.books)


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
        ``cash`` is the account's; ``start_index`` and ``keeps_decisions`` are not used.
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
    >>> price = np.array([1.0, 1.0, 2.0, 4.0, 4.0, 2.0, 1.0, 1.0])
    >>> bars = [Bars(s, "1d", np.arange(8), price, price, price, price, np.zeros(8)) for s in "AB"]
    >>> legs = [Leg(b, "sma_cross", {"fast": 1, "slow": 2}) for b in bars]
    >>> found = run_portfolio(legs, BacktestConfig(cash=100.0))
    >>> found.account.final_equity, [row.symbol for row in found.instruments]
    (50.0, ['A', 'B'])
    """
    config, allocation = config or BacktestConfig(), allocation or Allocation()
    _check_symbols(legs, allocation)
    clock = np.unique(np.concatenate([leg.bars.closed_at for leg in legs]))
    books = sorted((_book(leg, config, clock) for leg in legs), key=lambda book: book.symbol)
    account = _Account(books, config, allocation, float(config.cash))
    equity, cash, gross = _replay(account, clock)
    return _result(account, clock, equity, cash, gross)


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


def _book(leg: Leg, config: BacktestConfig, clock: IntArray) -> _Book:
    spec = leg.strategy if isinstance(leg.strategy, StrategySpec) else strategy_get(leg.strategy)
    params = resolve_params(spec, leg.params)
    warm_up = spec.warm_up(params)
    if len(leg.bars) <= warm_up:
        raise InsufficientBars(
            f"{spec.key} needs {warm_up} bars of warm-up on {leg.bars.symbol}, "
            f"found {len(leg.bars)} bars"
        )
    features = spec.prepare(leg.bars, params)
    costs = leg.costs or config.costs
    return _Book(
        features=features,
        context=StepContext(spec, costs, config.quantity_step, explains=False),
        market=market_of(leg.bars, features.regimes.codes, costs),
        terms=replace(config.terms, costs=costs),
        blotter=Blotter(start(config.cash)),
        ticks=np.searchsorted(clock, leg.bars.closed_at),
    )


def _replay(account: _Account, clock: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    n_ticks = clock.shape[0]
    equity, cash, gross = np.empty(n_ticks), np.empty(n_ticks), np.empty(n_ticks)
    at_bar = [0] * len(account.books)
    for tick in range(n_ticks):
        arrived = []
        for k, book in enumerate(account.books):
            i = at_bar[k]
            if i < book.ticks.shape[0] and book.ticks[i] == tick:
                arrived.append((book, i))
                at_bar[k] = i + 1
        _charge(account, arrived, clock, tick)
        _trade(account, arrived)
        for book, i in arrived:
            book.price = float(book.market.bars.close[i])
            book.volatility = float(book.features.regimes.volatility[i])
        equity[tick], cash[tick], gross[tick] = account.equity, account.cash, account.gross
        _decide(account, arrived, equity[tick])
        if account.config.progress is not None and tick % PROGRESS_EVERY_TICKS == 0:
            account.config.progress("Simulating", tick / n_ticks)
    return equity, cash, gross


def _charge(
    account: _Account, arrived: list[tuple[_Book, int]], clock: IntArray, tick: int
) -> None:
    if tick and account.cash < 0.0:
        days = float(clock[tick] - clock[tick - 1]) / DAY_NS
        rate = account.config.costs.financing_bps_per_year * BPS / DAYS_PER_YEAR
        charged = -account.cash * rate * days
        account.financing += charged
        account.cash -= charged
    for book, i in arrived:
        if book.blotter.state.quantity >= 0.0:
            continue
        before = book.blotter.borrow
        # Only the account borrows cash; an instrument's own cash is a share of it.
        book.blotter.state = replace(book.blotter.state, cash=0.0)
        book.blotter.accrue(i, book.market, book.terms)
        account.cash -= book.blotter.borrow - before


def _trade(account: _Account, arrived: list[tuple[_Book, int]]) -> None:
    buying = []
    for book, i in arrived:
        intent = book.blotter.intent
        if intent is None:
            continue
        if intent.side is OrderSide.BUY:
            buying.append((book, i, _asked(book, i, intent, account)))
            continue
        fill = book.blotter.meet(i, book.market, book.terms)
        account.cash += fill.cash_flow if fill else 0.0
    if not buying:
        return
    room = account.allocation.gross_cap * account.equity - account.gross
    asked = math.fsum(need for _, _, need in buying)
    budget = max(min(account.cash, room), 0.0)
    share = min(1.0, budget / asked) if asked > 0.0 else 0.0
    for book, i, need in buying:
        fill = book.blotter.meet(i, book.market, book.terms, cash=need * share)
        account.cash += fill.cash_flow if fill else 0.0


def _asked(book: _Book, i: int, intent: OrderIntent, account: _Account) -> float:
    """Return the cash a purchase asks for at this bar, costs included."""
    if intent.uses_all_cash:
        return max(_share(book, account) * account.equity - book.value, 0.0)
    rules = book.market.rules(book.blotter.signal_bar, book.terms)
    worse = float(book.market.bars.exec_prices[i]) * (1.0 + rules.price_rate(intent.quantity))
    paid = intent.quantity * worse + rules.commission(intent.quantity, worse)
    # A little more, so that rounding does not take the last unit away.
    return paid * (1.0 + 1e-12)


def _share(book: _Book, account: _Account) -> float:
    allocation, books = account.allocation, account.books
    n_slots = min(allocation.max_positions or len(books), len(books))
    if allocation.rule is AllocationRule.FIXED_WEIGHT:
        return allocation.weights.get(book.symbol, 0.0)
    if allocation.rule is AllocationRule.EQUAL_WEIGHT:
        return allocation.gross_cap / n_slots
    inverse = [1.0 / b.volatility for b in books if b.volatility > 0.0]
    if not book.volatility > 0.0:
        return 0.0
    share = allocation.gross_cap / book.volatility / math.fsum(inverse) * len(inverse) / n_slots
    return min(share, allocation.gross_cap)


def _decide(account: _Account, arrived: list[tuple[_Book, int]], equity: float) -> None:
    most = account.allocation.max_positions or len(account.books)
    n_taken = sum(_is_taken(book) for book in account.books)
    for book, i in arrived:
        share, was_taken = _share(book, account), _is_taken(book)
        own = share * equity
        state = replace(book.blotter.state, cash=own - book.value, equity=own)
        outcome = step(book.features, i, state, book.context)
        book.blotter.state = outcome.state
        intent = outcome.order_intent
        if intent is not None and not was_taken and n_taken >= most:
            intent = None
        book.blotter.submit(intent, i)
        n_taken += _is_taken(book) - was_taken


def _is_taken(book: _Book) -> bool:
    """Tell whether an instrument holds a slot: by a position or by an entry under way."""
    return not book.blotter.state.is_flat or book.blotter.intent is not None


def _result(
    account: _Account, clock: IntArray, equity: FloatArray, cash: FloatArray, gross: FloatArray
) -> PortfolioRun:
    config, books = account.config, account.books
    rows = tuple(_row(book) for book in books)
    trips = sorted(
        (
            _on_clock(trip, book)
            for book, row in zip(books, rows, strict=True)
            for trip in row.round_trips
        ),
        key=lambda trip: (trip.exit_at, trip.symbol),
    )
    filled = sorted(
        (
            (replace(fill, bar=int(book.ticks[fill.bar])), int(book.ticks[signal]), reason)
            for book in books
            for fill, signal, reason in zip(
                book.blotter.fills, book.blotter.signal_bars, book.blotter.reasons, strict=True
            )
        ),
        key=lambda item: (item[0].filled_at, item[0].symbol),
    )
    fills = [fill for fill, _, _ in filled]
    orders = sorted(
        (order for book in books for order in book.blotter.orders),
        key=lambda order: (order.submitted_at, order.symbol),
    )
    returns = metrics.simple_returns(equity, start=config.cash)
    exposure = gross / equity
    bars_per_year = max(book.features.bars.bars_per_year for book in books)
    unknown = np.full(clock.shape[0], -1, dtype=np.int64)
    by_regime = _by_regime(account, trips, returns, exposure, bars_per_year)
    run = BacktestRun(
        spec=books[0].context.spec,
        params=books[0].features.params,
        config=config,
        symbol=" + ".join(book.symbol for book in books),
        first_bar=0,
        bars_per_year=bars_per_year,
        orders=tuple(orders),
        fills=tuple(fills),
        signal_bars=tuple(signal for _, signal, _ in filled),
        fill_reasons=tuple(reason for _, _, reason in filled),
        round_trips=tuple(trips),
        closed_at=clock,
        equity=equity,
        cash=cash,
        quantity=np.zeros(clock.shape[0]),
        drawdown=metrics.drawdowns(equity, start=config.cash),
        exposure=exposure,
        regime_codes=unknown,
        absolute_regime_codes=unknown,
        metrics=run_metrics(equity, returns, exposure, trips, fills, config.cash, bars_per_year)
        | {"n_orders": float(len(orders))},
        by_regime=by_regime,
        by_absolute_regime={},
        costs=_total(rows, account.financing),
    )
    return PortfolioRun(run, rows)


def _row(book: _Book) -> InstrumentResult:
    blotter, bars = book.blotter, book.features.bars
    trips, still_open = round_trips(
        blotter.fills,
        signal_bars=blotter.signal_bars,
        reasons=blotter.reasons,
        regime_codes=book.features.regimes.codes,
    )
    flows = math.fsum(blotter.fills[k].cash_flow for k in still_open)
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
            borrow=blotter.borrow,
        ),
        quantity=blotter.state.quantity,
        open_pnl=flows + book.value if still_open else 0.0,
    )


def _on_clock(trip: RoundTrip, book: _Book) -> RoundTrip:
    return replace(
        trip,
        signal_bar=int(book.ticks[trip.signal_bar]),
        entry_bar=int(book.ticks[trip.entry_bar]),
        exit_bar=int(book.ticks[trip.exit_bar]),
    )


def _by_regime(
    account: _Account,
    trips: list[RoundTrip],
    returns: FloatArray,
    exposure: FloatArray,
    bars_per_year: float,
) -> dict[str, dict[str, float]]:
    """Trades by the regime of their own instrument; time is the mean share over instruments."""
    unknown = np.full(returns.shape[0], -1, dtype=np.int64)
    table = regime_table(trips, unknown, returns, exposure, bars_per_year)
    codes = [book.features.regimes.codes for book in account.books]
    for code, name in ((-1, "UNKNOWN"), *enumerate(str(regime) for regime in Regime)):
        table[name]["time_share"] = float(np.mean([np.mean(c == code) for c in codes]))
    return table


def _total(rows: Sequence[InstrumentResult], financing: float) -> CostParts:
    names = ("commission", "preset", "spread", "slippage", "impact", "borrow", "notional")
    sums = {name: math.fsum(getattr(row.costs, name) for row in rows) for name in names}
    return CostParts(**sums, financing=financing)
