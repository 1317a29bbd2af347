"""One decision for good: inputs, parameters, arithmetic, rules, and what came of it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from elson.common.errors import NotFound
from trading.selectors.decision_sources import decision_source
from trading.selectors.decision_views import DecisionView, decision_view
from trading.selectors.own_books import outcome_of
from trading.selectors.regimes import next_regime_get
from trading.selectors.strategies import decision_get, decision_neighbors
from trading.views.decision_figures import decision_figure


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
    view = decision_view(decision)
    context: dict[str, Any] = {
        "decision": decision,
        "outcome": outcome_of(decision, until=until),
        "view": view,
        "is_page": True,
    }
    if request.GET.get("part") == "outcome":
        return render(request, "trading/_decision_outcome.html", context)
    context["figure"] = decision_figure(decision, until=until)
    if request.GET.get("part") == "figure":
        return render(request, "trading/_decision_figure.html", context)
    context |= {
        "source": decision_source(decision),
        "following": next_regime_get(
            decision.deployment.instrument,
            decision.deployment.timeframe,
            until=decision.market_at,
        ),
        "as_json": json.dumps(_as_json(decision, view), indent=2),
        "earlier": _link(strategy.pk, earlier),
        "later": _link(strategy.pk, later),
        "crumbs": [
            {"label": "Strategies", "href": reverse("strategies")},
            {"label": strategy.name, "href": reverse("strategy_detail", args=[strategy.pk])},
        ],
    }
    return render(request, "trading/decision.html", context)


def _link(strategy_id: int, decision: Any) -> dict[str, str] | None:
    return decision and {"href": reverse("decision_detail", args=[strategy_id, decision.uuid])}


def _as_json(decision: Any, view: DecisionView) -> dict[str, Any]:
    version = decision.deployment.version
    return {
        "id": str(decision.uuid),
        "strategy": str(version),
        "version_id": version.pk,
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
        "rules": decision.rules,
        "reason": decision.reason,
        "what_would_change": decision.what_would_change,
        "blocked_by": decision.blocked_by or None,
        "data": decision.source,
        "engine_version": decision.engine_version,
        "orders": [_order_json(order) for order in view.orders],
    }


def _order_json(order: Any) -> dict[str, Any]:
    return {
        "id": str(order.uuid),
        "side": order.side,
        "quantity": f"{order.quantity:f}",
        "protection": order.protection or None,
        "rules": order.risk_check,
    }
