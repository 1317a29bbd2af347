"""The parameters of a strategy over its last 30 days as a table; `?format=csv`."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from elson.common.listing import csv_response
from trading.selectors.decision_views import value_text
from trading.selectors.parameter_changes import ParameterChanges, parameter_changes
from trading.selectors.strategies import deployment_get, deployment_now, strategy_of
from trading.views.parameter_strips import strip_of

COLUMNS = (
    ("parameter", lambda pair: pair[0].name),
    ("value", lambda pair: pair[1].value),
    ("regime", lambda pair: pair[1].regime),
    ("from", lambda pair: pair[1].from_at.isoformat()),
    ("to", lambda pair: pair[1].to_at.isoformat()),
    ("n_bars", lambda pair: pair[1].n_bars),
)


@login_required
@require_GET
def strategy_parameters(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Show every stretch of every parameter, as the strips on the strategy's page draw them."""
    strategy = strategy_of(request.user, strategy_id)
    row = deployment_now(strategy, request.GET.get("run"))
    deployment = deployment_get(request.user, row.deployment_id) if row else None
    changes = parameter_changes(deployment) if deployment else None
    if request.GET.get("format") == "csv":
        return csv_response("parameters.csv", COLUMNS, _stretches(changes))
    context = {
        "strategy": strategy,
        "now": row,
        "changes": changes,
        "parameters": _tables(changes) if changes else [],
        "crumbs": [
            {"label": "Strategies", "href": reverse("strategies")},
            {"label": strategy.name, "href": reverse("strategy_detail", args=[strategy.pk])},
        ],
    }
    return render(request, "trading/strategy_parameters.html", context)


def _stretches(changes: ParameterChanges | None) -> list[tuple[Any, Any]]:
    histories = changes.histories.values() if changes else []
    return [(history, span) for history in histories for span in history.spans]


def _tables(changes: ParameterChanges) -> list[dict[str, Any]]:
    """Newest stretch first; those that moved come before those that did not."""
    tables = [
        {
            "history": history,
            "strip": strip_of(history, changes),
            "spans": [
                (value_text(history.name, span.value), span) for span in reversed(history.spans)
            ],
        }
        for history in changes.histories.values()
    ]
    return sorted(tables, key=lambda table: table["history"].changed_at is None)
