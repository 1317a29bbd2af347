"""One cash account shared by several instruments, replayed over the union of their closes.

INPUT    a book per instrument (features, market, terms), cash, an allocation
OUTPUT   equity, cash and gross position value at every tick; orders and fills in the books
LOOKBACK each strategy's own; an order decided on an instrument's bar meets its next bar

Events of one tick, for the instruments with a bar on it and in order of symbol: 1. holding costs;
2. at the open, sales, then purchases, which share what cash and the gross cap leave in proportion
to what each asked for; 3. inside the bar, stops and targets that rest; 4. the same as at the open
for what is filled at the close: nothing is bought with money that comes later in the bar; 5. every
position is marked, at its last close where it has no bar; 6. each strategy steps with its share of
the account's equity; its circuit breaker knows the correlation with what else is held.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine.allocation import Allocation, AllocationRule
from trading.engine.backtest import BacktestConfig
from trading.engine.correlation import mean_correlation
from trading.engine.costs import CostModel
from trading.engine.errors import ConfigInvalid, InsufficientBars
from trading.engine.execution import Blotter
from trading.engine.explanation import Decision
from trading.engine.market import DAY_NS, ExecutionTerms, Market, days_between, market_of
from trading.engine.own_limits import AccountView
from trading.engine.planning import StepContext
from trading.engine.state import start
from trading.engine.step import step
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import Features, Params, StrategySpec, resolve_params
from trading.engine.strategies.tables import breaker_config
from trading.engine.types import Fill, OrderIntent, OrderSide

PROGRESS_EVERY_TICKS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """One instrument of a portfolio: bars, strategy (key or spec), parameters, own costs.

    `costs` None takes those of the run's settings.
    """

    bars: Bars
    strategy: str | StrategySpec
    params: Mapping[str, object] | None = None
    costs: CostModel | None = None

    def resolved(self) -> tuple[StrategySpec, Params]:
        """Return the strategy and its checked parameters.

        Raises
        ------
        UnknownStrategy, ParameterInvalid
            For a wrong request.
        """
        spec = self.strategy
        if not isinstance(spec, StrategySpec):
            spec = strategy_get(spec)
        return spec, resolve_params(spec, self.params)


@dataclass(slots=True, eq=False)
class Book:
    """One instrument while it is replayed; `flow` is the cash it brought so far, currency."""

    features: Features
    context: StepContext
    market: Market
    terms: ExecutionTerms
    blotter: Blotter
    ticks: IntArray
    price: float = math.nan
    volatility: float = math.nan
    flow: float = 0.0

    @property
    def symbol(self) -> str:
        """Name of the instrument."""
        return self.features.bars.symbol

    @property
    def value(self) -> float:
        """Signed value of the position at the last close; 0 while flat."""
        held = self.blotter.state.quantity
        return held * self.price if held else 0.0

    @property
    def committed(self) -> float:
        """Unsigned value held, or that after the working order where it is larger."""
        held = self.blotter.state.quantity
        most = max(abs(held), abs(held + self.blotter.working_quantity))
        return most * self.price if most else 0.0


@dataclass(slots=True, eq=False)
class SharedAccount:
    """The one cash account; `books` are in order of symbol.

    `explained` names the closes whose decisions are kept, nanoseconds; None for all or none of
    them, as the settings say.
    """

    books: list[Book]
    config: BacktestConfig
    allocation: Allocation
    cash: float
    financing: float = 0.0
    day_start_equity: float = 0.0
    decisions: list[Decision] = field(default_factory=list)
    explained: frozenset[int] | None = None

    @property
    def equity(self) -> float:
        """Cash and positions at their last closes, currency."""
        return self.cash + math.fsum(book.value for book in self.books)

    @property
    def gross(self) -> float:
        """Sum of the position values without their signs, currency."""
        return math.fsum(abs(book.value) for book in self.books)


def book_of(leg: Leg, config: BacktestConfig, clock: IntArray) -> Book:
    """Open the book of one instrument.

    Parameters
    ----------
    leg : Leg
        Bars, strategy, parameters, own costs.
    config : BacktestConfig
        Settings of the account.
    clock : int64, shape (n_ticks,)
        Closes of all instruments, nanoseconds since 1970, increasing.

    Returns
    -------
    Book
        Flat, with its features computed.

    Raises
    ------
    InsufficientBars
        Without a bar behind the strategy's warm-up; the message names the instrument.
    ConfigInvalid
        If the instrument's own costs name a rate for borrowed cash: cash is the account's.
    UnknownStrategy, ParameterInvalid
        For a wrong request.
    """
    _check_financing(leg, config)
    spec, params = leg.resolved()
    warm_up = spec.warm_up(params)
    if len(leg.bars) <= warm_up:
        raise InsufficientBars(
            f"{spec.key} needs {warm_up} bars of warm-up on {leg.bars.symbol}, "
            f"found {len(leg.bars)} bars"
        )
    features = spec.prepare(leg.bars, params)
    costs = leg.costs or config.costs
    return Book(
        features=features,
        context=StepContext(
            spec=spec,
            costs=costs,
            quantity_step=config.quantity_step,
            tick_size=config.tick_size,
            explains=config.keeps_decisions,
            limits=config.limits,
            measures_book=False,
        ),
        market=market_of(leg.bars, features.regimes.codes, costs),
        terms=replace(config.terms, costs=costs),
        blotter=Blotter(start(config.cash)),
        ticks=np.searchsorted(clock, leg.bars.closed_at),
    )


def _check_financing(leg: Leg, config: BacktestConfig) -> None:
    own, charged = leg.costs, config.costs.financing_bps_per_year
    if own is not None and own.financing_bps_per_year not in (0.0, charged):
        raise ConfigInvalid(
            f"financing_bps_per_year {own.financing_bps_per_year:g} of {leg.bars.symbol} must be 0 "
            f"or the account's {charged:g}: borrowed cash is the account's"
        )


def replay(account: SharedAccount, clock: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Trade through every tick, changing the books and the account's cash.

    Parameters
    ----------
    account : SharedAccount
        With fresh books in order of symbol.
    clock : int64, shape (n_ticks,)
        Closes of all instruments, nanoseconds since 1970, increasing.

    Returns
    -------
    equity, cash, gross : float64, shape (n_ticks,)
        Currency, after each tick; gross is the sum of position values without their signs.
    """
    n_ticks = clock.shape[0]
    equity, cash, gross = np.empty(n_ticks), np.empty(n_ticks), np.empty(n_ticks)
    at_bar, days = [0] * len(account.books), days_between(clock)
    account.day_start_equity = account.equity
    for tick in range(n_ticks):
        if tick and clock[tick] // DAY_NS != clock[tick - 1] // DAY_NS:
            account.day_start_equity = float(equity[tick - 1])
        arrived = []
        for k, book in enumerate(account.books):
            i = at_bar[k]
            if i < book.ticks.shape[0] and book.ticks[i] == tick:
                arrived.append((book, i))
                at_bar[k] = i + 1
        _charge(account, arrived, float(days[tick]))
        _trade(account, arrived)
        for book, i in arrived:
            book.price = float(book.market.bars.close[i])
            book.volatility = float(book.features.regimes.volatility[i])
        equity[tick], cash[tick], gross[tick] = account.equity, account.cash, account.gross
        _decide(account, arrived, equity[tick])
        if tick % PROGRESS_EVERY_TICKS == 0:
            account.config.show(clock[: tick + 1], equity.__getitem__)
            account.config.report("Simulating", tick / n_ticks)
    return equity, cash, gross


