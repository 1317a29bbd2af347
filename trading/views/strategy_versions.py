"""Versions of a strategy: edit into a new one, put one to work."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from elson.common.errors import DomainError
from elson.common.listing import wants_fragment
from marketdata.selectors import instrument_get
from trading.engine.adaptive_grid import GridRow
from trading.engine.strategies.base import StrategySpec
from trading.forms import PARAMETER_PREFIX, RunForm, terms_initial
from trading.selectors.parameter_words import parameter_label, parameter_text
from trading.selectors.portfolios import account_limits, portfolio_get
from trading.selectors.strategies import (
    rules_of,
    strategy_of,
    strategy_version,
    versions_at_work,
)
from trading.selectors.versions import (
    ParameterChange,
    adaptive_words,
    parameters_diff,
    regime_grid,
    terms_diff,
)
from trading.services.backtests.drafts import costs_read
from trading.services.deployments import deployment_start
from trading.services.own_limits import limits_read
from trading.services.quotas import running_quota
from trading.services.strategies import parameters_resolve, strategy_revise
from trading.views.strategy_exits import with_exits
from trading.views.strategy_form import VersionForm
from trading.views.strategy_tracking import (
    DEFAULT_CAPITAL,
    preview_context,
    preview_part,
    symbol_of,
)

# A version, whether it is there for it runs, and what a draft changes of it.
Compared = tuple[Any, bool, list[ParameterChange]]


@login_required
@with_exits
def strategy_edit(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Change parameters, see what differs, and keep it as the next version."""
    strategy = strategy_of(request.user, strategy_id)
    base = strategy_version(strategy, request.GET.get("version"))
    spec = rules_of(strategy.key)
    rows = regime_grid(strategy.key, base.parameters)
    form = _version_form(request, spec, rows, base)
    compared: list[Compared] = []
    preview: dict[str, Any] = {}
    intent = request.POST.get("intent")
    if request.method == "POST" and form.is_valid():
        try:
            if intent not in ("compare", "preview"):
                return _save(request, strategy, form)
            compared = _compared(base, form)
            if intent == "preview":
                preview = _preview(request, base, form)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
    if intent == "preview" and wants_fragment(request):
        return preview_part(request, form, preview)
    context = {
        "preview_symbols": symbol_of(strategy),
        "preview_capital": DEFAULT_CAPITAL,
        **preview,
        "strategy": strategy,
        "spec": spec,
        "version": base,
        "form": form,
        "compared": compared,
        "adaptive": form.adaptive_rows(),
        "adaptive_words": adaptive_words(strategy.key, base.parameters),
        "crumbs": _crumbs(strategy),
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "trading/strategy_edit.html", context, status=status)


@login_required
@with_exits
def version_run(request: HttpRequest, strategy_id: int, number: int) -> HttpResponse:
    """Put a version to work on one instrument; a draft is one no more."""
    strategy = strategy_of(request.user, strategy_id)
    version = strategy_version(strategy, number)
    form = RunForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _run(request, version, form)
        except DomainError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
    context = {
        "strategy": strategy,
        "version": version,
        "spec": rules_of(strategy.key),
        "parameters": [
            (parameter_label(name), parameter_text(name, value))
            for name, value in version.parameters.items()
        ],
        "form": form,
        "quota": running_quota(user=request.user, now=timezone.now()),
        "crumbs": _crumbs(strategy),
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "trading/version_run.html", context, status=status)


def _version_form(
    request: HttpRequest, spec: StrategySpec, rows: list[GridRow], base: Any
) -> VersionForm:
    initial = {PARAMETER_PREFIX + name: value for name, value in base.parameters.items()}
    initial |= terms_initial(base.limits, base.costs) | {"name": base.strategy.name}
    account = account_limits(request.user)
    return VersionForm(spec, rows, request.POST or None, initial=initial, account=account)


def _compared(base: Any, form: VersionForm) -> list[Compared]:
    """Compare what was typed with the version it began from, and with others that run."""
    running = [version for version in versions_at_work(base.strategy) if version.pk != base.pk]
    return [
        (version, version.pk != base.pk, _changes(version, form)) for version in (base, *running)
    ]


def _changes(base: Any, form: VersionForm) -> list[ParameterChange]:
    """Compare what was typed with a version of the strategy."""
    parameters = parameters_resolve(key=base.strategy.key, parameters=form.parameters())
    changes = parameters_diff(strategy_key=base.strategy.key, old=base.parameters, new=parameters)
    changes += terms_diff(
        old=base,
        limits=limits_read(form.limits(), form.account),
        costs=costs_read(form.costs()),
    )
    name = ParameterChange("name", "Name", base.strategy.name, form.new_name(), is_typed=True)
    return [change for change in (name, *changes) if change.is_changed]


def _preview(request: HttpRequest, base: Any, form: VersionForm) -> dict[str, Any]:
    """Compute what the typed draft would hold now; nothing is stored."""
    return preview_context(
        request,
        request.POST,
        strategy_key=base.strategy.key,
        parameters=parameters_resolve(key=base.strategy.key, parameters=form.parameters()),
        limits=limits_read(form.limits(), form.account),
        costs=costs_read(form.costs()),
        symbol=symbol_of(base.strategy),
    )


def _save(request: HttpRequest, strategy: Any, form: VersionForm) -> HttpResponse:
    before, name = strategy_version(strategy).number, strategy.name
    version = strategy_revise(
        strategy=strategy,
        name=form.new_name(),
        parameters=form.parameters(),
        limits=form.limits(),
        costs=form.costs(),
        note=form.cleaned_data["note"],
    )
    if version.strategy.name != name:
        messages.success(request, f"{name} is now named {version.strategy.name}.")
    if version.number != before:
        messages.success(
            request, f"Version {version.number} is a draft; what runs keeps its version."
        )
    elif version.strategy.name == name:
        messages.info(request, f"Nothing differs from version {before}; no version was made.")
    return redirect("strategy_detail", strategy_id=strategy.pk)


def _run(request: HttpRequest, version: Any, form: RunForm) -> HttpResponse:
    deployment_start(
        version=version,
        portfolio=portfolio_get(request.user),
        instrument=instrument_get(form.cleaned_data["symbol"]),
        capital=form.cleaned_data["capital"],
        client_key=form.cleaned_data["client_key"],
        now=timezone.now(),
    )
    return redirect("strategy_detail", strategy_id=version.strategy_id)


def _crumbs(strategy: Any) -> list[dict[str, Any]]:
    return [
        {"label": "Strategies", "href": reverse("strategies")},
        {"label": strategy.name, "href": reverse("strategy_detail", args=[strategy.pk])},
    ]
