"""What a person does to a strategy at work: pause, resume, stop, put away and take out again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from elson.common.errors import Conflict, DomainError, NotFound
from trading.selectors.strategies import (
    deployment_get,
    deployment_now,
    strategy_of,
    working_count,
)
from trading.services.deployments import (
    DeploymentInvalid,
    deployment_enter_again,
    deployment_pause,
    deployment_resume,
    deployment_stop,
)
from trading.services.strategies import strategy_archive, strategy_unarchive


@login_required
@require_GET
def strategy_stop(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Ask on a page of its own what the dialog asks: what happens, what does not, keep or close."""
    strategy = strategy_of(request.user, strategy_id)
    now = deployment_now(strategy, request.GET.get("run"))
    context = {
        "strategy": strategy,
        "now": now,
        "n_working": working_count(now),
        "crumbs": [
            {"label": "Strategies", "href": reverse("strategies")},
            {"label": strategy.name, "href": reverse("strategy_detail", args=[strategy.pk])},
        ],
    }
    return render(request, "trading/strategy_stop.html", context)


@login_required
@require_POST
def deployment_action(request: HttpRequest, deployment_id: int, action: str) -> HttpResponse:
    """Pause, resume or stop a strategy at work, or end its wait after a sale by hand."""
    deployment = deployment_get(request.user, deployment_id)
    try:
        _act(deployment, action, closes_position=request.POST.get("closes_position") == "1")
    except (Conflict, DeploymentInvalid) as error:
        messages.error(request, error.message)
    return redirect(_page_of(deployment))


@login_required
@require_POST
def strategy_away(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Archive a strategy that runs nowhere."""
    strategy = strategy_of(request.user, strategy_id)
    try:
        strategy_archive(strategy=strategy)
    except DomainError as error:
        messages.error(request, error.message)
        return redirect("strategy_detail", strategy_id=strategy.pk)
    messages.success(request, f"{strategy.name} is archived; its decisions and orders stay.")
    return redirect("strategies")


@login_required
@require_POST
def strategy_back(request: HttpRequest, strategy_id: int) -> HttpResponse:
    """Take an archived strategy out again; it runs when a version is run."""
    strategy = strategy_unarchive(strategy=strategy_of(request.user, strategy_id))
    messages.success(request, f"{strategy.name} is in your list again; nothing of it runs yet.")
    return redirect("strategy_detail", strategy_id=strategy.pk)


def _page_of(deployment: Any) -> str:
    """Return where the run is read; its strategy's page shows it by itself where it comes first."""
    there = reverse("strategy_detail", args=[deployment.version.strategy_id])
    first = deployment_now(deployment.version.strategy)
    return (
        there if first and first.deployment_id == deployment.pk else f"{there}?run={deployment.pk}"
    )


def _act(deployment: Any, action: str, *, closes_position: bool) -> None:
    if action == "pause":
        deployment_pause(deployment=deployment)
    elif action == "resume":
        deployment_resume(deployment=deployment)
    elif action == "enter-again":
        deployment_enter_again(deployment=deployment, now=timezone.now())
    elif action == "stop":
        deployment_stop(deployment=deployment, closes_position=closes_position, now=timezone.now())
    else:
        raise NotFound("action", action)