def _charge(account: SharedAccount, arrived: list[tuple[Book, int]], days: float) -> None:
    """Charge interest and borrow for the days since the tick before, none at the first."""
    if days and account.cash < 0.0:
        charged = -account.cash * account.config.costs.financing_rate_per_day * days
        account.financing += charged
        account.cash -= charged
    for book, i in arrived:
        if book.blotter.state.quantity >= 0.0:
            continue
        # Only the account borrows cash; an instrument's own cash is a share of it.
        book.blotter.state = book.blotter.state.changed(cash=0.0)
        book.blotter.accrue(i, book.market, book.terms)
        charged = book.blotter.borrow_at.get(i, 0.0)
        account.cash -= charged
        book.flow -= charged


def _trade(account: SharedAccount, arrived: list[tuple[Book, int]]) -> None:
    """Fill what works and what rests, each at its time of the bar."""
    _meet(account, [pair for pair in arrived if not pair[0].market.fills_at_close])
    _protect(account, arrived)
    _meet(account, [pair for pair in arrived if pair[0].market.fills_at_close])


def _protect(account: SharedAccount, arrived: list[tuple[Book, int]]) -> None:
    for book, i in arrived:
        _book(account, book, book.blotter.protect(i, book.market, book.terms))


def _meet(account: SharedAccount, arrived: list[tuple[Book, int]]) -> None:
    buying = []
    for book, i in arrived:
        intent = book.blotter.intent
        if intent is None:
            continue
        if intent.side is OrderSide.BUY:
            buying.append((book, i, _asked(book, i, intent, account)))
            continue
        _book(account, book, book.blotter.meet(i, book.market, book.terms))
    if not buying:
        return
    room = account.allocation.gross_cap * account.equity - account.gross
    asked = math.fsum(need for _, _, need in buying)
    budget = max(min(account.cash, room), 0.0)
    share = min(1.0, budget / asked) if asked > 0.0 else 0.0
    for book, i, need in buying:
        _book(account, book, book.blotter.meet(i, book.market, book.terms, cash=need * share))


