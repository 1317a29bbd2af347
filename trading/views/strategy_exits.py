"""Where a page leads when the rules of its strategy are gone: what runs can still be stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from trading.selectors.strategies import StrategyNotInstalled, deployment_now, strategy_of

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, int, P], HttpResponse]


def with_exits(view: View[P]) -> View[P]:
    """Let the refusal of a page without rules lead on."""

    @wraps(view)
    def shown(
        request: HttpRequest, strategy_id: int, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponse:
        try:
            return view(request, strategy_id, *args, **kwargs)
        except StrategyNotInstalled as error:
            error.exits = _exits(request.user, strategy_id)
            raise

    return shown


def _exits(user: Any, strategy_id: int) -> list[tuple[str, str]]:
    strategy = strategy_of(user, strategy_id)
    now = deployment_now(strategy)
    if now is not None and now.status != "STOPPED":
        return [(f"Stop {strategy.name}…", reverse("strategy_stop", args=[strategy.pk]))]
    return [("All strategies", reverse("strategies"))]
