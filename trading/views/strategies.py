"""One strategy: put a rule to work, see how it stands and why it did what it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from elson.common.errors import DomainError, NotFound
from elson.common.listing import csv_response, wants_fragment
from marketdata.selectors import instrument_get
from trading.engine.strategies import strategy_get
from trading.selectors.book_changes import sold_by_hand
from trading.selectors.decision_sources import decision_source
from trading.selectors.decision_views import decision_view
from trading.selectors.model_versions import bound_text
from trading.selectors.own_books import breaker_now
from trading.selectors.parameter_changes import parameter_changes
from trading.selectors.portfolios import account_limits, portfolio_get
from trading.selectors.prices import regime_now
from trading.selectors.protection import protection_now
from trading.selectors.regimes import next_regime_get
from trading.selectors.sizing import BOUND_WORDS, size_recommended
from trading.selectors.strategies import (
    DeploymentRow,
    decision_list,
    deployment_get,
    rules_of,
    run_chosen,
    run_rows,
    strategy_of,
    working_count,
)
from trading.selectors.strategy_desk import strategy_desk, strategy_events, strategy_orders
from trading.selectors.versions import version_rows
from trading.services.backtests.drafts import costs_read
from trading.services.deployments import strategy_deploy
from trading.services.own_limits import limits_read
from trading.services.quotas import running_quota
from trading.services.strategies import parameters_resolve, strategy_create
from trading.views.decision_log import log_context, log_csv, news_context
from trading.views.orders import CSV_COLUMNS
from trading.views.parameter_strips import parameter_rows
from trading.views.strategy_exits import with_exits
from trading.views.strategy_form import DeployForm
from trading.views.strategy_tracking import preview_context, preview_part

ORDER_COLUMNS = (
    *CSV_COLUMNS,
    ("protection", lambda o: o.protection),
    ("version", lambda o: o.deployment.version.number),
    ("decision", lambda o: o.decision and o.decision.uuid),
)


# Why one that has decided nothing will not do so now.
ENDED = {
    "ERROR": "It ended with an error before its first decision.",
    "STOPPED": "It was stopped before its first decision.",
}


@login_required
def strategy_new(request: HttpRequest) -> HttpResponse:
    """Choose parameters, instrument and capital, and put a rule to work or keep it as a draft."""
    key = request.POST.get("key") or request.GET.get("key", "")
    if not key:
        return redirect(f"{reverse('strategies')}#gallery-h")
    spec = _spec(key)
    form = DeployForm(spec, request.POST or None, account=account_limits(request.user))
    preview: dict[str, Any] = {}
    intent = request.POST.get("intent")
    is_preview = intent == "preview"
    if request.method == "POST" and form.is_valid():
        try:
            if not is_preview:
                return _keep(request, form) if intent == "save" else _deploy(request, form)
            preview = _preview(request, form)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
    if is_preview and wants_fragment(request):
        return preview_part(request, form, preview)
    context = {
        **preview,
        "spec": spec,
        "form": form,
        "quota": running_quota(user=request.user, now=timezone.now()),
        "crumbs": [{"label": "Strategies", "href": reverse("strategies")}],
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "trading/strategy_new.html", context, status=status)


@login_required
@with_exits
def strategy_detail(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """One strategy: as it stands now, its latest decision in full, every decision so far.

    `?part=` gives the blocks that refresh on their own, `?format=csv` the decisions.
    """
    strategy = strategy_of(request.user, strategy_id)
    if request.GET.get("format") == "csv":
        return log_csv(request, strategy)
    part = PARTS.get(request.GET.get("part", ""))
    if part:
        template, context_of = part
        return render(request, template, context_of(request, strategy))
    context = _now(request, strategy) | log_context(request, strategy)
    context |= _size(request, context["now"])
    context |= {
        "n_working": working_count(context["now"]),
        "at_work": {run.version for run in context["runs"] if run.status != "STOPPED"},
        "desk": strategy_desk(strategy),
        "events": strategy_events(strategy),
        "spec": rules_of(strategy.key),
        "versions": version_rows(strategy),
        "crumbs": [{"label": "Strategies", "href": reverse("strategies")}],
    }
    return render(request, "trading/strategy.html", context)


@login_required
def strategy_orders_page(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Positions and orders of a strategy as a part of its page; `?format=csv` for all orders.

    Opened alone it leads to the page.
    """
    strategy = strategy_of(request.user, strategy_id)
    if request.GET.get("format") == "csv":
        return csv_response("strategy-orders.csv", ORDER_COLUMNS, strategy_orders(strategy))
    if not wants_fragment(request):
        return redirect(f"{reverse('strategy_detail', args=[strategy.pk])}#desk")
    context = {"strategy": strategy, "desk": strategy_desk(strategy)}
    return render(request, "trading/_strategy_desk.html", context)


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


