"""Strategies and their frozen versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction

from elson.common.errors import Conflict, DomainError
from trading.engine.errors import EngineError
from trading.engine.strategies import resolve_params, strategy_get
from trading.models import Deployment, Strategy, StrategyVersion
from trading.selectors.portfolios import account_limits
from trading.services.backtests.drafts import costs_read
from trading.services.own_limits import limits_read

Source = StrategyVersion.Source


class StrategyInvalid(DomainError):
    """The strategy or its parameters cannot be as asked for; names field, value and limit."""


class StrategyNameTaken(Conflict):
    """The user has a strategy of that name."""


class StrategyInUse(Conflict):
    """A strategy that is at work is not put away."""


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
    title = _title(name)
    with _named_once(title):
        strategy = Strategy.objects.create(user=user, key=key, name=title)
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
def strategy_rename(*, strategy: Strategy, name: str) -> Strategy:
    """Give a strategy another name, also while it is at work; its versions stay as they are.

    The name it has answers the same. Raises StrategyInvalid, StrategyNameTaken.
    """
    title = _title(name)
    locked = Strategy.objects.select_for_update().get(pk=strategy.pk)
    if locked.name != title:
        locked.name = title
        with _named_once(title):
            locked.save(update_fields=["name", "updated_at"])
    return locked


@transaction.atomic
def strategy_revise(
    *,
    strategy: Strategy,
    name: str,
    parameters: Mapping[str, Any],
    limits: Mapping[str, Any],
    costs: Mapping[str, Any],
    note: str = "",
) -> StrategyVersion:
    """Take over what its editor asks for: the name at once, the rest as the next draft version.

    Both or neither. Raises what `strategy_rename` and `version_create` raise.
    """
    renamed = strategy_rename(strategy=strategy, name=name)
    version = version_create(
        strategy=renamed,
        parameters=parameters,
        limits=limits,
        costs=costs,
        note=note,
        is_draft=True,
    )
    version.strategy = renamed
    return version


@transaction.atomic
def strategy_archive(*, strategy: Strategy) -> Strategy:
    """Put a strategy away; its history stays. A second time answers the same.

    Raises StrategyInUse while it is deployed.
    """
    locked = Strategy.objects.select_for_update().get(pk=strategy.pk)
    at_work = Deployment.objects.filter(version__strategy=locked).exclude(
        status=Deployment.Status.STOPPED
    )
    if at_work.exists():
        raise StrategyInUse(
            "STRATEGY_IN_USE",
            f"{locked.name} is deployed {at_work.count()} times; stop it before it is archived",
        )
    locked.is_archived = True
    locked.save(update_fields=["is_archived", "updated_at"])
    return locked


def strategy_unarchive(*, strategy: Strategy) -> Strategy:
    """Take an archived strategy out again; nothing starts by it. A second time answers the same."""
    strategy.is_archived = False
    strategy.save(update_fields=["is_archived", "updated_at"])
    return strategy


def parameters_resolve(*, key: str, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Complete and check parameters as a version would keep them. Raises StrategyInvalid."""
    try:
        return dict(resolve_params(strategy_get(key), parameters))
    except EngineError as error:
        raise StrategyInvalid(error.code.upper(), str(error), field="parameters") from error


def _title(name: str) -> str:
    title = name.strip()
    if not title or len(title) > 80:
        raise StrategyInvalid(
            "INVALID_NAME", f"the name has {len(title)} characters; 1 to 80 are allowed",
            field="name",
        )  # fmt: skip
    return title


@contextmanager
def _named_once(title: str) -> Iterator[None]:
    """Say of a name that the user has already whose it is."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise StrategyNameTaken(
            "STRATEGY_NAME_TAKEN", f"you already have a strategy named {title!r}", field="name"
        ) from error


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
