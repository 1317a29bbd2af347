"""One compiled loop over a shared account of strategies that are tables, for its equity and counts.

INPUT    the books of an account, prepared and fresh; the ticks of its clock
OUTPUT   equity at every tick, counts of trades; no orders, no fills
LOOKBACK each strategy's own

The events of a tick are those of `shared_account`, which stays the reference: it writes orders,
fills and decisions down and knows every kind of cost. This loop is for running an account again
many times. Sums are taken in order of the books instead of exactly, so equity agrees but for
rounding, not to the last bit. With a quantity step that rounding may, where a size falls on a step,
buy one step more or less, and equity then differs by what that step earns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from marketdata.types import FloatArray, IntArray
from trading.engine.account_kernels import account_nb
from trading.engine.allocation import AllocationRule
from trading.engine.backtest import Curve, has_plain_table
from trading.engine.breaker import BreakerConfig, config_vector, state_vector
from trading.engine.costs import commission_rates
from trading.engine.market import days_between
from trading.engine.schedule import withheld_rows
from trading.engine.shared_account import Book, SharedAccount
from trading.engine.simulation import sizing_terms, start_memory
from trading.engine.strategies.tables import breaker_limits, table_of

# Of a book without a breaker; never read.
NO_LIMITS = config_vector(BreakerConfig())


def runs_compiled(account: SharedAccount) -> bool:
    """Tell whether the loop can run an account: tables that only buy, costs by notional.

    Parameters
    ----------
    account : SharedAccount
        With prepared books.

    Returns
    -------
    bool
        False also where decisions are to be kept, the strategies have limits of their own, or
        orders take a share of the volume, move the price by their size, or pay per unit or a least
        commission.
    """
    config = account.config
    own = replace(config, cost_model=None, commission_bps=0.0, slippage_bps=0.0, cost_preset=None)
    return all(
        has_plain_table(book.features, replace(own, cost_model=book.terms.costs))
        for book in account.books
    )


def curve_of(account: SharedAccount, clock: IntArray) -> Curve:
    """Run the account for its equity and the count of its trades.

    Parameters
    ----------
    account : SharedAccount
        One that `runs_compiled`; it is left as it is.
    clock : int64, shape (n_ticks,)
        Closes of all instruments, nanoseconds since 1970, increasing.

    Returns
    -------
    Curve
        Equity after each tick, and trades that ended and that won: those of
        `shared_account.replay` as far as said above.
    """
    books, allocation = account.books, account.allocation
    begins = np.cumsum([0, *(book.ticks.shape[0] for book in books)])
    ticks = np.concatenate([book.ticks for book in books])
    owners = np.repeat(np.arange(len(books)), np.diff(begins))
    # By tick, then by book: bars of one book follow each other in both orders.
    order = np.argsort(ticks, kind="stable")
    limits = [
        breaker_limits(book.features.params, book.features.bars, book.terms.costs) for book in books
    ]
    n_slots = allocation.slots(len(books))
    found = account_nb(
        days_between(clock),
        np.searchsorted(ticks[order], np.arange(clock.shape[0] + 1)),
        owners[order],
        order,
        begins,
        begins[:-1] + np.array([book.features.first for book in books]),
        np.concatenate([_prices(book) for book in books]),
        _ranges(books),
        np.concatenate([book.features.bars.closed_at for book in books]),
        # Tables are laid out by columns or by rows; the loop is compiled for one of them.
        np.ascontiguousarray(np.concatenate([_rows(book) for book in books])),
        np.array([book.market.fills_at_close for book in books]),
        np.array([own is not None for own in limits]),
        np.array([NO_LIMITS if own is None else own for own in limits]),
        np.array([state_vector(None) for _ in books]),
        np.array([start_memory(0.0) for _ in books]),
        np.array([_sizing(book) for book in books]),
        _shares(account, n_slots),
        allocation.gross_cap,
        n_slots,
        allocation.max_positions or len(books),
        account.config.costs.financing_rate_per_day,
        float(account.cash),
    )
    return Curve(*found)


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


def _rows(book: Book) -> FloatArray:
    features = book.features
    return withheld_rows(table_of(features).rows, features.bars, features.params)


def _ranges(books: Sequence[Book]) -> FloatArray:
    """Return opens, highs and lows of all bars; nothing where no order rests to meet them."""
    if not any(table_of(book.features).rests_protection for book in books):
        return np.empty((0, 3))
    bars = [book.features.bars for book in books]
    return np.concatenate([np.column_stack((one.open, one.high, one.low)) for one in bars])


def _sizing(book: Book) -> FloatArray:
    table = table_of(book.features)
    context = book.context
    return sizing_terms(
        table, book.terms.costs, context.quantity_step, context.allows_all_cash, context.tick_size
    )


def _shares(account: SharedAccount, n_slots: int) -> FloatArray:
    """Return each book's share of equity; NaN where it follows from the volatilities."""
    allocation, n = account.allocation, len(account.books)
    if allocation.rule is AllocationRule.FIXED_WEIGHT:
        return np.array([allocation.weights.get(book.symbol, 0.0) for book in account.books])
    if allocation.rule is AllocationRule.EQUAL_WEIGHT:
        return np.full(n, allocation.gross_cap / n_slots)
    return np.full(n, np.nan)