def _book(account: SharedAccount, book: Book, fill: Fill | None) -> None:
    if fill is not None:
        account.cash += fill.cash_flow
        book.flow += fill.cash_flow


def _asked(book: Book, i: int, intent: OrderIntent, account: SharedAccount) -> float:
    """Return the cash a purchase asks for at this bar, costs included."""
    if intent.uses_all_cash:
        return max(_share(book, account) * account.equity - book.value, 0.0)
    rules = book.market.rules(book.blotter.signal_bar, book.terms)
    worse = float(book.market.bars.exec_prices[i]) * (1.0 + rules.price_rate(intent.quantity))
    paid = intent.quantity * worse + rules.commission(intent.quantity, worse)
    # A little more, so that rounding does not take the last unit away.
    return paid * (1.0 + 1e-12)


def _share(book: Book, account: SharedAccount) -> float:
    allocation, books = account.allocation, account.books
    n_slots = allocation.slots(len(books))
    if allocation.rule is AllocationRule.FIXED_WEIGHT:
        return allocation.weights.get(book.symbol, 0.0)
    if allocation.rule is AllocationRule.EQUAL_WEIGHT:
        return allocation.gross_cap / n_slots
    inverse = [1.0 / b.volatility for b in books if b.volatility > 0.0]
    if not book.volatility > 0.0:
        return 0.0
    share = allocation.gross_cap / book.volatility / math.fsum(inverse) * len(inverse) / n_slots
    return min(share, allocation.gross_cap)


def _decide(account: SharedAccount, arrived: list[tuple[Book, int]], equity: float) -> None:
    most = account.allocation.max_positions or len(account.books)
    n_taken = sum(_is_taken(book) for book in account.books)
    for book, i in arrived:
        share, was_taken = _share(book, account), _is_taken(book)
        own = share * equity
        state = book.blotter.state.changed(cash=own - book.value, equity=own)
        context = replace(
            book.context,
            explains=_tells(account, book, i),
            correlation=_correlation(account, book, i),
            account=None if book.context.limits.is_empty else _view(account, book, equity),
            watched_equity=equity,
            own_result=book.flow + book.value,
            has_slot=was_taken or n_taken < most,
        )
        outcome = step(book.features, i, state, context)
        book.blotter.state = outcome.state
        if outcome.decision is not None:
            account.decisions.append(outcome.decision)
        book.blotter.submit(outcome.order_intent, i, outcome.target_weight)
        n_taken += _is_taken(book) - was_taken


def _tells(account: SharedAccount, book: Book, i: int) -> bool:
    if account.explained is None:
        return book.context.explains
    return int(book.features.bars.closed_at[i]) in account.explained


def _view(account: SharedAccount, book: Book, equity: float) -> AccountView:
    """Show a book the account around it, with what the others have on order by now."""
    others = math.fsum(other.committed for other in account.books if other is not book)
    held = book.blotter.state.quantity
    return AccountView(equity, others + abs(book.value), held, account.day_start_equity)


def _correlation(account: SharedAccount, book: Book, i: int) -> float:
    """Ask how much a book moves with the others held, where a breaker wants to know."""
    if breaker_config(book.features.params) is None:
        return math.nan
    others = [
        (other.features.bars, other.blotter.state.quantity)
        for other in account.books
        if other is not book
    ]
    bars = book.features.bars
    return mean_correlation(bars, book.blotter.state.quantity, others, int(bars.closed_at[i]))


def _is_taken(book: Book) -> bool:
    """Tell whether an instrument holds a slot: by a position or by an entry under way."""
    return not book.blotter.state.is_flat or book.blotter.intent is not None
