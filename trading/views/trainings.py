"""Calling a training off; the page of models shows how far it is."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.requests import MemberRequest
from trading.selectors.model_trainings import training_get
from trading.services.models.training import training_cancel_by


@login_required
@require_POST
def training_stop(request: MemberRequest, training_id: int) -> HttpResponse:
    """Call it off and say what became of it; one that has ended stays as it is."""
    row = training_cancel_by(
        user=request.user, training=training_get(training_id), now=timezone.now()
    )
    said = {
        "CANCELED": f"Training #{row.pk} is canceled.",
        "RUNNING": f"Training #{row.pk} stops at its next step; nothing of it is stored.",
    }
    ended = f"Training #{row.pk} had already ended; nothing was canceled."
    messages.info(request, said.get(row.status, ended))
    return redirect("models")
