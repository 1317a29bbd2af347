"""One compiled loop over a shared account of strategies that are tables, for its equity alone.

INPUT    the books of an account, prepared and fresh; the ticks of its clock
OUTPUT   equity at every tick; no orders, no fills
LOOKBACK each strategy's own

The events of a tick are those of `shared_account`, which stays the reference: it writes orders,
fills and decisions down and knows every kind of cost. This loop is for running an account again
many times. Sums are taken in order of the books instead of exactly, so equity agrees to about
1e-12 of itself, not to the last bit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from marketdata.types import FloatArray, IntArray
from trading.engine.allocation import AllocationRule
from trading.engine.backtest import reads_table
from trading.engine.breaker import NS, BreakerConfig, config_vector, state_vector
from trading.engine.breaker_kernels import breaker_next_nb
from trading.engine.correlation import WINDOW_RETURNS, pair_correlation_nb
from trading.engine.costs import commission_rates
from trading.engine.kernels import kernel
from trading.engine.positions import (
    DELTA,
    HELD,
    QUANTITY_STEP,
    TAKES_ALL,
    Decided,
    aged_nb,
    book_nb,
    decided_nb,
    fill_nb,
    pending_of_nb,
    position_of_nb,
    remember_nb,
    sizing_of_nb,
)
from trading.engine.rules import (
    COST_RATE,
    DIP_WEIGHT,
    HOLDING_LIMIT,
    SIGNALS,
    STOP_DISTANCE,
    TARGET_DISTANCE,
    TRAIL_DISTANCE,
    TREND_WEIGHT,
    Row,
)
from trading.engine.shared_account import Book, SharedAccount
from trading.engine.simulation import sizing_terms, start_memory
from trading.engine.strategies.tables import breaker_config, table_of

BoolArray = NDArray[np.bool_]
# Columns of the prices of all bars.
EXEC_PRICE, CLOSE, VOLATILITY, PERCENTILE, COMMISSION, SLIPPAGE = 0, 1, 2, 3, 4, 5
# Columns of what is known of each book between two of its bars.
PRICE, RISK = 0, 1


def runs_compiled(account: SharedAccount) -> bool:
    """Tell whether the loop can run an account: tables that only buy, costs by notional.

    Parameters
    ----------
    account : SharedAccount
        With prepared books.

    Returns
    -------
    bool
        False also where decisions are to be kept, borrowed cash costs interest, or stops rest.
    """
    config = account.config
    if config.costs.financing_bps_per_year:
        return False
    own = replace(config, cost_model=None, commission_bps=0.0, slippage_bps=0.0, cost_preset=None)
    return all(
        reads_table(book.features, replace(own, cost_model=book.terms.costs))
        and not table_of(book.features).rests_protection
        and not (table_of(book.features).rows[:, [TREND_WEIGHT, DIP_WEIGHT]] < 0.0).any()
        for book in account.books
    )


def equity_of(account: SharedAccount, clock: IntArray) -> FloatArray:
    """Run the account for its equity alone.

    Parameters
    ----------
    account : SharedAccount
        One that `runs_compiled`; it is left as it is.
    clock : int64, shape (n_ticks,)
        Closes of all instruments, nanoseconds since 1970, increasing.

    Returns
    -------
    float64, shape (n_ticks,)
        Currency, after each tick; that of `shared_account.replay` but for rounding.
    """
    books, allocation = account.books, account.allocation
    begins = np.cumsum([0, *(book.ticks.shape[0] for book in books)])
    ticks = np.concatenate([book.ticks for book in books])
    owners = np.repeat(np.arange(len(books)), np.diff(begins))
    # By tick, then by book: bars of one book follow each other in both orders.
    order = np.argsort(ticks, kind="stable")
    configs = [breaker_config(book.features.params) for book in books]
    n_slots = min(allocation.max_positions or len(books), len(books))
    return account_nb(
        np.searchsorted(ticks[order], np.arange(clock.shape[0] + 1)),
        owners[order],
        order,
        begins,
        begins[:-1] + np.array([book.features.first for book in books]),
        np.concatenate([_prices(book) for book in books]),
        np.concatenate([book.features.bars.closed_at for book in books]),
        np.concatenate([table_of(book.features).rows for book in books]),
        np.array([config is not None for config in configs]),
        np.array(
            [
                config_vector(config or BreakerConfig(), book.terms.costs.preset)
                for config, book in zip(configs, books, strict=True)
            ]
        ),
        np.array([state_vector(None) for _ in books]),
        np.array([start_memory(0.0) for _ in books]),
        np.array([_sizing(book) for book in books]),
        _shares(account, n_slots),
        allocation.gross_cap,
        n_slots,
        allocation.max_positions or len(books),
        float(account.cash),
    )


def _prices(book: Book) -> FloatArray:
    bars, regimes = book.features.bars, book.features.regimes
    return np.column_stack(
        (
            bars.exec_prices,
            bars.close,
            regimes.volatility,
            regimes.percentile,
            commission_rates(book.terms.costs, regimes.codes),
            book.market.price_rates,
        )
    )


def _sizing(book: Book) -> FloatArray:
    table = table_of(book.features)
    return sizing_terms(table, book.terms.costs, book.context.quantity_step, True)


def _shares(account: SharedAccount, n_slots: int) -> FloatArray:
    """Return each book's share of equity; NaN where it follows from the volatilities."""
    allocation, n = account.allocation, len(account.books)
    if allocation.rule is AllocationRule.FIXED_WEIGHT:
        return np.array([allocation.weights.get(book.symbol, 0.0) for book in account.books])
    if allocation.rule is AllocationRule.EQUAL_WEIGHT:
        return np.full(n, allocation.gross_cap / n_slots)
    return np.full(n, np.nan)


