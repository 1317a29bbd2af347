"""The own book of a strategy at work: its equity bar by bar, beside its own backtest."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from marketdata.selectors import NoBars, bars_get, nanoseconds, series_bars, series_map
from marketdata.types import Bars, FloatArray, IntArray
from trading.engine import metrics
from trading.engine.breaker import BreakerState, breaker_sentence
from trading.engine.types import OrderSide
from trading.models import BookChange, Decision, Deployment, Fill, Portfolio
from trading.selectors.backtests import backtest_newest
from trading.selectors.strategies import DeploymentRow, deployment_list

ORDERS: dict[str, Callable[[DeploymentRow, Book], Any]] = {
    "name": lambda row, _: row.name.lower(),
    "state": lambda row, _: row.status,
    "symbol": lambda row, _: row.symbol,
    "result": lambda row, _: row.pnl,
    "exposure": lambda _, book: book.exposure,
    "month": lambda _, book: book.return_month,
    "drawdown": lambda _, book: book.max_drawdown,
    "decision": lambda row, _: row.decision_at,
}
MONTH = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Book:
    """Equity at each close since the start, in the quote currency; drawdown <= 0.

    `exposure` is what is held over equity, a fraction; `return_month` is of the last 30 days of
    market time, None while the book is younger.
    """

    closed_at: IntArray
    equity: FloatArray
    total_return: float | None
    return_month: float | None
    max_drawdown: float | None
    n_fills: int
    exposure: float | None


@dataclass(frozen=True, slots=True)
class _Move:
    """One change of a book: when (nanoseconds UTC), signed units, price, commission."""

    at: int
    quantity: float
    price: float
    commission: float


@dataclass(frozen=True, slots=True)
class BreakerNow:
    """The circuit breaker of a deployment in words; `tone` colors its level."""

    level: str
    sentence: str
    n_trips: int
    tone: str


@dataclass(frozen=True, slots=True)
class OwnBacktest:
    """Newest finished backtest of the same rule on the same instrument, out of sample if it was."""

    backtest_id: int
    span: str
    figures: dict[str, Any]
    is_same: bool


def book_of(deployment: Deployment, *, until: dt.datetime | None) -> Book:
    """Replay the fills of a deployment, and what others sold of it, over the closes to be seen."""
    return _books([deployment], until=until)[deployment.pk]


def books_of(
    portfolio: Portfolio, rows: Sequence[DeploymentRow], *, order: str = ""
) -> list[tuple[DeploymentRow, Book]]:
    """Put its own book beside each strategy, in the order the key says; `-` turns it around.

    What has no value comes last either way.
    """
    until = portfolio.replay.cursor_at if portfolio.replay else None
    found = deployment_list(portfolio).filter(pk__in=[row.deployment_id for row in rows])
    books = _books(list(found), until=until)
    pairs = [(row, books[row.deployment_id]) for row in rows]
    key = ORDERS.get(order.lstrip("-"))
    if key is None:
        return pairs
    known = [pair for pair in pairs if key(*pair) is not None]
    unknown = [pair for pair in pairs if key(*pair) is None]
    return sorted(known, key=lambda pair: key(*pair), reverse=order.startswith("-")) + unknown


def breaker_now(deployment: Deployment) -> BreakerNow | None:
    """Level and reason of the circuit breaker; None where it is off or has seen no bar."""
    stored = deployment.state.get("breaker")
    if not stored:
        return None
    state = BreakerState.from_dict(stored)
    tones = ("ok", "info", "warn", "crit")
    words = breaker_sentence(state, int(deployment.state.get("last_bar_at", 0)))
    return BreakerNow(state.name, words, state.n_trips, tones[state.level])


def own_backtest(deployment: Deployment) -> OwnBacktest | None:
    """Find what the rule's newest backtest on this instrument promised; None without one.

    One of exactly these parameters comes before a newer one of others.
    """
    parameters = deployment.version.parameters
    run = backtest_newest(
        user_id=deployment.portfolio.user_id,
        strategy_key=deployment.version.strategy.key,
        instrument=deployment.instrument,
        parameters=parameters,
    )
    if run is None:
        return None
    found, is_same = run.result.metrics, run.parameters == parameters
    if found.get("out_of_sample"):
        return OwnBacktest(run.pk, "out of sample", found["out_of_sample"], is_same)
    return OwnBacktest(run.pk, "whole span", found.get("all") or {}, is_same)


def outcome_of(decision: Decision, *, until: dt.datetime | None) -> tuple[int, float] | None:
    """Bars since a decision and the change of the close; None before the next bar."""
    deployment = decision.deployment
    try:
        bars = bars_get(
            deployment.instrument, deployment.timeframe, since=decision.market_at, until=until
        )
    except NoBars:
        return None
    n_bars = len(bars) - 1
    return (n_bars, float(bars.close[-1] / bars.close[0] - 1)) if n_bars > 0 else None


def _books(deployments: Sequence[Deployment], *, until: dt.datetime | None) -> dict[int, Book]:
    """Books by deployment; how many there are changes nothing in how often is asked."""
    moves: dict[int, list[_Move]] = {row.pk: [] for row in deployments}
    n_fills = Counter[int]()
    for fill in Fill.objects.filter(order__deployment__in=moves).select_related("order"):
        owner = cast("int", fill.order.deployment_id)
        moves[owner].append(_move_of(fill))
        n_fills[owner] += 1
    for change in BookChange.objects.filter(deployment__in=moves).select_related("fill"):
        moves[change.deployment_id].append(_outside_move_of(change))
    stored = {
        timeframe: series_map([row.instrument_id for row in deployments], timeframe)
        for timeframe in {row.timeframe for row in deployments}
    }
    books = {}
    for row in deployments:
        series = stored[row.timeframe].get(row.instrument_id)
        bars = None
        if series is not None:
            bars = series_bars(series, since=row.starts_at, until=until or row.last_bar_at)
        books[row.pk] = _book(row, moves[row.pk], n_fills[row.pk], bars)
    return books


def _book(deployment: Deployment, moves: list[_Move], n_fills: int, bars: Bars | None) -> Book:
    if bars is None:
        empty = np.empty(0)
        return Book(empty.astype(np.int64), empty, None, None, None, n_fills, None)
    capital = float(deployment.capital)
    equity = capital + _gains(moves, bars.closed_at, bars.close)
    return Book(
        closed_at=bars.closed_at,
        equity=equity,
        total_return=float(equity[-1] / capital - 1),
        return_month=_month(bars.closed_at, equity),
        max_drawdown=metrics.max_drawdown(equity, capital),
        n_fills=n_fills,
        exposure=_exposure(deployment, float(bars.close[-1]), float(equity[-1])),
    )


def _move_of(fill: Fill) -> _Move:
    sign = 1.0 if fill.order.side == OrderSide.BUY else -1.0
    at = nanoseconds(fill.filled_at)
    return _Move(at, sign * float(fill.quantity), float(fill.price), float(fill.commission))


def _outside_move_of(change: BookChange) -> _Move:
    """Tell a sale by others that was of this book; what it brought stayed in it."""
    return _Move(
        nanoseconds(change.fill.filled_at),
        -float(change.quantity),
        float(change.fill.price),
        float(change.commission),
    )


def _gains(moves: list[_Move], closed_at: IntArray, close: FloatArray) -> FloatArray:
    """Cash paid and received plus what is held at each close."""
    cash, held = np.zeros(close.shape[0]), np.zeros(close.shape[0])
    for move in moves:
        at = int(np.searchsorted(closed_at, move.at))
        cash[at:] -= move.quantity * move.price + move.commission
        held[at:] += move.quantity
    return np.asarray(cash + held * close)


def _exposure(deployment: Deployment, close: float, equity: float) -> float | None:
    return float(deployment.state.get("quantity", 0.0)) * close / equity if equity > 0 else None


def _month(closed_at: IntArray, equity: FloatArray) -> float | None:
    start = int(closed_at[-1]) - int(MONTH.total_seconds()) * 10**9
    at = int(np.searchsorted(closed_at, start, side="right")) - 1
    return float(equity[-1] / equity[at] - 1) if at >= 0 and equity[at] > 0 else None
