"""One strategy: put a rule to work, see how it stands and why it did what it did."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from elson.common.errors import DomainError, NotFound
from elson.common.listing import csv_response, page_of
from marketdata.selectors import instrument_get
from trading.engine.strategies import strategy_get
from trading.engine.types import DecisionAction
from trading.selectors.book_changes import sold_by_hand
from trading.selectors.decision_sources import decision_source
from trading.selectors.decision_views import block_word, decision_view
from trading.selectors.model_versions import bound_text
from trading.selectors.own_books import breaker_now
from trading.selectors.portfolios import account_limits, portfolio_get
from trading.selectors.prices import regime_now
from trading.selectors.protection import protection_now
from trading.selectors.regimes import next_regime_get
from trading.selectors.sizing import BOUND_WORDS, size_recommended
from trading.selectors.strategies import (
    block_counts,
    decision_counts,
    decision_list,
    deployment_get,
    deployment_now,
    rules_of,
    strategy_of,
    working_count,
)
from trading.selectors.versions import version_rows
from trading.services.deployments import strategy_deploy
from trading.views.strategy_form import DeployForm

DECISION_COLUMNS = (
    ("time", lambda d: d.market_at.isoformat()),
    ("action", lambda d: d.action),
    ("regime", lambda d: d.regime),
    ("close", lambda d: d.price),
    ("signal", lambda d: d.signal),
    ("target_weight", lambda d: d.target_weight),
    ("target_quantity", lambda d: d.target_quantity),
    ("blocked_by", lambda d: d.blocked_by),
    ("reason", lambda d: d.reason),
    ("id", lambda d: d.uuid),
)


@login_required
def strategy_new(request: HttpRequest) -> HttpResponse:
    """Choose parameters, instrument and capital, and put a rule to work on paper."""
    spec = _spec(request.POST.get("key") or request.GET.get("key", ""))
    form = DeployForm(spec, request.POST or None, account=account_limits(request.user))
    if request.method == "POST" and form.is_valid():
        try:
            return _deploy(request, form)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
    context = {
        "spec": spec,
        "form": form,
        "crumbs": [{"label": "Strategies", "href": reverse("strategies")}],
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "trading/strategy_new.html", context, status=status)


@login_required
def strategy_detail(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """One strategy: as it stands now, its latest decision in full, every decision so far."""
    strategy = strategy_of(request.user, strategy_id)
    action = request.GET.get("action", "")
    decisions = decision_list(strategy, action=action)
    if request.GET.get("format") == "csv":
        return csv_response("decisions.csv", DECISION_COLUMNS, decisions)
    context = {"strategy": strategy, **_now(request, strategy)}
    if request.GET.get("part") == "now":
        return render(request, "trading/_strategy_now.html", context)
    counts = decision_counts(strategy)
    context |= _size(request, strategy)
    context |= {
        "n_working": working_count(context["now"]),
        "spec": rules_of(strategy.key),
        "page": page_of(request, decisions),
        "action": action,
        "blocks": [(block_word(rule), n) for rule, n in block_counts(strategy).items()],
        "actions": [
            {"value": "", "label": "All", "count": sum(counts.values())},
            *(
                {"value": name, "label": _words(name), "count": count}
                for name, count in counts.items()
            ),
        ],
        "versions": version_rows(strategy),
        "crumbs": [{"label": "Strategies", "href": reverse("strategies")}],
    }
    return render(request, "trading/strategy.html", context)


def _deploy(request: HttpRequest, form: DeployForm) -> HttpResponse:
    values = form.cleaned_data
    started = strategy_deploy(
        key=form.spec.key,
        name=values["name"],
        parameters=form.parameters(),
        limits=form.limits(),
        costs=form.costs(),
        portfolio=portfolio_get(request.user),
        instrument=instrument_get(values["symbol"]),
        capital=values["capital"],
        client_key=values["client_key"],
        now=timezone.now(),
    )
    return redirect("strategy_detail", strategy_id=started.version.strategy_id)


def _now(request: HttpRequest, strategy: Any) -> dict[str, Any]:
    row = deployment_now(strategy)
    if row is None:
        return {"now": None}
    deployment = deployment_get(request.user, row.deployment_id)
    replay = deployment.portfolio.replay
    until = replay.cursor_at if replay else None
    decision = decision_list(strategy).filter(deployment_id=row.deployment_id).first()
    market = regime_now(deployment.instrument, until=until, timeframe=row.timeframe)
    return {
        "now": row,
        "model": bound_text(strategy.key),
        "market": market,
        "following": next_regime_get(deployment.instrument, row.timeframe, until=until),
        "breaker": breaker_now(deployment),
        "protection": protection_now(deployment),
        "sold": sold_by_hand(deployment),
        "decision": decision,
        "view": decision_view(decision) if decision else None,
        "source": decision_source(decision) if decision else None,
    }


def _size(request: HttpRequest, strategy: Any) -> dict[str, Any]:
    row = deployment_now(strategy)
    if row is None:
        return {}
    found = size_recommended(deployment_get(request.user, row.deployment_id))
    return {
        "recommended": found,
        "recommended_by": BOUND_WORDS[found.bound_by] if found else "",
        "symbol": row.symbol,
    }


def _spec(key: str) -> Any:
    try:
        return strategy_get(key)
    except ValueError as error:
        raise NotFound("strategy", key) from error


def _words(action: str) -> str:
    return DecisionAction(action).value.replace("_", " ").capitalize()