@kernel
def account_nb(
    tick_begins: IntArray,
    owners: IntArray,
    bars: IntArray,
    begins: IntArray,
    first: IntArray,
    prices: FloatArray,
    closed_at: IntArray,
    rows: FloatArray,
    has_breaker: BoolArray,
    configs: FloatArray,
    breakers: FloatArray,
    memory: FloatArray,
    sizing: FloatArray,
    shares: FloatArray,
    gross_cap: float,
    n_slots: int,
    most: int,
    cash: float,
) -> FloatArray:
    """Return the account's equity after each tick.

    `owners` and `bars` name book and bar of every event in order, `tick_begins` where each tick's
    events begin. `prices`, `closed_at` and `rows` hold the bars of all books one after another,
    book k from `begins[k]` on and deciding from `first[k]` on. `breakers` and `memory` are moved on
    in place. A NaN share follows from the volatilities.
    """
    n_ticks = tick_begins.shape[0] - 1
    equity = np.empty(n_ticks)
    known = np.full((begins.shape[0] - 1, 2), np.nan)
    for tick in range(n_ticks):
        low, high = tick_begins[tick], tick_begins[tick + 1]
        cash = trade_nb(
            owners[low:high],
            bars[low:high],
            prices,
            memory,
            sizing,
            known,
            shares,
            gross_cap,
            n_slots,
            cash,
        )
        for event in range(low, high):
            known[owners[event], PRICE] = prices[bars[event], CLOSE]
            known[owners[event], RISK] = prices[bars[event], VOLATILITY]
        equity[tick] = cash + held_nb(memory, known)
        n_taken = 0
        for k in range(known.shape[0]):
            n_taken += memory[k, HELD] != 0.0 or memory[k, DELTA] != 0.0
        for event in range(low, high):
            k, j = owners[event], bars[event]
            own = share_nb(shares, known, k, gross_cap, n_slots) * equity[tick]
            factor = 1.0
            if has_breaker[k] and j >= first[k]:
                factor = breaker_next_nb(
                    breakers[k],
                    configs[k],
                    closed_at[j] / NS,
                    equity[tick],
                    memory[k, HELD],
                    prices[j, VOLATILITY],
                    prices[j, PERCENTILE],
                    correlation_nb(memory, begins, closed_at, prices, k, closed_at[j]),
                )
            is_full = n_taken >= most
            n_taken += decide_nb(
                memory[k], sizing[k], prices, rows, j, j >= first[k], own, factor, is_full
            )
    return equity


@kernel
def decide_nb(
    memory: FloatArray,
    sizing: FloatArray,
    prices: FloatArray,
    rows: FloatArray,
    j: int,
    is_ready: bool,
    own: float,
    factor: float,
    is_full: bool,
) -> int:
    """Decide for one book at the close of bar `j`; return how many more positions are taken.

    `own` is the book's share of the account's equity; a full account opens nothing more.
    """
    held = memory[HELD]
    position = aged_nb(position_of_nb(memory))
    pending = pending_of_nb(memory)
    decided = Decided(0.0, 0, False)
    if is_ready:
        row = Row(
            rows[j, SIGNALS],
            rows[j, TREND_WEIGHT],
            rows[j, DIP_WEIGHT],
            rows[j, HOLDING_LIMIT],
            rows[j, STOP_DISTANCE],
            rows[j, TARGET_DISTANCE],
            rows[j, TRAIL_DISTANCE],
            rows[j, COST_RATE],
        )
        close, rate = prices[j, CLOSE], prices[j, COMMISSION]
        position, pending, decided = decided_nb(
            position,
            pending,
            row,
            sizing_of_nb(sizing, False),
            own - held * close,
            held,
            close,
            rate,
            factor,
        )
    is_entry = held == 0.0 and decided.delta != 0.0
    if is_entry and is_full:
        decided = Decided(0.0, decided.reason, False)
    remember_nb(memory, position, pending, decided)
    return int(is_entry and not is_full)


