"""Moving portfolios along their replayed market: fills, marks, decisions, equity, bar by bar.

Every bar of a portfolio is one transaction under its row lock. `Portfolio.processed_at` moves in
the same transaction, so a bar is worked through once, whoever crashes or runs twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from marketdata.models import BarSeries, ReplaySession
from marketdata.selectors import series_bars, series_map
from marketdata.types import Bars
from trading.models import Deployment, Order, Portfolio, Position
from trading.selectors.portfolios import positions_ever, quantity_held
from trading.services.amounts import amount_of
from trading.services.fills import FillNews, orders_match
from trading.services.live_bars import InstrumentBar, bars_by_time, next_close
from trading.services.live_books import books_catch_up, books_settle, fills_book
from trading.services.live_decisions import decide_all
from trading.services.live_equity import equity_write
from trading.services.live_protection import protection_match
from trading.services.order_costs import MarketView
from trading.services.orders import WORKING
from trading.services.portfolios import portfolio_lock


@dataclass(frozen=True, slots=True)
class Advance:
    """How far one call came."""

    n_bars: int
    n_fills: int
    n_decisions: int
    processed_at: dt.datetime | None


@dataclass(slots=True, eq=False)
class _Step:
    """One step of the lead's calendar: read once, kept true while it is worked through.

    `moments` are the bars by close time; `working` the instruments with an order at work;
    `positions` all of the portfolio; `lead` the lead's bars up to the step.
    """

    bar_at: dt.datetime
    moments: list[list[InstrumentBar]]
    deployments: list[Deployment]
    working: set[int]
    positions: list[Position]
    lead: Bars | None


def portfolio_advance(
    *,
    portfolio_id: int,
    until: dt.datetime,
    now: dt.datetime,
    max_bars: int | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Advance:
    """Work through every bar of the lead's calendar after `processed_at` up to `until`.

    One transaction a bar; stops early after `max_bars` or when `is_stopping()` says so.
    """
    n_bars = n_fills = n_decisions = 0
    processed_at: dt.datetime | None = None
    while (max_bars is None or n_bars < max_bars) and not is_stopping():
        done = _bar_advance(portfolio_id, until, now)
        if done is None:
            break
        n_bars += 1
        n_fills += done.n_fills
        n_decisions += done.n_decisions
        processed_at = done.processed_at
        if processed_at is not None and processed_at >= until:
            break
    return Advance(n_bars, n_fills, n_decisions, processed_at)


@transaction.atomic
def _bar_advance(portfolio_id: int, until: dt.datetime, now: dt.datetime) -> Advance | None:
    """Work through the next bar: 1. fills · 2. marks · 3. decisions · 4. equity · 5. events."""
    portfolio = portfolio_lock(portfolio_id)
    if portfolio.replay is None or portfolio.is_archived:
        return None
    # The cursor is read under the lock: a restarted replay must not be overtaken by an old `until`.
    step = _step_of(portfolio, portfolio.replay, min(until, portfolio.replay.cursor_at))
    if step is None:
        return None
    # Written first: checks made on the way ask for the day's loss at this bar.
    Portfolio.objects.filter(pk=portfolio.pk).update(processed_at=step.bar_at)
    n_fills = n_decisions = 0
    for n, bars in enumerate(step.moments):
        if n:
            # What was ordered at one moment meets the bars of the next.
            step.working = _working(portfolio)
        n_filled = sum(_fill_and_mark(portfolio, bar, step, now) for bar in bars)
        if n_filled:
            step.positions = positions_ever(portfolio)
        for bar in bars:
            n_decisions += decide_all(portfolio, bar, step.deployments, step.positions, now)
        n_fills += n_filled
    equity_write(portfolio, step.bar_at, step.positions, step.lead)
    return Advance(1, n_fills, n_decisions, step.bar_at)


def _step_of(portfolio: Portfolio, replay: ReplaySession, until: dt.datetime) -> _Step | None:
    """Read what the next step needs; None where there is no bar up to `until`."""
    after = portfolio.processed_at or replay.starts_at
    if after >= until:
        return None
    deployments, working, positions = (
        _deployments(portfolio),
        _working(portfolio),
        positions_ever(portfolio),
    )
    wanted = _wanted(deployments, working, positions)
    series = series_map({*wanted, replay.lead_id}, replay.timeframe)
    lead = series.get(replay.lead_id)
    bar_at = next_close(lead, after) if lead is not None else None
    if lead is None or bar_at is None or bar_at > until:
        return None
    moments = bars_by_time((one for pk, one in series.items() if pk in wanted), after, bar_at)
    return _Step(
        bar_at, moments, deployments, working, positions, _lead_bars(lead, moments, bar_at)
    )


def _deployments(portfolio: Portfolio) -> list[Deployment]:
    """Deployments whose book may change: all that decide, and others while their orders work."""
    return list(
        Deployment.objects.filter(portfolio=portfolio)
        .select_related("version__strategy", "instrument__venue")
        .order_by("pk")
    )


def _working(portfolio: Portfolio) -> set[int]:
    """Instruments with an order at work."""
    orders = Order.objects.filter(portfolio=portfolio, status__in=WORKING)
    return set(orders.values_list("instrument_id", flat=True))


def _wanted(
    deployments: list[Deployment], working: set[int], positions: list[Position]
) -> set[int]:
    """Instruments with something to do: an order at work, a holding, a strategy that decides."""
    deciding = {item.instrument_id for item in deployments if item.decides}
    return deciding | working | {item.instrument_id for item in positions if item.quantity}


def _lead_bars(
    lead: BarSeries, moments: list[list[InstrumentBar]], bar_at: dt.datetime
) -> Bars | None:
    """Bars of the lead up to the step; those at hand, whose regimes are then classified once."""
    for bars in moments[-1:]:
        for bar in bars:
            if bar.instrument.pk == lead.instrument_id and bar.closed_at == bar_at:
                return bar.bars
    return series_bars(lead, until=bar_at)


def _fill_and_mark(portfolio: Portfolio, bar: InstrumentBar, step: _Step, now: dt.datetime) -> int:
    """Let orders meet the bar, keep the strategies' own books true, mark the holding.

    Returns how many fills there were; what others did before was told to the books, not filled.
    """
    own = [item for item in step.deployments if item.instrument_id == bar.instrument.pk]
    n_told = books_catch_up(
        portfolio=portfolio,
        instrument=bar.instrument,
        deployments=own,
        positions=step.positions,
        bar=bar.index,
        market=_market(bar, amount_of(bar.prices.open)),
        now=now,
    )
    n_filled = 0
    if n_told or bar.instrument.pk in step.working:
        # What rests is met inside a bar: after fills at its open, before fills at its close.
        turns = (_fill, _protect)
        for turn in reversed(turns) if bar.instrument.is_close_only else turns:
            n_filled += turn(portfolio, bar, own, now)
    _mark(portfolio, bar, step.positions, is_filled=bool(n_filled))
    return n_filled


def _fill(portfolio: Portfolio, bar: InstrumentBar, own: list[Deployment], now: dt.datetime) -> int:
    """Let every order but the protective ones meet the bar; sales by hand reach the books too."""
    news = orders_match(
        portfolio=portfolio,
        instrument=bar.instrument,
        bar=bar.prices,
        closed_at=bar.closed_at,
        book_cash={item.pk: float(item.state["cash"]) for item in own},
    )
    for deployment in own:
        of_it = [item for item in news if item.order.deployment_id == deployment.pk]
        _book(portfolio, deployment, of_it, bar, now)
    by_hand = [item for item in news if item.order.deployment_id is None]
    if own and by_hand:
        books_settle(
            portfolio=portfolio,
            instrument=bar.instrument,
            deployments=own,
            held=quantity_held(portfolio, bar.instrument),
            market=_market(bar, by_hand[-1].fill.price),
            now=now,
        )
    return len(news)


def _protect(
    portfolio: Portfolio, bar: InstrumentBar, own: list[Deployment], now: dt.datetime
) -> int:
    """Let what rests for the strategies' positions meet the bar."""
    n_filled = 0
    for deployment in own:
        if deployment.state.get("rests_protection"):
            news = protection_match(portfolio=portfolio, deployment=deployment, bar=bar)
            _book(portfolio, deployment, news, bar, now)
            n_filled += len(news)
    return n_filled


def _mark(
    portfolio: Portfolio, bar: InstrumentBar, positions: list[Position], *, is_filled: bool
) -> None:
    """Write the close to the position, where there is one."""
    price = amount_of(bar.prices.close)
    known = [item for item in positions if item.instrument_id == bar.instrument.pk]
    for position in known:
        position.last_price, position.last_price_at = price, bar.closed_at
    if known or is_filled:
        Position.objects.filter(portfolio=portfolio, instrument=bar.instrument).update(
            last_price=price, last_price_at=bar.closed_at
        )


def _book(
    portfolio: Portfolio,
    deployment: Deployment,
    news: list[FillNews],
    bar: InstrumentBar,
    now: dt.datetime,
) -> None:
    """Take fills of a strategy's own orders into its book."""
    if news:
        market = _market(bar, news[-1].fill.price)
        fills_book(
            portfolio=portfolio, deployment=deployment, news=news, bar=bar.index, market=market,
            now=now,
        )  # fmt: skip


def _market(bar: InstrumentBar, price: Decimal) -> MarketView:
    """Return what is known inside a bar: a fill and its price; the close comes later."""
    return MarketView(price, bar.closed_at, None, bar.closed_at)
