"""Versions at work on a portfolio: start, pause, resume, stop."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.db import transaction

from elson.common.errors import Conflict, DomainError, Forbidden
from marketdata.models import Instrument
from trading.engine import state as engine_state
from trading.engine.types import OrderSide, OrderType, TimeInForce
from trading.models import Deployment, DeploymentEvent, Order, Portfolio, Strategy, StrategyVersion
from trading.selectors.exact import ExactSum
from trading.selectors.portfolios import market_time, portfolio_value
from trading.services.amounts import ZERO, amount_of, plain, round_to_step
from trading.services.book_parts import booked_of
from trading.services.events import deployment_recorded
from trading.services.live_books import books_catch_up
from trading.services.orders import REFUSED, WORKING, order_cancel, order_submit
from trading.services.portfolios import archived_refuse, portfolio_lock
from trading.services.pretrade import held_of
from trading.services.quotas import running_quota
from trading.services.sales import OWN_SALE, sales_fit
from trading.services.strategies import strategy_create

DEMO_KEY = "volatility_adaptive_trend"
DEMO_NAME = "Demo: Vol-Adaptive Trend"
# Half of the money is left for orders a person places.
DEMO_SHARE = Decimal("0.5")
Status = Deployment.Status
Event = DeploymentEvent


class DeploymentInvalid(DomainError):
    """The version cannot be deployed there, or with that much capital."""


class DeploymentFinal(Conflict):
    """The deployment was stopped for good."""


class DeploymentHolds(Conflict):
    """A strategy that holds a position does not wait to enter."""


class DeploymentKeyReused(Conflict):
    """The same key once started another version, instrument or capital."""


class PlanLimitReached(Forbidden):
    """The plan allows no more at once."""


@transaction.atomic
def strategy_deploy(
    *,
    key: str,
    name: str,
    parameters: Mapping[str, Any],
    limits: Mapping[str, Any],
    costs: Mapping[str, Any],
    portfolio: Portfolio,
    instrument: Instrument,
    capital: Decimal,
    client_key: str,
    now: dt.datetime,
) -> Deployment:
    """Store a strategy and put its first version to work: both or neither, once per client key.

    Raises what `strategy_create` and `deployment_start` raise.
    """
    locked = portfolio_lock(portfolio.pk)
    earlier = _started_with(locked, client_key)
    if earlier is not None:
        return earlier
    version = strategy_create(
        user=locked.user,
        key=key,
        name=name,
        parameters=parameters,
        limits=limits,
        costs=costs,
    )
    return deployment_start(
        version=version,
        portfolio=locked,
        instrument=instrument,
        capital=capital,
        client_key=client_key,
        now=now,
    )


@transaction.atomic
def deployment_start(
    *,
    version: StrategyVersion,
    portfolio: Portfolio,
    instrument: Instrument,
    capital: Decimal | None = None,
    client_key: str = "",
    now: dt.datetime,
) -> Deployment:
    """Put a version to work on one instrument from the portfolio's market time on.

    `capital` is what its own book begins with; without it, everything no other strategy has. The
    same `client_key` again answers the deployment it made the first time.
    Raises DeploymentInvalid, DeploymentKeyReused, PlanLimitReached, PortfolioArchived.
    """
    locked = portfolio_lock(portfolio.pk)
    if locked.user_id != version.strategy.user_id:
        raise DeploymentInvalid(
            "FOREIGN_STRATEGY", "the strategy and the portfolio have different owners"
        )
    earlier = _started_before(locked, version, instrument, capital, client_key)
    if earlier is not None:
        return earlier
    archived_refuse(locked)
    # The lock makes putting the strategy away wait, or be seen here.
    strategy = Strategy.objects.select_for_update().get(pk=version.strategy_id)
    if strategy.is_archived:
        raise DeploymentInvalid("STRATEGY_ARCHIVED", f"{strategy.name} was put away")
    if not instrument.is_tradable:
        raise DeploymentInvalid(
            "NOT_TRADABLE", f"{instrument.symbol} is a reference and cannot be traded",
            field="symbol",
        )  # fmt: skip
    _check_plan(locked, now)
    amount = _capital(locked, capital)
    StrategyVersion.objects.filter(pk=version.pk, is_draft=True).update(is_draft=False)
    if locked.replay is not None:
        locked.replay.instruments.add(instrument)
    started = Deployment.objects.create(
        version=version,
        portfolio=locked,
        instrument=instrument,
        timeframe=locked.replay.timeframe if locked.replay else "1d",
        capital=amount,
        client_key=client_key,
        state=engine_state.start(float(amount)).to_dict(),
        starts_at=locked.processed_at or market_time(locked) or now,
    )
    _published(started, locked, kind=Event.Kind.STARTED)
    return started


def deployment_pause(*, deployment: Deployment, note: str = "") -> Deployment:
    """Let it add nothing until resumed: no entry, no increase; what it holds stays managed.

    Its open orders that would add are canceled. Exits, stops, targets, holding limits and the
    circuit breaker go on.

    A second time answers the same. Raises DeploymentFinal.
    """
    return _move(deployment, Status.PAUSED, note)


def deployment_resume(*, deployment: Deployment, note: str = "") -> Deployment:
    """Let it enter again from the next bar on, also after an error. Raises DeploymentFinal."""
    return _move(deployment, Status.RUNNING, note)


@transaction.atomic
def deployment_enter_again(*, deployment: Deployment, now: dt.datetime) -> Deployment:
    """End the wait after its position was sold by hand: it may enter at its next close.

    A second time, or where it does not wait, it stays as it is. Raises DeploymentFinal, and
    DeploymentHolds where it holds a part of what was sold: that goes on to its end as it is.
    """
    portfolio = portfolio_lock(deployment.portfolio_id)
    current = _caught_up(portfolio, _locked(deployment), now)
    if current.status == Status.STOPPED:
        raise DeploymentFinal("DEPLOYMENT_STOPPED", "a stopped strategy enters nothing")
    if not current.is_overruled:
        return current
    state = engine_state.StrategyState.from_dict(current.state)
    if state.quantity:
        raise DeploymentHolds(
            "DEPLOYMENT_HOLDS",
            f"it still holds {state.quantity:g} {current.instrument.symbol} and adds nothing to "
            "them; the next position it opens has its full size",
        )
    current.state = state.changed(is_overruled=False).to_dict()
    current.save(update_fields=["state", "updated_at"])
    _published(current, portfolio, kind=Event.Kind.ENTER_AGAIN)
    return current


@transaction.atomic
def deployment_stop(
    *, deployment: Deployment, closes_position: bool = False, note: str = "", now: dt.datetime
) -> Deployment:
    """End it for good; leave what it holds to its owner, or sell it at the next bar.

    A second time answers the same. Raises DeploymentInvalid where the sale is refused: then it goes
    on as it was.
    """
    portfolio = portfolio_lock(deployment.portfolio_id)
    current = _locked(deployment)
    if current.status == Status.STOPPED:
        return current
    current = _caught_up(portfolio, current, now)
    _cancel_orders(current)
    current.status = Status.STOPPED
    current.save(update_fields=["status", "updated_at"])
    if closes_position:
        _close(portfolio, current, now)
    _published(current, portfolio, note=note)
    return current


@transaction.atomic
def demo_deploy(*, user: Any, portfolio: Portfolio, now: dt.datetime) -> Deployment:
    """Start the demo strategy on the lead instrument of the portfolio's replay; once per user.

    One that was put away is taken out again: a new portfolio begins with it.
    """
    if portfolio.replay is None:
        raise DeploymentInvalid("NO_REPLAY", "the demo strategy needs a portfolio in a replay")
    strategy = Strategy.objects.filter(user=user, name=DEMO_NAME).first()
    if strategy is None:
        source = StrategyVersion.Source.SHIPPED
        version = strategy_create(user=user, key=DEMO_KEY, name=DEMO_NAME, source=source)
    else:
        Strategy.objects.filter(pk=strategy.pk, is_archived=True).update(is_archived=False)
        version = StrategyVersion.objects.filter(strategy=strategy).latest("number")
    running = Deployment.objects.filter(portfolio=portfolio, version__strategy=version.strategy)
    earlier = running.exclude(status=Status.STOPPED).first()
    if earlier is not None:
        return earlier
    return deployment_start(
        version=version,
        portfolio=portfolio,
        instrument=portfolio.replay.lead,
        capital=amount_of(portfolio.opening_cash * DEMO_SHARE),
        now=now,
    )


def _started_before(
    portfolio: Portfolio,
    version: StrategyVersion,
    instrument: Instrument,
    capital: Decimal | None,
    client_key: str,
) -> Deployment | None:
    earlier = _started_with(portfolio, client_key)
    if earlier is None:
        return None
    is_same = (earlier.version_id, earlier.instrument_id) == (version.pk, instrument.pk)
    if not is_same or capital not in (None, earlier.capital):
        raise DeploymentKeyReused(
            "IDEMPOTENCY_KEY_REUSED",
            f"this Idempotency-Key already started deployment {earlier.pk} of another version, "
            "instrument or capital; use a new one",
        )
    return earlier


def _started_with(portfolio: Portfolio, client_key: str) -> Deployment | None:
    if not client_key:
        return None
    return Deployment.objects.filter(portfolio=portfolio, client_key=client_key).first()


def _check_plan(portfolio: Portfolio, now: dt.datetime) -> None:
    quota = running_quota(user=portfolio.user, now=now)
    if not quota.n_left:
        raise PlanLimitReached(
            "PLAN_LIMIT_STRATEGIES",
            f"{quota.n_running} strategies are deployed, your plan allows {quota.at_once}; "
            "stop one first",
            limit=quota.at_once,
        )


def _capital(portfolio: Portfolio, capital: Decimal | None) -> Decimal:
    given = (
        Deployment.objects.filter(portfolio=portfolio)
        .exclude(status=Status.STOPPED)
        .aggregate(total=ExactSum("capital"))["total"]
    )
    free = max(portfolio_value(portfolio).equity - (given or ZERO), ZERO)
    amount = amount_of(free if capital is None else capital)
    if amount < 1 or amount > free:
        most = plain(free.quantize(Decimal("0.01"), ROUND_DOWN))
        raise DeploymentInvalid(
            "CAPITAL_OUT_OF_RANGE",
            f"capital {plain(amount)} is outside 1 to {most}, which no other strategy has",
            field="capital",
        )
    return amount


def _locked(deployment: Deployment) -> Deployment:
    return (
        Deployment.objects.select_for_update(of=("self",))
        .select_related("instrument", "version__strategy")
        .get(pk=deployment.pk)
    )


@transaction.atomic
def _move(deployment: Deployment, status: str, note: str) -> Deployment:
    portfolio = portfolio_lock(deployment.portfolio_id)
    current = _locked(deployment)
    if current.status == status:
        return current
    if current.status == Status.STOPPED:
        raise DeploymentFinal("DEPLOYMENT_STOPPED", "a stopped strategy is not started again")
    if status == Status.PAUSED:
        _cancel_additions(current)
    current.status = status
    current.error = ""
    current.save(update_fields=["status", "error", "updated_at"])
    _published(current, portfolio, note=note)
    return current


def _working(deployment: Deployment) -> list[Order]:
    orders = Order.objects.filter(deployment=deployment, status__in=WORKING)
    return list(orders.order_by("pk"))


def _cancel_orders(deployment: Deployment) -> None:
    for order in _working(deployment):
        order_cancel(order=order)


def _cancel_additions(deployment: Deployment) -> None:
    """Cancel what would enter or increase; exits on their way, and stop and target, go on."""
    held = float(deployment.state.get("quantity", 0.0))
    for order in _working(deployment):
        is_exit = held != 0.0 and (order.side == OrderSide.SELL) is (held > 0.0)
        if not is_exit:
            order_cancel(order=order, code="PAUSED", reason="the strategy was paused: no entries")


def _caught_up(portfolio: Portfolio, deployment: Deployment, now: dt.datetime) -> Deployment:
    """Tell its book what came from outside since the last bar: it sells what is its own."""
    siblings = list(
        Deployment.objects.filter(portfolio=portfolio, instrument=deployment.instrument)
        .select_related("instrument", "version__strategy")
        .order_by("pk")
    )
    books_catch_up(
        portfolio=portfolio, instrument=deployment.instrument, deployments=siblings, now=now
    )
    return next(item for item in siblings if item.pk == deployment.pk)


def _close(portfolio: Portfolio, deployment: Deployment, now: dt.datetime) -> None:
    """Sell what its own book says it holds, as far as the portfolio still has it."""
    instrument = deployment.instrument
    held = held_of(portfolio, instrument, is_strategy=True)
    left = min(booked_of(deployment), held.quantity - held.reserved_quantity)
    quantity = round_to_step(max(left, ZERO), instrument.quantity_step)
    if quantity <= 0:
        return
    order = order_submit(
        portfolio=portfolio,
        instrument=instrument,
        side=OrderSide.SELL,
        order_type=OrderType.MARKET,
        quantity=quantity,
        time_in_force=TimeInForce.DAY,
        client_order_id=f"close-{deployment.pk}",
        deployment=deployment,
        is_closing=True,
        now=now,
    )
    if order.status in REFUSED:
        raise DeploymentInvalid(
            "CLOSE_REFUSED",
            f"its {plain(quantity)} {instrument.symbol} cannot be sold: {order.reason}; the "
            "strategy was not stopped. Stop it and keep the position, or try again later",
        )
    sales_fit(portfolio=portfolio, instrument=instrument, cause=OWN_SALE)


def _published(
    deployment: Deployment, portfolio: Portfolio, *, kind: str = "", note: str = ""
) -> None:
    """Keep what was done and tell the pages; without a kind it is the status it came to."""
    deployment_recorded(
        deployment=deployment,
        kind=kind or deployment.status,
        market_at=market_time(portfolio) or deployment.starts_at,
        note=note,
    )