@kernel
def trade_nb(
    owners: IntArray,
    bars: IntArray,
    prices: FloatArray,
    memory: FloatArray,
    sizing: FloatArray,
    known: FloatArray,
    shares: FloatArray,
    gross_cap: float,
    n_slots: int,
    cash: float,
) -> float:
    """Fill the orders of one tick and return cash; purchases share what the sales leave."""
    needs = np.zeros(owners.shape[0])
    for event in range(owners.shape[0]):
        k, j = owners[event], bars[event]
        delta = memory[k, DELTA]
        if delta < 0.0:
            cash += filled_nb(memory[k], prices, j, 0.0, sizing[k, QUANTITY_STEP])
        elif delta > 0.0:
            if memory[k, TAKES_ALL] != 0.0:
                value = memory[k, HELD] * known[k, PRICE] if memory[k, HELD] != 0.0 else 0.0
                equity = cash + held_nb(memory, known)
                share = share_nb(shares, known, k, gross_cap, n_slots)
                needs[event] = max(share * equity - value, 0.0)
            else:
                worse = prices[j, EXEC_PRICE] * (1.0 + prices[j - 1, SLIPPAGE])
                paid = delta * worse + delta * worse * prices[j - 1, COMMISSION]
                needs[event] = paid * (1.0 + 1e-12)
    asked = needs.sum()
    if asked > 0.0:
        gross = held_nb(memory, known)
        budget = max(min(cash, gross_cap * (cash + gross) - gross), 0.0)
        granted = min(1.0, budget / asked)
        for event in range(owners.shape[0]):
            k = owners[event]
            if memory[k, DELTA] > 0.0:
                paying = needs[event] * granted
                cash += filled_nb(memory[k], prices, bars[event], paying, sizing[k, QUANTITY_STEP])
    return cash


@kernel
def filled_nb(
    memory: FloatArray, prices: FloatArray, j: int, paying: float, quantity_step: float
) -> float:
    """Fill one book's order, a purchase for at most `paying`; return the cash it moves."""
    quantity, price, fee = fill_nb(
        memory[DELTA],
        paying,
        prices[j, EXEC_PRICE],
        prices[j - 1, COMMISSION],
        prices[j - 1, SLIPPAGE],
        quantity_step,
        memory[TAKES_ALL] != 0.0,
    )
    memory[DELTA] = 0.0
    if quantity == 0.0:
        return 0.0
    book_nb(memory, quantity, price, fee, False)
    return -quantity * price - fee


@kernel
def held_nb(memory: FloatArray, known: FloatArray) -> float:
    """Value all positions at their last closes; nothing here is ever short."""
    total = 0.0
    for k in range(known.shape[0]):
        if memory[k, HELD] != 0.0:
            total += memory[k, HELD] * known[k, PRICE]
    return total


@kernel
def share_nb(
    shares: FloatArray, known: FloatArray, k: int, gross_cap: float, n_slots: int
) -> float:
    """Return a book's share of equity; a NaN one by its volatility beside the others'."""
    if not np.isnan(shares[k]):
        return float(shares[k])
    if not known[k, RISK] > 0.0:
        return 0.0
    total = 0.0
    n = 0
    for other in range(known.shape[0]):
        if known[other, RISK] > 0.0:
            total += 1.0 / known[other, RISK]
            n += 1
    return float(min(gross_cap / known[k, RISK] / total * n / n_slots, gross_cap))


@kernel
def correlation_nb(
    memory: FloatArray,
    begins: IntArray,
    closed_at: IntArray,
    prices: FloatArray,
    k: int,
    now: int,
) -> float:
    """Average a book's correlations with the others held; see `correlation.mean_correlation`."""
    total = 0.0
    n = 0
    own_at, own = closed_at[begins[k] : begins[k + 1]], prices[begins[k] : begins[k + 1], CLOSE]
    for other in range(memory.shape[0]):
        if other == k or memory[other, HELD] == 0.0:
            continue
        low, high = begins[other], begins[other + 1]
        pair = pair_correlation_nb(
            own_at, own, closed_at[low:high], prices[low:high, CLOSE], now, WINDOW_RETURNS
        )
        if not np.isnan(pair):
            total += pair
            n += 1
    return total / n if n else np.nan
