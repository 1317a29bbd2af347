"""Strategies, where they run, and what they decided."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from elson.common.errors import Conflict, NotFound
from elson.common.formatting import parse_whole
from trading.engine.adaptive import SWITCH
from trading.engine.breaker import LEVELS
from trading.engine.errors import UnknownStrategy
from trading.engine.schedule import MEANINGS
from trading.engine.strategies import STRATEGIES, strategy_get
from trading.engine.strategies.base import StrategySpec
from trading.engine.types import WORKING_STATUSES, DecisionAction
from trading.models import (
    Decision,
    Deployment,
    Order,
    Portfolio,
    Strategy,
    StrategyVersion,
)

STATUSES = list(Deployment.Status.values)
HALTED_LEVEL = LEVELS.index("HALTED")


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """One strategy at work as lists show it; `pnl` is of its own book.

    `is_one_of_several` says that the list it is in has other deployments of the same strategy.
    """

    deployment_id: int
    strategy_id: int
    name: str
    rule: str
    version: int
    status: str
    symbol: str
    timeframe: str
    regime: str
    quantity: float
    avg_entry_price: float
    equity: float
    pnl: float
    pnl_ratio: float
    starts_at: dt.datetime
    last_bar_at: dt.datetime | None
    error: str
    decision_action: str
    decision_reason: str
    decision_at: dt.datetime | None
    decision_href: str
    is_halted: bool
    is_one_of_several: bool

    @property
    def href(self) -> str:
        """Where its page is; a strategy that runs more than once has one for each run."""
        query = f"?run={self.deployment_id}" if self.is_one_of_several else ""
        return f"/strategies/{self.strategy_id}/{query}"

    @property
    def shown_status(self) -> str:
        """Status as lists say it: one that runs while its breaker allows nothing is halted."""
        return "HALTED" if self.is_halted and self.status == "RUNNING" else self.status


@dataclass(frozen=True, slots=True)
class DraftRow:
    """One strategy that never ran, as lists show it."""

    strategy_id: int
    name: str
    rule: str
    version: int


class StrategyNotInstalled(Conflict):
    """Rules that something was made with are not there any more."""


def rules_of(strategy_key: str) -> StrategySpec:
    """Return the rules something stored was made with; raise StrategyNotInstalled without them."""
    try:
        return strategy_get(strategy_key)
    except UnknownStrategy as error:
        raise StrategyNotInstalled(
            "STRATEGY_NOT_INSTALLED",
            f"The rules {strategy_key!r} are not installed any more; install their package again.",
        ) from error


def rule_name(strategy_key: str) -> str:
    """Return the name of rules, their key where they are not installed any more."""
    return STRATEGIES[strategy_key].name if strategy_key in STRATEGIES else strategy_key


def gallery_list() -> list[StrategySpec]:
    """Rules the engine offers."""
    return list(STRATEGIES.values())


def strategy_list(user: Any) -> QuerySet[Strategy]:
    """Strategies of this user with the number of their versions, newest first."""
    found = Strategy.objects.filter(user=user, is_archived=False)
    return found.annotate(n_versions=Count("versions")).order_by("-pk")


def strategy_of(user: Any, strategy_id: int) -> Strategy:
    """Strategy of this user; raise NotFound for unknown and for foreign ones."""
    found = Strategy.objects.filter(user=user, pk=strategy_id).first()
    if found is None:
        raise NotFound("strategy", strategy_id)
    return found


def strategy_version(strategy: Strategy, number: object = None) -> StrategyVersion:
    """Version by number, the newest without one; raise NotFound for what is not there."""
    versions = StrategyVersion.objects.filter(strategy=strategy).order_by("-number")
    if number not in (None, ""):
        versions = versions.filter(number=parse_whole(str(number)) or 0)
    found = versions.select_related("strategy").first()
    if found is None:
        raise NotFound("version", number)
    return found


def versions_at_work(strategy: Strategy) -> QuerySet[StrategyVersion]:
    """Versions of a strategy that are deployed and not stopped, newest first."""
    at_work = Deployment.objects.exclude(status=Deployment.Status.STOPPED).values("version")
    versions = StrategyVersion.objects.filter(strategy=strategy, pk__in=at_work)
    return versions.select_related("strategy").order_by("-number")


def template_view(spec: StrategySpec) -> dict[str, Any]:
    """Describe rules and the schema of their parameters in plain values."""
    return {
        "key": spec.key,
        "name": spec.name,
        "summary": spec.summary,
        "when_it_fails": spec.when_it_fails,
        "n_warm_up_bars": spec.warm_up(spec.defaults),
        "parameters": spec.parameters,
        "switches": [f"{name}.{SWITCH}" for name in spec.adapts] if spec.adaptive else [],
        "schedule": [{"key": key, "meaning": meaning} for key, meaning in MEANINGS.items()],
    }


def deployment_get(user: Any, deployment_id: int) -> Deployment:
    """Deployment of this user; raise NotFound for unknown and for foreign ones."""
    found = _deployments().filter(portfolio__user=user, pk=deployment_id).first()
    if found is None:
        raise NotFound("deployment", deployment_id)
    return found


def deployment_list(portfolio: Portfolio | None, *, status: str = "") -> QuerySet[Deployment]:
    """Every deployment of a portfolio, of one status or all, stopped ones too, newest first."""
    rows = _deployments().filter(portfolio=portfolio)
    return (rows.filter(status=status) if status else rows).order_by("-pk")


def version_get(user: Any, pk: object) -> StrategyVersion:
    """Version of a strategy of this user by its id; NotFound for unknown and foreign ones."""
    versions = StrategyVersion.objects.filter(strategy__user=user).select_related("strategy")
    text = str(pk)
    found = versions.filter(pk=int(text)).first() if text.isdecimal() and len(text) < 10 else None
    if found is None:
        raise NotFound("version", pk)
    return found


def deployment_rows(portfolio: Portfolio) -> list[DeploymentRow]:
    """Strategies of a portfolio that were not stopped, with their last decision."""
    rows = _deployments().filter(portfolio=portfolio).exclude(status=Deployment.Status.STOPPED)
    return _rows(rows.order_by("pk"))


def stopped_rows(portfolio: Portfolio, *, is_archived: bool = False) -> list[DeploymentRow]:
    """Strategies that ran in a portfolio and were stopped, each with its last deployment.

    Those in the lists, or with `is_archived` those put away.
    """
    others = Deployment.objects.filter(
        Q(pk__gt=OuterRef("pk")) | ~Q(status=Deployment.Status.STOPPED),
        portfolio=portfolio,
        version__strategy=OuterRef("version__strategy"),
    )
    rows = _deployments().filter(portfolio=portfolio, version__strategy__is_archived=is_archived)
    return _rows(rows.exclude(Exists(others)).order_by("-pk"))


def draft_rows(user: Any, *, is_archived: bool = False) -> list[DraftRow]:
    """Strategies of this user that never ran, each with its newest version, newest first.

    Those in the lists, or with `is_archived` those put away.
    """
    newer = StrategyVersion.objects.filter(
        strategy=OuterRef("strategy"), number__gt=OuterRef("number")
    )
    strategies = Strategy.objects.filter(user=user, is_archived=is_archived)
    never_ran = strategies.exclude(versions__deployments__isnull=False)
    versions = StrategyVersion.objects.filter(strategy__in=never_ran.values("pk"))
    newest = versions.exclude(Exists(newer)).select_related("strategy").order_by("-pk")
    return [
        DraftRow(row.strategy_id, row.strategy.name, rule_name(row.strategy.key), row.number)
        for row in newest
    ]


def run_rows(strategy: Strategy) -> list[DeploymentRow]:
    """Return every deployment of a strategy, newest first, those at work before stopped ones."""
    rows = _rows(_deployments().filter(version__strategy=strategy).order_by("-pk"))
    return sorted(rows, key=lambda row: row.status == Deployment.Status.STOPPED)


def run_count(strategy: Strategy) -> int:
    """How often a strategy was put to work."""
    return Deployment.objects.filter(version__strategy=strategy).count()


def run_chosen(rows: Sequence[DeploymentRow], run: object = "") -> DeploymentRow | None:
    """Return the deployment of that id, without one the first; None when there is none at all.

    Raises NotFound for an id that is not among them.
    """
    if run in (None, ""):
        return next(iter(rows), None)
    found = next((row for row in rows if str(row.deployment_id) == str(run)), None)
    if found is None:
        raise NotFound("run", run)
    return found


def deployment_now(strategy: Strategy, run: object = "") -> DeploymentRow | None:
    """Return one deployment of a strategy, the newest at work without its id; None if none ran."""
    return run_chosen(run_rows(strategy), run)


def working_count(row: DeploymentRow | None) -> int:
    """How many orders of a deployment work now, stops and targets that rest included."""
    if row is None:
        return 0
    return Order.objects.filter(
        deployment_id=row.deployment_id, status__in=WORKING_STATUSES
    ).count()


def decision_list(
    strategy: Strategy | None,
    *,
    action: str = "",
    regime: str = "",
    blocked_by: str = "",
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
) -> QuerySet[Decision]:
    """Decisions of a strategy, newest first; `since` and `until` are included.

    An action that does not exist is left out.
    """
    decisions = Decision.objects.filter(deployment__version__strategy=strategy)
    wanted = {
        "action": action if action in DecisionAction.__members__ else "",
        "regime": regime,
        "blocked_by": blocked_by,
        "market_at__gte": since,
        "market_at__lte": until,
    }
    decisions = decisions.filter(**{name: value for name, value in wanted.items() if value})
    return decisions.order_by("-market_at", "-pk")


def decision_counts(strategy: Strategy) -> dict[str, int]:
    """How often each action was decided, most frequent first."""
    counted = (
        Decision.objects.filter(deployment__version__strategy=strategy)
        .values("action")
        .annotate(n=Count("pk"))
        .order_by("-n", "action")
    )
    return {row["action"]: row["n"] for row in counted}


def block_counts(strategy: Strategy) -> dict[str, int]:
    """How often each rule, by its code, kept a decision from trading, most frequent first."""
    counted = (
        Decision.objects.filter(deployment__version__strategy=strategy)
        .exclude(blocked_by="")
        .values("blocked_by")
        .annotate(n=Count("pk"))
        .order_by("-n", "blocked_by")
    )
    return {row["blocked_by"]: row["n"] for row in counted}


def decision_get(user: Any, decision_uuid: object) -> Decision:
    """Decision of this user; raise NotFound for unknown and for foreign ones."""
    try:
        found = (
            _decisions().filter(deployment__portfolio__user=user, uuid=str(decision_uuid)).first()
        )
    except (ValidationError, ValueError):
        found = None
    if found is None:
        raise NotFound("decision", decision_uuid)
    return found


def decision_latest(portfolio: Portfolio, *, symbol: str = "") -> Decision | None:
    """Latest decision that did something, else the latest; of one symbol or all."""
    decisions = _decisions().filter(deployment__portfolio=portfolio)
    if symbol:
        decisions = decisions.filter(deployment__instrument__symbol=symbol)
    newest = decisions.order_by("-market_at", "-pk")
    idle = (DecisionAction.HOLD, DecisionAction.NO_TRADE, DecisionAction.WARM_UP)
    return newest.exclude(action__in=idle).first() or newest.first()


def decision_neighbors(decision: Decision) -> tuple[Decision | None, Decision | None]:
    """Return the decisions of the same deployment one bar earlier and one bar later."""
    siblings = Decision.objects.filter(deployment_id=decision.deployment_id)
    earlier = siblings.filter(market_at__lt=decision.market_at).order_by("-market_at").first()
    later = siblings.filter(market_at__gt=decision.market_at).order_by("market_at").first()
    return earlier, later


def _decisions() -> QuerySet[Decision]:
    return Decision.objects.select_related(
        "deployment__instrument", "deployment__version__strategy", "deployment__portfolio__replay"
    )


def _deployments() -> QuerySet[Deployment]:
    last = Decision.objects.filter(deployment=OuterRef("pk")).order_by("-market_at")
    return Deployment.objects.select_related(
        "version__strategy", "instrument", "portfolio"
    ).annotate(last_decision_id=Subquery(last.values("pk")[:1]))


def _rows(deployments: QuerySet[Deployment]) -> list[DeploymentRow]:
    found = list(deployments)
    decisions = Decision.objects.in_bulk(
        [row.last_decision_id for row in found if row.last_decision_id]  # type: ignore[attr-defined]
    )
    n_runs = Counter(row.version.strategy_id for row in found)
    return [
        _row(row, decisions.get(row.last_decision_id), n_runs[row.version.strategy_id])  # type: ignore[attr-defined]
        for row in found
    ]


def _row(deployment: Deployment, decision: Decision | None, n_runs: int) -> DeploymentRow:
    state = deployment.state
    capital = float(deployment.capital)
    equity = float(state.get("equity", capital))
    strategy = deployment.version.strategy
    return DeploymentRow(
        deployment_id=deployment.pk,
        strategy_id=strategy.pk,
        name=strategy.name,
        rule=rule_name(strategy.key),
        version=deployment.version.number,
        status=deployment.status,
        symbol=deployment.instrument.symbol,
        timeframe=deployment.timeframe,
        regime=decision.regime if decision else "",
        quantity=float(state.get("quantity", 0.0)),
        avg_entry_price=float(state.get("avg_entry_price", 0.0)),
        equity=equity,
        pnl=equity - capital,
        pnl_ratio=equity / capital - 1 if capital else 0.0,
        starts_at=deployment.starts_at,
        last_bar_at=deployment.last_bar_at,
        error=deployment.error,
        decision_action=decision.get_action_display() if decision else "",
        decision_reason=decision.reason if decision else "",
        decision_at=decision.market_at if decision else None,
        decision_href=f"/strategies/{strategy.pk}/decisions/{decision.uuid}/" if decision else "",
        is_halted=(state.get("breaker") or {}).get("level") == HALTED_LEVEL,
        is_one_of_several=n_runs > 1,
    )
