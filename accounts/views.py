"""The first page after signing up, and the settings of a person."""

from __future__ import annotations

import datetime as dt
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import services
from accounts.forms import DisplayNameForm, PreferencesForm
from accounts.models import UpDown
from accounts.requests import MemberRequest
from accounts.selectors import UP_DOWN_CSS, profile_get
from elson.common import formatting

# What the sample of a number format shows: an afternoon of the crash that opens the replay.
SAMPLE_AT = dt.datetime(2008, 9, 15, 20, 0, tzinfo=dt.UTC)


@login_required
@require_http_methods(["GET", "POST"])
def onboarding(request: MemberRequest) -> HttpResponse:
    """Ask how the person likes to read; everything is optional and prefilled."""
    profile = profile_get(request.user)
    form = PreferencesForm(request.POST or None, profile=profile)
    if request.method == "POST":
        is_skipped = "skip" in request.POST
        if is_skipped or form.is_valid():
            if not is_skipped:
                services.preferences_update(user=request.user, preferences=form.preferences())
            services.onboarding_finish(user=request.user, now=timezone.now())
            return redirect("/dashboard/?tour=1")
    status = 422 if form.errors else 200
    return render(request, "onboarding.html", _preferences_context(form), status=status)


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: MemberRequest) -> HttpResponse:
    """Show and store name and preferences; sign-in settings are links to their own pages."""
    stored = profile_get(request.user)
    form = PreferencesForm(request.POST or None, profile=stored)
    name_form = DisplayNameForm(request.POST or None, initial={"display_name": stored.display_name})
    if request.method == "POST" and form.is_valid() and name_form.is_valid():
        services.preferences_update(user=request.user, preferences=form.preferences())
        services.profile_rename(
            user=request.user, display_name=name_form.cleaned_data["display_name"]
        )
        messages.success(request, "Settings saved.")
        return redirect("profile")
    context = _preferences_context(form) | {
        "name_form": name_form,
        "email_address": EmailAddress.objects.get_primary(request.user),
        "has_mfa": is_mfa_enabled(request.user),
    }
    status = 422 if form.errors or name_form.errors else 200
    return render(request, "accounts/profile.html", context, status=status)


@login_required
@require_GET
def preferences_sample(request: MemberRequest) -> HttpResponse:
    """Show numbers and times as the chosen format would write them, before it is stored."""
    return render(
        request,
        "accounts/_sample.html",
        _sample(request.GET.get("number_format", ""), request.GET.get("time_zone", "")),
    )


@login_required
@require_POST
def checklist_dismiss(request: MemberRequest) -> HttpResponse:
    """Put the checklist of the dashboard away."""
    services.checklist_dismiss(user=request.user, now=timezone.now())
    if request.htmx:
        return HttpResponse("")
    return redirect("/dashboard/")


def _preferences_context(form: PreferencesForm) -> dict[str, Any]:
    chosen = form["up_down"].value()
    swatches = [
        {"value": value, "label": label, "css": UP_DOWN_CSS[UpDown(value)], "on": value == chosen}
        for value, label in UpDown.choices
    ]
    sample = _sample(str(form["number_format"].value()), str(form["time_zone"].value()))
    return {"form": form, "swatches": swatches} | sample


def _sample(number_format: str, time_zone: str) -> dict[str, Any]:
    with formatting.use(number_format, time_zone):
        pairs = [
            ("Money", formatting.money(100_000)),
            ("Gain", f"{formatting.signed_money(1204.1)} ({formatting.signed_percent(0.012041)})"),
            ("Loss", f"{formatting.signed_money(-38.5)} ({formatting.signed_percent(-0.000385)})"),
            ("Moment", formatting.when(SAMPLE_AT)),
        ]
    return {"sample": [{"label": label, "value": value} for label, value in pairs]}