def _keep(request: HttpRequest, form: DeployForm) -> HttpResponse:
    """Store the strategy as a draft that nothing runs; instrument and capital are asked again."""
    version = strategy_create(
        user=request.user,
        key=form.spec.key,
        name=form.cleaned_data["name"],
        parameters=form.parameters(),
        limits=form.limits(),
        costs=form.costs(),
        is_draft=True,
    )
    messages.success(request, f"{version.strategy.name} is kept as a draft; nothing runs yet.")
    return redirect("strategy_detail", strategy_id=version.strategy_id)


def _preview(request: HttpRequest, form: DeployForm) -> dict[str, Any]:
    """Compute what the typed strategy would hold now; nothing is stored."""
    return preview_context(
        request,
        request.POST,
        strategy_key=form.spec.key,
        parameters=parameters_resolve(key=form.spec.key, parameters=form.parameters()),
        limits=limits_read(form.limits(), form.account),
        costs=costs_read(form.costs()),
        symbol=form.cleaned_data["symbol"],
    )


def _now(request: HttpRequest, strategy: Any) -> dict[str, Any]:
    runs = run_rows(strategy)
    row = run_chosen(runs, request.GET.get("run"))
    if row is None:
        return {"strategy": strategy, "now": None, "runs": []}
    deployment = deployment_get(request.user, row.deployment_id)
    replay = deployment.portfolio.replay
    until = replay.cursor_at if replay else None
    decision = decision_list(strategy).filter(deployment_id=row.deployment_id).first()
    market = regime_now(deployment.instrument, until=until, timeframe=row.timeframe)
    view = decision_view(decision) if decision else None
    changes = parameter_changes(deployment)
    return {
        "strategy": strategy,
        "now": row,
        "runs": [run for run in runs if run.status != "STOPPED" or run is row],
        "changes": changes,
        "parameter_rows": parameter_rows(view.parameters, changes) if view else [],
        "next_bar": ENDED.get(row.status) or _next_bar(replay, row.timeframe),
        "model": bound_text(strategy.key),
        "market": market,
        "following": next_regime_get(deployment.instrument, row.timeframe, until=until),
        "breaker": breaker_now(deployment),
        "protection": protection_now(deployment),
        "sold": sold_by_hand(deployment),
        "decision": decision,
        "view": view,
        "source": decision_source(decision) if decision else None,
    }


def _next_bar(replay: Any, timeframe: str) -> str:
    """Say when it decides next, for a strategy that has not decided yet."""
    if replay is None:
        return f"It decides when the next {timeframe} bar closes."
    if replay.state != "RUNNING":
        return "The replay stands still: it decides when the next bar is shown."
    seconds = max(round(60 / replay.speed), 1)
    noun = "second" if seconds == 1 else "seconds"
    return f"The next bar closes within {seconds} {noun}: the replay shows {replay.speed} a minute."


def _size(request: HttpRequest, row: DeploymentRow | None) -> dict[str, Any]:
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


# Blocks of the page that refresh on their own: the template of each, and what it shows.
Part = tuple[str, Callable[[HttpRequest, Any], dict[str, Any]]]
PARTS: dict[str, Part] = {
    "now": ("trading/_strategy_now.html", _now),
    "news": ("trading/_decision_news.html", news_context),
}
