"""One strategy: put a rule to work, see how it stands and why it did what it did."""

from __future__ import annotations

import json
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
from trading.forms import DeployForm
from trading.selectors.book_changes import sold_by_hand
from trading.selectors.decision_views import block_word, decision_view
from trading.selectors.model_versions import bound_text
from trading.selectors.own_books import breaker_now, outcome_of
from trading.selectors.portfolios import account_limits, portfolio_get
from trading.selectors.prices import regime_now
from trading.selectors.protection import protection_now
from trading.selectors.regimes import next_regime_get
from trading.selectors.sizing import BOUND_WORDS, size_recommended
from trading.selectors.strategies import (
    block_counts,
    decision_counts,
    decision_get,
    decision_list,
    decision_neighbors,
    deployment_get,
    deployment_now,
    rules_of,
    strategy_of,
    working_count,
)
from trading.selectors.versions import version_rows
from trading.services.deployments import strategy_deploy
from trading.views.decision_figures import decision_figure

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


@login_required
def decision_detail(request: HttpRequest, strategy_id: int, decision_id: str) -> HttpResponse:
    """One decision for good: inputs, parameters, arithmetic, and what came of it."""
    decision = decision_get(request.user, decision_id)
    strategy = decision.deployment.version.strategy
    if strategy.pk != strategy_id:
        raise NotFound("decision", decision_id)
    earlier, later = decision_neighbors(decision)
    replay = decision.deployment.portfolio.replay
    until = replay.cursor_at if replay else None
    context: dict[str, Any] = {
        "decision": decision,
        "outcome": outcome_of(decision, until=until),
        "view": decision_view(decision),
        "is_page": True,
    }
    if request.GET.get("part") == "outcome":
        return render(request, "trading/_decision_outcome.html", context)
    context["figure"] = decision_figure(decision, until=until)
    if request.GET.get("part") == "figure":
        return render(request, "trading/_decision_figure.html", context)
    context |= {
        "following": next_regime_get(
            decision.deployment.instrument,
            decision.deployment.timeframe,
            until=decision.market_at,
        ),
        "as_json": json.dumps(_as_json(decision), indent=2),
        "earlier": _link(strategy.pk, earlier),
        "later": _link(strategy.pk, later),
        "crumbs": [
            {"label": "Strategies", "href": reverse("strategies")},
            {"label": strategy.name, "href": reverse("strategy_detail", args=[strategy.pk])},
        ],
    }
    return render(request, "trading/decision.html", context)


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


def _link(strategy_id: int, decision: Any) -> dict[str, str] | None:
    return decision and {"href": reverse("decision_detail", args=[strategy_id, decision.uuid])}


def _words(action: str) -> str:
    return DecisionAction(action).value.replace("_", " ").capitalize()


def _as_json(decision: Any) -> dict[str, Any]:
    return {
        "id": str(decision.uuid),
        "strategy": str(decision.deployment.version),
        "symbol": decision.deployment.instrument.symbol,
        "market_at": decision.market_at.isoformat(),
        "action": decision.action,
        "regime": decision.regime or None,
        "close": decision.price,
        "signal": decision.signal,
        "target_weight": decision.target_weight,
        "target_quantity": decision.target_quantity,
        "inputs": decision.inputs,
        "parameters": decision.parameters,
        "sizing": decision.sizing,
        "reason": decision.reason,
        "what_would_change": decision.what_would_change,
        "blocked_by": decision.blocked_by or None,
        "engine_version": decision.engine_version,
    }
