"""Changing the state of a model version from its staff page: a reason, then the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from elson.common.errors import DomainError, NotFound
from trading.models import ModelVersion
from trading.services.models.registry import (
    version_promote,
    version_retire,
    version_rollback,
    version_shadow,
)


@dataclass(frozen=True, slots=True)
class Move:
    """One change a person may ask for: what it is called, means, and from which states it is."""

    label: str
    meaning: str
    states: tuple[str, ...]


MOVES = {
    "shadow": Move(
        "Let it predict in shadow",
        "It predicts every candidate beside the active version and has no say.",
        ("CANDIDATE",),
    ),
    "promote": Move(
        "Promote",
        "It decides from now on; the version that decided so far retires.",
        ("SHADOW",),
    ),
    "retire": Move(
        "Retire",
        "It is no longer used. Without an active version the rules decide alone.",
        ("CANDIDATE", "SHADOW", "ACTIVE"),
    ),
    "rollback": Move(
        "Roll back",
        "The version that decided before decides again; this one retires.",
        ("ACTIVE",),
    ),
}


class VersionMovesMixin:
    """Adds a confirmation page for each change to the admin of model versions."""

    change_form_template: Any = "admin/model_version_change.html"

    def get_urls(self) -> list[Any]:
        """Add the addresses of the confirmation pages."""
        view: Any = self
        address = path(
            "<int:version_id>/move/<str:name>/",
            view.admin_site.admin_view(self.move_view),
            name="trading_modelversion_move",
        )
        return [address, *super().get_urls()]  # type: ignore[misc]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer the changes this version allows to people who may make them."""
        version = kwargs.get("obj")
        if version is not None and self.may_move(request):
            context["moves"] = [
                (name, move.label) for name, move in MOVES.items() if version.state in move.states
            ]
        response: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, context, *args, **kwargs
        )
        return response

    def may_move(self, request: HttpRequest) -> bool:
        """Tell whether this person may change versions; everybody else only reads them."""
        return bool(request.user.has_perm("trading.change_modelversion"))

    def move_view(self, request: HttpRequest, version_id: int, name: str) -> HttpResponse:
        """Ask for a reason, then make the change; a refusal is shown with its numbers."""
        if not self.may_move(request):
            raise PermissionDenied
        version = ModelVersion.objects.filter(pk=version_id).first()
        if version is None or name not in MOVES:
            raise NotFound("change of a model", f"{name} of {version_id}")
        error = ""
        if request.method == "POST":
            try:
                self._move(request, version, name)
            except DomainError as refused:
                error = str(refused)
            else:
                page = reverse("admin:trading_modelversion_change", args=[version.pk])
                return HttpResponseRedirect(page)
        return self._page(request, version, name, error)

    def _move(self, request: HttpRequest, version: ModelVersion, name: str) -> None:
        asked: Any = {
            "actor": request.user,
            "reason": request.POST.get("reason", ""),
            # A staff page is a door, so it may read the clock.
            "now": timezone.now(),  # noqa: TID251
        }
        change = {
            "shadow": version_shadow,
            "promote": version_promote,
            "retire": version_retire,
            "rollback": version_rollback,
        }[name]
        moved = change(version=version, **asked)
        is_waiting = name == "promote" and moved.state != ModelVersion.State.ACTIVE
        text = "A second person must promote it too." if is_waiting else f"{moved}: {moved.state}."
        messages.info(request, text)

    def _page(
        self, request: HttpRequest, version: ModelVersion, name: str, error: str
    ) -> HttpResponse:
        view: Any = self
        move = MOVES[name]
        context = view.admin_site.each_context(request) | {
            "title": f"{move.label}: {version}",
            "version": version,
            "move": move,
            "error": error,
            "reason": request.POST.get("reason", ""),
        }
        return TemplateResponse(
            request, "admin/model_version_move.html", context, status=409 if error else 200
        )
