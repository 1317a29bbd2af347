"""What a portfolio is worth, holds and may still spend."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db.models import Count, F, Q, QuerySet

from elson.common.errors import NotFound
from trading.engine.types import WORKING_STATUSES
from trading.models import EquityPoint, Order, Portfolio, Position, RiskLimits
from trading.selectors.exact import ZERO, ExactSum
from trading.selectors.ledger import cash_get

if TYPE_CHECKING:
    from marketdata.models import Instrument


@dataclass(frozen=True, slots=True)
class PortfolioSummary:
    """The numbers at the top of every page; ratios are fractions of equity."""

    portfolio_id: int
    name: str
    kind: str
    currency: str
    market_at: dt.datetime | None
    opening_cash: Decimal
    cash: Decimal
    reserved_cash: Decimal
    available_cash: Decimal
    buying_power: Decimal
    positions_value: Decimal
    equity: Decimal
    day_start_equity: Decimal
    day_pnl: Decimal
    day_return: float
    total_pnl: Decimal
    total_return: float
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    commission_total: Decimal
    long_exposure: Decimal
    short_exposure: Decimal
    gross_exposure: Decimal
    net_exposure: Decimal
    gross_ratio: float
    net_ratio: float
    daily_loss_limit: Decimal
    daily_loss_left: Decimal
    daily_loss_used_ratio: float
    n_positions: int
    n_open_orders: int
    n_unpriced: int


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One holding as tables show it; `weight` is a signed fraction of equity."""

    position_id: int
    instrument_id: int
    symbol: str
    name: str
    side: str
    quantity: Decimal
    avg_entry_price: Decimal
    last_price: Decimal | None
    last_price_at: dt.datetime | None
    market_value: Decimal
    cost_basis: Decimal
    unrealized_pnl: Decimal
    unrealized_ratio: float
    realized_pnl: Decimal
    commission_total: Decimal
    weight: float
    opened_at: dt.datetime | None
    held_for: dt.timedelta | None
    strategies: tuple[str, ...]


def portfolio_list(user: Any) -> QuerySet[Portfolio]:
    """Portfolios of a user, the first one opened first; archived ones are left out."""
    return (
        Portfolio.objects.filter(user=user, is_archived=False)
        .select_related("replay__lead", "risk_limits")
        .order_by("pk")
    )


def portfolio_of(user: object) -> Portfolio | None:
    """Portfolio that pages of this user show, if there is one."""
    return portfolio_list(user).first()


def portfolio_get(user: object, pk: int | None = None) -> Portfolio:
    """Portfolio of this user, the main one without `pk`; raise NotFound for any other."""
    found = portfolio_list(user)
    portfolio = (found if pk is None else found.filter(pk=pk)).first()
    if portfolio is None:
        raise NotFound("portfolio", "of yours" if pk is None else pk)
    return portfolio


def portfolio_by_pk(pk: int) -> Portfolio | None:
    """Any portfolio by id, for commands and staff."""
    return Portfolio.objects.select_related("replay__lead", "risk_limits").filter(pk=pk).first()


def market_time(portfolio: Portfolio) -> dt.datetime | None:
    """Market time the owner sees: the replay's cursor, else the last bar the runner finished."""
    return portfolio.replay.cursor_at if portfolio.replay else portfolio.processed_at


def quantity_held(portfolio: Portfolio, instrument: Instrument) -> Decimal:
    """Return the units of an instrument in a portfolio; 0 where there never were any."""
    positions = Position.objects.filter(portfolio=portfolio, instrument=instrument)
    quantity = positions.values_list("quantity", flat=True).first()
    return ZERO if quantity is None else quantity


def positions_ever(portfolio: Portfolio) -> list[Position]:
    """Return holdings and those gone flat, with their instrument, by symbol."""
    return list(
        Position.objects.filter(portfolio=portfolio)
        .select_related("instrument")
        .order_by("instrument__symbol")
    )


