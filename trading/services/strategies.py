"""Strategies, their frozen versions, and versions at work on a portfolio."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from accounts.selectors import entitlement_value
from elson.common.errors import Conflict, DomainError, Forbidden
from marketdata.models import Instrument
from trading.engine import state as engine_state
from trading.engine.errors import EngineError
from trading.engine.strategies import resolve_params, strategy_get
from trading.engine.types import OrderSide, OrderType, TimeInForce
from trading.models import Deployment, Order, Portfolio, Strategy, StrategyVersion
from trading.selectors.exact import ExactSum
from trading.selectors.portfolios import account_limits, market_time, portfolio_value
from trading.services.amounts import ZERO, amount_of, plain, round_to_step
from trading.services.backtests.drafts import costs_read
from trading.services.events import event_publish
from trading.services.orders import WORKING, order_cancel, order_submit
from trading.services.own_limits import limits_read
from trading.services.portfolios import portfolio_lock
from trading.services.pretrade import held_of

DEMO_KEY = "volatility_adaptive_trend"
DEMO_NAME = "Demo: Vol-Adaptive Trend"
# Half of the money is left for orders a person places.
DEMO_SHARE = Decimal("0.5")
Status = Deployment.Status
Source = StrategyVersion.Source


class StrategyInvalid(DomainError):
    """The strategy or its parameters cannot be as asked for; names field, value and limit."""


class StrategyNameTaken(Conflict):
    """The user has a strategy of that name."""


class DeploymentInvalid(DomainError):
    """The version cannot be deployed there, or with that much capital."""


class DeploymentFinal(Conflict):
    """The deployment was stopped for good."""


class DeploymentKeyReused(Conflict):
    """The same key once started another version or instrument."""


class StrategyInUse(Conflict):
    """A strategy that is at work is not put away."""


class PlanLimitReached(Forbidden):
    """The plan allows no more at once."""


@transaction.atomic
def strategy_create(
    *,
    user: Any,
    key: str,
    name: str,
    parameters: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    costs: Mapping[str, Any] | None = None,
    note: str = "",
    is_draft: bool = False,
    source: str = Source.USER,
) -> StrategyVersion:
    """Store a strategy with its first version.

    Raises StrategyInvalid, StrategyNameTaken, OwnLimitInvalid, BacktestInvalid (for the costs).
    """
    resolved = parameters_resolve(key=key, parameters=parameters)
    terms = _terms(user, limits=limits, costs=costs)
    title = name.strip()
    if not title or len(title) > 80:
        raise StrategyInvalid(
            "INVALID_NAME", f"the name has {len(title)} characters; 1 to 80 are allowed",
            field="name",
        )  # fmt: skip
    try:
        with transaction.atomic():
            strategy = Strategy.objects.create(user=user, key=key, name=title)
    except IntegrityError as error:
        raise StrategyNameTaken(
            "STRATEGY_NAME_TAKEN", f"you already have a strategy named {title!r}", field="name"
        ) from error
    return StrategyVersion.objects.create(
        strategy=strategy,
        number=1,
        parameters=resolved,
        **terms,
        note=note[:200],
        is_draft=is_draft,
        source=source,
    )


@transaction.atomic
def version_create(
    *,
    strategy: Strategy,
    parameters: Mapping[str, Any],
    limits: Mapping[str, Any] | None = None,
    costs: Mapping[str, Any] | None = None,
    note: str = "",
    is_draft: bool = False,
    source: str = Source.USER,
) -> StrategyVersion:
    """Store changed parameters as the next version; what runs keeps its own.

    Without `limits` or `costs` it takes those of the newest version. Nothing changed answers the
    newest version. Raises StrategyInvalid, OwnLimitInvalid, BacktestInvalid (for the costs).
    """
    locked = Strategy.objects.select_for_update().get(pk=strategy.pk)
    newest = StrategyVersion.objects.filter(strategy=locked).order_by("-number").first()
    kept = {"limits": newest.limits, "costs": newest.costs} if newest else {}
    asked = {
        "parameters": parameters_resolve(key=locked.key, parameters=parameters),
        **kept,
        **_terms(locked.user, limits=limits, costs=costs),
    }
    if newest is not None and all(getattr(newest, name) == asked[name] for name in asked):
        return newest
    return StrategyVersion.objects.create(
        strategy=locked,
        number=newest.number + 1 if newest else 1,
        **asked,
        note=note[:200],
        is_draft=is_draft,
        source=source,
    )


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
    Raises DeploymentInvalid, DeploymentKeyReused, PlanLimitReached.
    """
    locked = portfolio_lock(portfolio.pk)
    if locked.user_id != version.strategy.user_id:
        raise DeploymentInvalid(
            "FOREIGN_STRATEGY", "the strategy and the portfolio have different owners"
        )
    earlier = _started_before(locked, version, instrument, client_key)
    if earlier is not None:
        return earlier
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
    return Deployment.objects.create(
        version=version,
        portfolio=locked,
        instrument=instrument,
        timeframe=locked.replay.timeframe if locked.replay else "1d",
        capital=amount,
        client_key=client_key,
        state=engine_state.start(float(amount)).to_dict(),
        starts_at=locked.processed_at or market_time(locked) or now,
    )


def deployment_pause(*, deployment: Deployment) -> Deployment:
    """Let it decide nothing more until resumed; what it holds stays, its open orders are canceled.

    A second time answers the same. Raises DeploymentFinal.
    """
    return _move(deployment, Status.PAUSED, cancels=True)


def deployment_resume(*, deployment: Deployment) -> Deployment:
    """Let it decide again from the next bar on, also after an error. Raises DeploymentFinal."""
    return _move(deployment, Status.RUNNING, cancels=False)


