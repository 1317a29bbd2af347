"""Asking for a training from the staff pages of trainings."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from elson.common.errors import DomainError
from trading.models import ModelTraining
from trading.services.models.training import training_request
from trading.views.form_keys import form_key

KINDS = list(ModelTraining._meta.get_field("kind").choices or ())


class TrainingDoorsMixin:
    """Adds a page to ask for a training."""

    change_list_template: Any = "admin/training_change_list.html"

    def get_urls(self) -> list[Any]:
        """Add the address, before the one that takes any word as a row."""
        view: Any = self
        wrap = view.admin_site.admin_view
        return [
            path("new/", wrap(self.new_view), name="trading_modeltraining_new"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Offer a new training to people who may ask for one."""
        may = request.user.has_perm("trading.add_modeltraining")
        extra = {**(extra_context or {}), "may_train": may}
        answer: HttpResponse = super().changelist_view(request, extra)  # type: ignore[misc]
        return answer

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for kind and note, then for the training; one click asks once."""
        if not request.user.has_perm("trading.add_modeltraining"):
            raise PermissionDenied
        error = ""
        if request.method == "POST":
            try:
                training = training_request(
                    kind=request.POST.get("kind", ""),
                    note=request.POST.get("note", "")[:200],
                    requested_by=request.user,  # type: ignore[arg-type]
                    client_key=form_key(request.POST.get("client_key", ""), request.POST.dict()),
                    # A staff page is a door, so it may read the clock.
                    now=timezone.now(),  # noqa: TID251
                )
            except DomainError as refused:
                error = str(refused)
            else:
                messages.info(request, f"Training #{training.pk} is queued.")
                page = reverse("admin:trading_modeltraining_change", args=[training.pk])
                return HttpResponseRedirect(page)
        view: Any = self
        context = view.admin_site.each_context(request) | {
            "title": "Train a new version",
            "kinds": KINDS,
            "kind": request.POST.get("kind", KINDS[0][0]),
            "note": request.POST.get("note", ""),
            "client_key": secrets.token_hex(16),
            "error": error,
        }
        status = 422 if error else 200
        return TemplateResponse(request, "admin/training_new.html", context, status=status)
