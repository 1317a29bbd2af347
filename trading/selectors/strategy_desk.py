"""What one strategy holds, has ordered, and what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from trading.engine.types import WORKING_STATUSES
from trading.models import Deployment, DeploymentEvent, Order, Position, Strategy
from trading.selectors.orders import orders_of_status

N_ORDERS = 20
N_EVENTS = 10
EVENT_KINDS = list(DeploymentEvent.Kind.values)


@dataclass(frozen=True, slots=True)
class HeldRow:
    """Units of one of its own books, at the last price of the portfolio's position.

    `is_left` says that the strategy was stopped and left them to its owner.
    """

    symbol: str
    tick_size: Decimal
    currency: str
    quantity: float
    avg_entry_price: float
    last_price: float | None
    is_left: bool

    @property
    def value(self) -> float | None:
        """Worth at the last price, currency."""
        return None if self.last_price is None else self.quantity * self.last_price

    @property
    def unrealized(self) -> float | None:
        """Gain or loss against the average entry price, currency."""
        if self.last_price is None:
            return None
        return self.quantity * (self.last_price - self.avg_entry_price)

    @property
    def unrealized_ratio(self) -> float | None:
        """The same as a share of what was paid."""
        if self.last_price is None or not self.avg_entry_price:
            return None
        sign = 1.0 if self.quantity > 0.0 else -1.0
        return sign * (self.last_price / self.avg_entry_price - 1.0)


@dataclass(frozen=True, slots=True)
class StrategyDesk:
    """Positions, orders at work (what rests for a position last), the newest orders of all."""

    held: list[HeldRow]
    working: list[Order]
    latest: list[Order]
    n_orders: int


def strategy_desk(strategy: Strategy) -> StrategyDesk:
    """Read what a strategy holds and has ordered, in all of its deployments."""
    orders = strategy_orders(strategy)
    working = orders.filter(status__in=[str(status) for status in WORKING_STATUSES])
    latest = list(orders[:N_ORDERS])
    return StrategyDesk(
        held=_held(strategy),
        working=sorted(working, key=lambda order: (bool(order.protection), order.protection)),
        latest=latest,
        n_orders=len(latest) if len(latest) < N_ORDERS else orders.count(),
    )


def strategy_orders(strategy: Strategy | None, *, status: str = "") -> QuerySet[Order]:
    """Every order of a strategy, of one choice of ORDER_FILTERS or all, newest first."""
    orders = orders_of_status(Order.objects.filter(deployment__version__strategy=strategy), status)
    related = ("instrument", "decision", "deployment__version")
    return orders.select_related(*related).order_by("-market_at", "-pk")


def strategy_events(strategy: Strategy) -> list[DeploymentEvent]:
    """Return the newest of what was done to a strategy's deployments, newest first."""
    return list(event_list(strategy=strategy)[:N_EVENTS])


def event_list(
    *, strategy: Strategy | None = None, deployment: Deployment | None = None, kind: str = ""
) -> QuerySet[DeploymentEvent]:
    """Return what was done to a deployment, else to a strategy's, of one kind or all; newest first.

    Nothing without either.
    """
    whose = (
        {"deployment": deployment} if deployment else {"deployment__version__strategy": strategy}
    )
    events = DeploymentEvent.objects.filter(**whose, **({"kind": kind} if kind else {}))
    return events.select_related("deployment__version", "deployment__instrument").order_by("-pk")


def _held(strategy: Strategy) -> list[HeldRow]:
    deployments = list(
        Deployment.objects.filter(version__strategy=strategy, portfolio__is_archived=False)
        .select_related("instrument")
        .order_by("pk")
    )
    holding = [item for item in deployments if item.state.get("quantity")]
    if not holding:
        return []
    prices = {
        (row.portfolio_id, row.instrument_id): row.last_price
        for row in Position.objects.filter(
            portfolio__in={item.portfolio_id for item in holding},
            instrument__in={item.instrument_id for item in holding},
        )
    }
    return [
        _held_row(item, prices.get((item.portfolio_id, item.instrument_id))) for item in holding
    ]


def _held_row(deployment: Deployment, price: Decimal | None) -> HeldRow:
    state = deployment.state
    return HeldRow(
        symbol=deployment.instrument.symbol,
        tick_size=deployment.instrument.tick_size,
        currency=deployment.instrument.currency,
        quantity=float(state["quantity"]),
        avg_entry_price=float(state.get("avg_entry_price", 0.0)),
        last_price=None if price is None else float(price),
        is_left=deployment.status == Deployment.Status.STOPPED,
    )