@transaction.atomic
def deployment_stop(
    *, deployment: Deployment, closes_position: bool = False, now: dt.datetime
) -> Deployment:
    """End it for good; keep what it holds or sell it at the next bar.

    A second time answers the same.
    """
    portfolio = portfolio_lock(deployment.portfolio_id)
    current = _locked(deployment)
    if current.status == Status.STOPPED:
        return current
    _cancel_orders(current)
    current.status = Status.STOPPED
    current.save(update_fields=["status", "updated_at"])
    if closes_position:
        _close(portfolio, current, now)
    _published(current, portfolio)
    return current


@transaction.atomic
def strategy_archive(*, strategy: Strategy) -> Strategy:
    """Put a strategy away; its history stays. A second time answers the same.

    Raises StrategyInUse while it is deployed.
    """
    locked = Strategy.objects.select_for_update().get(pk=strategy.pk)
    at_work = Deployment.objects.filter(version__strategy=locked).exclude(status=Status.STOPPED)
    if at_work.exists():
        raise StrategyInUse(
            "STRATEGY_IN_USE",
            f"{locked.name} is deployed {at_work.count()} times; stop it before it is archived",
        )
    locked.is_archived = True
    locked.save(update_fields=["is_archived", "updated_at"])
    return locked


@transaction.atomic
def demo_deploy(*, user: Any, portfolio: Portfolio, now: dt.datetime) -> Deployment:
    """Start the demo strategy on the lead instrument of the portfolio's replay; once per user."""
    if portfolio.replay is None:
        raise DeploymentInvalid("NO_REPLAY", "the demo strategy needs a portfolio in a replay")
    strategy = Strategy.objects.filter(user=user, name=DEMO_NAME).first()
    if strategy is None:
        version = strategy_create(user=user, key=DEMO_KEY, name=DEMO_NAME, note="as shipped")
    else:
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


def parameters_resolve(*, key: str, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Complete and check parameters as a version would keep them. Raises StrategyInvalid."""
    try:
        return dict(resolve_params(strategy_get(key), parameters))
    except EngineError as error:
        raise StrategyInvalid(error.code.upper(), str(error), field="parameters") from error


def _terms(
    user: Any, *, limits: Mapping[str, Any] | None, costs: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Check own limits and costs as far as they are given."""
    terms: dict[str, dict[str, Any]] = {}
    if limits is not None:
        terms["limits"] = limits_read(limits, account_limits(user))
    if costs is not None:
        terms["costs"] = costs_read(costs)
    return terms


def _started_before(
    portfolio: Portfolio, version: StrategyVersion, instrument: Instrument, client_key: str
) -> Deployment | None:
    earlier = _started_with(portfolio, client_key)
    if earlier is None:
        return None
    if (earlier.version_id, earlier.instrument_id) != (version.pk, instrument.pk):
        raise DeploymentKeyReused(
            "IDEMPOTENCY_KEY_REUSED",
            f"this Idempotency-Key already started deployment {earlier.pk} of another version or "
            "instrument; use a new one",
        )
    return earlier


def _started_with(portfolio: Portfolio, client_key: str) -> Deployment | None:
    if not client_key:
        return None
    return Deployment.objects.filter(portfolio=portfolio, client_key=client_key).first()


def _check_plan(portfolio: Portfolio, now: dt.datetime) -> None:
    allowed = entitlement_value(portfolio.user, "strategies.running", now=now)
    n_running = (
        Deployment.objects.filter(portfolio__user=portfolio.user, portfolio__is_archived=False)
        .exclude(status=Status.STOPPED)
        .count()
    )
    if n_running >= allowed:
        raise PlanLimitReached(
            "PLAN_LIMIT_STRATEGIES",
            f"{n_running} strategies are deployed, your plan allows {allowed}; stop one first",
            limit=allowed,
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
        raise DeploymentInvalid(
            "CAPITAL_OUT_OF_RANGE",
            f"capital {plain(amount)} is outside 1 to {plain(free)}, which no other strategy has",
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
def _move(deployment: Deployment, status: str, *, cancels: bool) -> Deployment:
    portfolio = portfolio_lock(deployment.portfolio_id)
    current = _locked(deployment)
    if current.status == status:
        return current
    if current.status == Status.STOPPED:
        raise DeploymentFinal("DEPLOYMENT_STOPPED", "a stopped strategy is not started again")
    if cancels:
        _cancel_orders(current)
    current.status = status
    current.error = ""
    current.save(update_fields=["status", "error", "updated_at"])
    _published(current, portfolio)
    return current


def _cancel_orders(deployment: Deployment) -> None:
    for order in Order.objects.filter(deployment=deployment, status__in=WORKING).order_by("pk"):
        order_cancel(order=order)


def _close(portfolio: Portfolio, deployment: Deployment, now: dt.datetime) -> None:
    """Sell what its own book says it holds, as far as the portfolio still has it."""
    instrument = deployment.instrument
    own = amount_of(float(deployment.state.get("quantity", 0.0)))
    held = held_of(portfolio, instrument)
    left = min(own, held.quantity - held.reserved_quantity)
    quantity = round_to_step(max(left, ZERO), instrument.quantity_step)
    if quantity <= 0:
        return
    order_submit(
        portfolio=portfolio,
        instrument=instrument,
        side=OrderSide.SELL,
        order_type=OrderType.MARKET,
        quantity=quantity,
        time_in_force=TimeInForce.DAY,
        client_order_id=f"close-{deployment.pk}",
        deployment=deployment,
        now=now,
    )


def _published(deployment: Deployment, portfolio: Portfolio) -> None:
    event_publish(
        portfolio_id=portfolio.pk,
        topic="deployment",
        market_at=market_time(portfolio) or deployment.starts_at,
        data={"id": deployment.pk, "status": deployment.status, "error": deployment.error},
    )
