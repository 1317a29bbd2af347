"""The log of a strategy's decisions: a page of it, what is new since then, all of it as a file."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from elson.common.formatting import parse_whole
from elson.common.listing import columns_of, csv_response, page_of, wants_fragment
from trading.engine.types import DecisionAction
from trading.selectors.decision_views import block_word
from trading.selectors.strategies import (
    block_counts,
    decision_counts,
    decision_list,
    run_count,
    strategy_of,
)
from trading.views.columns import market_time

COLUMNS = (
    market_time("time"),
    *columns_of(
        "action", "regime", "close=price", "signal", "target_weight", "target_quantity",
        "blocked_by", "reason", "id=uuid", "symbol=deployment.instrument.symbol",
        "version=deployment.version.number",
    ),
)  # fmt: skip
# What the file shows: rules, inputs and parameters are some kilobytes a decision.
FIELDS = (
    "market_at", "action", "regime", "price", "signal", "target_weight", "target_quantity",
    "blocked_by", "reason", "uuid", "deployment__instrument__symbol",
    "deployment__version__number",
)  # fmt: skip
WHERE = ("deployment__instrument", "deployment__version")
CSV_CHUNK = 1_000  # rows in memory at once


@login_required
@require_GET
def strategy_log(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Give the log alone to the page that follows it; lead who comes by hand to that page."""
    strategy = strategy_of(request.user, strategy_id)
    if not wants_fragment(request):
        there = reverse("strategy_detail", args=[strategy.pk])
        return redirect(f"{there}?{request.GET.urlencode()}#log")
    return render(request, "trading/_decision_log.html", log_context(request, strategy))


def log_csv(request: HttpRequest, strategy: Any) -> HttpResponse:
    """Every decision of the chosen action as a file."""
    decisions = decision_list(strategy, action=request.GET.get("action", ""))
    lines = decisions.select_related(*WHERE).only(*FIELDS)
    return csv_response("decisions.csv", COLUMNS, lines.iterator(chunk_size=CSV_CHUNK))


def log_context(request: HttpRequest, strategy: Any) -> dict[str, Any]:
    """One page of the log; `log_follows` says whether new decisions may enter it by themselves."""
    action = _action_of(request)
    counts = decision_counts(strategy)
    decisions = decision_list(strategy, action=action).select_related(*WHERE)
    page = page_of(request, decisions)
    kept = {name: value for name in ("size", "run") if (value := request.GET.get(name))}
    newest = decision_list(strategy).order_by("-pk").values_list("pk", flat=True).first()
    return {
        "strategy": strategy,
        "page": page,
        "action": action,
        "log_follows": page.number == 1 and not action,
        "newest": newest or 0,
        "log_query": f"?{urlencode(kept)}" if kept else "",
        "run": kept.get("run", ""),
        "has_runs": run_count(strategy) > 1,
        "blocks": [(block_word(rule), n) for rule, n in block_counts(strategy).items()],
        "actions": [
            {"value": "", "label": "All", "count": sum(counts.values())},
            *(
                {"value": name, "label": _word(name), "count": count}
                for name, count in counts.items()
            ),
        ],
    }


def news_context(request: HttpRequest, strategy: Any) -> dict[str, Any]:
    """How many decisions came since a page of the log was opened, of all and of its action."""
    since, action = parse_whole(request.GET.get("since", "")) or 0, _action_of(request)
    return {
        "n_new": decision_list(strategy).filter(pk__gt=since).count(),
        "n_new_here": decision_list(strategy, action=action).filter(pk__gt=since).count(),
        "action": action,
        "action_word": _word(action) if action else "",
    }


def _action_of(request: HttpRequest) -> str:
    asked = request.GET.get("action", "")
    return asked if asked in DecisionAction.__members__ else ""


def _word(action: str) -> str:
    return DecisionAction(action).value.replace("_", " ").capitalize()