def positions_open(portfolio: Portfolio) -> list[Position]:
    """Return holdings that are not flat, with their instrument, by symbol."""
    return [position for position in positions_ever(portfolio) if position.quantity]


def mark_of(position: Position) -> Decimal:
    """Price a holding is valued at: the last close seen, else what was paid."""
    return position.last_price if position.last_price is not None else position.avg_entry_price


def reserved_cash(portfolio: Portfolio) -> Decimal:
    """Cash set aside for working orders."""
    return _working(portfolio)[0]


def _working(portfolio: Portfolio) -> tuple[Decimal, int]:
    """Cash set aside for working orders, and how many there are but those that rest.

    What rests for a strategy's position must not use up the number a person may have.
    """
    found = Order.objects.filter(portfolio=portfolio, status__in=WORKING_STATUSES).aggregate(
        total=ExactSum("reserved_cash"), n_orders=Count("pk", filter=Q(protection=""))
    )
    return found["total"] or ZERO, found["n_orders"]


def day_start_equity(portfolio: Portfolio, market_at: dt.datetime | None) -> Decimal:
    """Equity at the last close before the market day (UTC) of `market_at`."""
    if market_at is None:
        return portfolio.opening_cash
    midnight = market_at.replace(hour=0, minute=0, second=0, microsecond=0)
    point = (
        EquityPoint.objects.filter(portfolio=portfolio, market_at__lt=midnight)
        .order_by("-market_at")
        .values_list("equity", flat=True)
        .first()
    )
    return portfolio.opening_cash if point is None else point


def portfolio_value(
    portfolio: Portfolio, *, positions: list[Position] | None = None
) -> PortfolioSummary:
    """Value a portfolio at the marks of its positions; a handful of queries, nothing cached.

    `positions` are those of `positions_ever` where the caller holds the lock and has them at hand.
    Long because each figure of the summary is a line.
    """
    every = positions_ever(portfolio) if positions is None else positions
    held = [position for position in every if position.quantity]
    values = [position.quantity * mark_of(position) for position in held]
    long_exposure = sum((value for value in values if value > 0), ZERO)
    short_exposure = -sum((value for value in values if value < 0), ZERO)
    cash = cash_get(portfolio)
    reserved, n_open_orders = _working(portfolio)
    equity = cash + long_exposure - short_exposure
    market_at = portfolio.processed_at
    day_start = day_start_equity(portfolio, market_at)
    limit = _daily_loss_limit(portfolio, day_start)
    lost = max(day_start - equity, ZERO)
    return PortfolioSummary(
        portfolio_id=portfolio.pk,
        name=portfolio.name,
        kind=portfolio.kind,
        currency=portfolio.currency,
        market_at=market_at,
        opening_cash=portfolio.opening_cash,
        cash=cash,
        reserved_cash=reserved,
        available_cash=cash - reserved,
        buying_power=buying_power(cash, reserved, short_exposure),
        positions_value=long_exposure - short_exposure,
        equity=equity,
        day_start_equity=day_start,
        day_pnl=equity - day_start,
        day_return=ratio(equity - day_start, day_start),
        total_pnl=equity - portfolio.opening_cash,
        total_return=ratio(equity - portfolio.opening_cash, portfolio.opening_cash),
        realized_pnl=sum((position.realized_pnl for position in every), ZERO),
        unrealized_pnl=sum(
            (value - item.cost_basis for value, item in zip(values, held, strict=True)), ZERO
        ),
        commission_total=sum((position.commission_total for position in every), ZERO),
        long_exposure=long_exposure,
        short_exposure=short_exposure,
        gross_exposure=long_exposure + short_exposure,
        net_exposure=long_exposure - short_exposure,
        gross_ratio=ratio(long_exposure + short_exposure, equity),
        net_ratio=ratio(long_exposure - short_exposure, equity),
        daily_loss_limit=limit,
        daily_loss_left=max(limit - lost, ZERO),
        daily_loss_used_ratio=min(ratio(lost, limit), 1.0),
        n_positions=len(held),
        n_open_orders=n_open_orders,
        n_unpriced=sum(position.last_price is None for position in held),
    )


