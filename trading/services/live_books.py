"""The strategies' own books: their fills, and what others sold of what they hold.

A portfolio holds one position of an instrument; the books say which of its units are whose. What is
in no book is the person's own. A sale by hand takes of that first, then of what stopped strategies
have left, then of all that are at work, in proportion to what each holds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal

import structlog

from marketdata.models import Instrument
from marketdata.selectors import nanoseconds
from trading.brokers.base import BrokerFill
from trading.engine import types
from trading.engine.state import StrategyState, book_fill, book_outside_sale
from trading.engine.types import OrderSide
from trading.models import BookChange, Decision, Deployment, Fill, Portfolio, Position
from trading.selectors.portfolios import quantity_held
from trading.services.amounts import ZERO, amount_of
from trading.services.book_parts import excess_of, parts_of
from trading.services.fills import FillNews
from trading.services.live_protection import protection_keep
from trading.services.order_costs import MarketView

logger = structlog.get_logger(__name__)


def fills_book(
    *,
    portfolio: Portfolio,
    deployment: Deployment,
    news: Sequence[FillNews],
    bar: int,
    market: MarketView | None,
    now: dt.datetime,
) -> None:
    """Take fills of a strategy's own orders into its book; what rests follows what is held.

    The broker's own floats make the book the backtest's to the last bit. `bar` is the index of the
    bar they were filled on. The caller holds the portfolio's lock.
    """
    before = state = StrategyState.from_dict(deployment.state)
    for item in news:
        state = book_fill(state, _fill_of(item, item.report.quantity, item.report.commission, bar))
    _store(portfolio, deployment, before, state, news[-1].order.decision, market, now)


def books_settle(
    *,
    portfolio: Portfolio,
    instrument: Instrument,
    deployments: Sequence[Deployment],
    held: Decimal,
    market: MarketView | None,
    now: dt.datetime,
) -> int:
    """Take out of the books what others sold of them; return how many books changed.

    `deployments` are all of the portfolio on the instrument, `held` its position. Their books then
    hold no more than that together, so a second time changes nothing. The caller holds the
    portfolio's lock.
    """
    left = excess_of(deployments, held)
    if not left:
        return 0
    before = {item.pk: StrategyState.from_dict(item.state) for item in deployments}
    states = dict(before)
    for sale, part in reversed(list(_sales_behind(portfolio, instrument, left))):
        left -= part
        books = {item.pk: _units(states[item.pk]) for item in deployments}
        for deployment, units in parts_of(deployments, books, part, instrument.quantity_step):
            states[deployment.pk] = _take(deployment, states[deployment.pk], sale, units)
    if left:
        logger.error("book_exceeds_position", portfolio=portfolio.pk, units=str(left))
    changed = [item for item in deployments if states[item.pk] is not before[item.pk]]
    for item in changed:
        decision = Decision.objects.filter(deployment=item).order_by("-market_at").first()
        _store(portfolio, item, before[item.pk], states[item.pk], decision, market, now)
    return len(changed)


def books_catch_up(
    *, portfolio: Portfolio, instrument: Instrument, now: dt.datetime,
    deployments: Sequence[Deployment], positions: Sequence[Position] | None = None, bar: int = -1,
    market: MarketView | None = None,
) -> int:  # fmt: skip
    """Tell the books what happened outside of the runner since it was last here.

    Fills of their own orders first, then what others sold. Without a row that says otherwise it
    asks the database nothing: `positions` are all of the portfolio, where the caller has them.
    Returns how many books changed. The caller holds the portfolio's lock.
    """
    awaiting = [item for item in deployments if item.unbooked_fills]
    for deployment in awaiting:
        news = _news_of(deployment)
        deployment.unbooked_fills = []
        deployment.save(update_fields=["unbooked_fills", "updated_at"])
        fills_book(
            portfolio=portfolio, deployment=deployment, news=news, bar=bar, market=market, now=now
        )
    n_changed = books_settle(
        portfolio=portfolio,
        instrument=instrument,
        deployments=deployments,
        held=_held(portfolio, instrument, positions),
        market=market,
        now=now,
    )
    return len(awaiting) + n_changed


def _sales_behind(
    portfolio: Portfolio, instrument: Instrument, excess: Decimal
) -> Iterator[tuple[Fill, Decimal]]:
    """Sales by hand that took an excess, newest first, each with its part of it."""
    sales = (
        Fill.objects.filter(
            order__portfolio=portfolio,
            order__instrument=instrument,
            order__side=OrderSide.SELL,
            order__deployment__isnull=True,
        )
        .select_related("order__instrument")
        .prefetch_related("book_changes")
        .order_by("-pk")
    )
    for sale in sales.iterator(chunk_size=50):
        taken = sum((change.quantity for change in sale.book_changes.all()), ZERO)
        part = min(excess, sale.quantity - taken)
        if part > 0:
            yield sale, part
            excess -= part
        if excess <= 0:
            return


def _take(
    deployment: Deployment, state: StrategyState, sale: Fill, units: Decimal
) -> StrategyState:
    """Take units of a sale out of a book and keep the row that says so."""
    held = _units(state)
    commission = amount_of(sale.commission * units / sale.quantity)
    BookChange.objects.create(
        deployment=deployment, fill=sale, quantity=units, held_before=held, commission=commission
    )
    news = _row_news(sale)
    # All of it is all of it, whatever the float and its stored text differ by.
    quantity = state.quantity if units == held else float(units)
    return book_outside_sale(state, _fill_of(news, quantity, float(commission), bar=-1))


def _store(
    portfolio: Portfolio,
    deployment: Deployment,
    before: StrategyState,
    state: StrategyState,
    decision: Decision | None,
    market: MarketView | None,
    now: dt.datetime,
) -> None:
    """Keep a book after its position has changed; what rests for it is brought to that."""
    if before.rests_protection or state.rests_protection:
        state = protection_keep(
            portfolio=portfolio, deployment=deployment, decision=decision, state=state,
            market=market, now=now,
        )  # fmt: skip
    deployment.state = state.to_dict()
    deployment.save(update_fields=["state", "updated_at"])


def _fill_of(news: FillNews, quantity: float, commission: float, bar: int) -> types.Fill:
    return types.Fill(
        client_order_id=news.order.client_order_id,
        symbol=news.order.instrument.symbol,
        side=OrderSide(news.order.side),
        quantity=quantity,
        price=news.report.price,
        commission=commission,
        bar=bar,
        filled_at=news.report.filled_at,
    )


def _news_of(deployment: Deployment) -> list[FillNews]:
    fills = Fill.objects.filter(pk__in=deployment.unbooked_fills)
    rows = fills.select_related("order__instrument", "order__decision").order_by("pk")
    return [_row_news(fill) for fill in rows]


def _row_news(fill: Fill) -> FillNews:
    """Return a stored execution as if the broker had just told it."""
    report = BrokerFill(
        trade_id=fill.trade_id,
        quantity=float(fill.quantity),
        price=float(fill.price),
        commission=float(fill.commission),
        slippage=float(fill.slippage),
        filled_at=nanoseconds(fill.filled_at),
    )
    return FillNews(fill.order, fill, report)


def _held(
    portfolio: Portfolio, instrument: Instrument, positions: Sequence[Position] | None
) -> Decimal:
    if positions is None:
        return quantity_held(portfolio, instrument)
    known = (item.quantity for item in positions if item.instrument_id == instrument.pk)
    return next(known, ZERO)


def _units(state: StrategyState) -> Decimal:
    return amount_of(state.quantity)