def buying_power(cash: Decimal, reserved: Decimal, short_exposure: Decimal) -> Decimal:
    """Return what may still be bought without borrowing: equity less gross exposure less reserves.

    Proceeds of a short sale lie in cash but secure it, and as much again is kept aside, so each
    unit of short value takes two off cash; for a long-only portfolio it is the free cash.
    """
    return max(cash - reserved - 2 * short_exposure, ZERO)


def position_rows(portfolio: Portfolio) -> list[PositionRow]:
    """Open holdings, the largest by value first."""
    held = positions_open(portfolio)
    cash = cash_get(portfolio)
    equity = cash + sum((item.quantity * mark_of(item) for item in held), ZERO)
    owners = _strategies_by_instrument(portfolio)
    market_at = portfolio.processed_at
    rows = [
        _position_row(item, equity, market_at, owners.get(item.instrument_id, ())) for item in held
    ]
    return sorted(rows, key=lambda row: -abs(row.market_value))


def position_row(portfolio: Portfolio, instrument: object) -> PositionRow | None:
    """Return the holding of one instrument, None when flat."""
    symbol = getattr(instrument, "symbol", instrument)
    return next((row for row in position_rows(portfolio) if row.symbol == symbol), None)


def ratio(part: Decimal, whole: Decimal) -> float:
    """Fraction as a float; 0 of nothing."""
    return float(part / whole) if whole else 0.0


def limits_get(portfolio: Portfolio) -> RiskLimits:
    """Risk limits of a portfolio; the defaults where none were stored."""
    try:
        return portfolio.risk_limits
    except RiskLimits.DoesNotExist:
        return RiskLimits(portfolio=portfolio)


def account_limits(user: object) -> RiskLimits:
    """Risk limits of the portfolio pages of this user show; the defaults without one."""
    portfolio = portfolio_of(user)
    return limits_get(portfolio) if portfolio else RiskLimits()


def portfolios_behind() -> QuerySet[Portfolio]:
    """Portfolios whose replay shows bars the runner has not worked through yet."""
    return (
        Portfolio.objects.filter(is_archived=False, replay__isnull=False)
        .filter(Q(processed_at__isnull=True) | Q(replay__cursor_at__gt=F("processed_at")))
        .select_related("replay")
        .order_by("pk")
    )


def _daily_loss_limit(portfolio: Portfolio, day_start: Decimal) -> Decimal:
    return (day_start * Decimal(repr(limits_get(portfolio).max_daily_loss_ratio))).quantize(
        Decimal("0.01")
    )


def _position_row(
    position: Position, equity: Decimal, market_at: dt.datetime | None, strategies: tuple[str, ...]
) -> PositionRow:
    value = position.quantity * mark_of(position)
    gain = value - position.cost_basis
    opened = position.opened_at
    return PositionRow(
        position_id=position.pk,
        instrument_id=position.instrument_id,
        symbol=position.instrument.symbol,
        name=position.instrument.name,
        side="LONG" if position.quantity > 0 else "SHORT",
        quantity=position.quantity,
        avg_entry_price=position.avg_entry_price,
        last_price=position.last_price,
        last_price_at=position.last_price_at,
        market_value=value,
        cost_basis=position.cost_basis,
        unrealized_pnl=gain,
        unrealized_ratio=ratio(gain, abs(position.cost_basis)),
        realized_pnl=position.realized_pnl,
        commission_total=position.commission_total,
        weight=ratio(value, equity),
        opened_at=opened,
        held_for=market_at - opened if market_at and opened else None,
        strategies=strategies,
    )


def _strategies_by_instrument(portfolio: Portfolio) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    pairs = portfolio.deployments.exclude(status="STOPPED").values_list(
        "instrument_id", "version__strategy__name"
    )
    for instrument_id, name in pairs.order_by("pk"):
        found[instrument_id] = (*found.get(instrument_id, ()), name)
    return found
