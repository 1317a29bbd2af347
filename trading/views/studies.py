"""Optimizations: the list, setting one up, watching it, choosing, taking parameters over."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.requests import MemberRequest
from elson.common.errors import DomainError
from elson.common.listing import csv_response, page_of
from trading.selectors.strategies import version_get
from trading.selectors.studies import (
    STATUSES,
    proposals_open,
    study_list,
    usual_trial_seconds,
)
from trading.services.studies.drafts import StudyInvalid, study_draft_read
from trading.services.studies.requests import (
    study_quota,
    study_request,
    study_warning,
)
from trading.views.backtest_address import searched_values
from trading.views.backtest_coverage import cost_words, slippage_words
from trading.views.form_keys import form_key
from trading.views.study_context import list_row
from trading.views.study_form import StudyForm, request_values, sent_values, study_form_for
from trading.views.study_proposals import gate_rows

LIST_COLUMNS = (
    ("id", lambda r: r["study"].pk),
    ("strategy", lambda r: r["study"].strategy_key),
    ("symbol", lambda r: r["study"].instrument.symbol),
    ("method", lambda r: r["study"].method),
    ("status", lambda r: r["study"].status),
    ("n_trials", lambda r: r["study"].n_trials),
    ("n_done", lambda r: r["study"].n_done),
    ("deflated_sharpe_ratio", lambda r: r["deflated"]),
    ("probability_of_overfitting", lambda r: r["pbo"]),
    ("note", lambda r: r["study"].note),
    ("created_at", lambda r: r["study"].created_at.isoformat()),
)


@login_required
@require_GET
def studies(request: MemberRequest) -> HttpResponse:
    """Every search of this person, filtered and sorted; `?format=csv` for the filtered set."""
    chosen: dict[str, Any] = {
        "search": request.GET.get("search", "")[:80],
        "status": request.GET.get("status", ""),
    }
    found = study_list(user_id=request.user.pk, sort=request.GET.get("sort", "-created"), **chosen)
    if request.GET.get("format") == "csv":
        rows = (list_row(study) for study in found)
        return csv_response("optimizations.csv", LIST_COLUMNS, rows)
    page = page_of(request, found)
    context = {
        "page": page,
        "rows": [list_row(study) for study in page.object_list],
        "chosen": chosen,
        "statuses": STATUSES,
        "is_filtered": any(chosen.values()),
        "quota": study_quota(user=request.user, now=timezone.now()),
        "proposals": [
            (row, gate_rows(row.gates)) for row in proposals_open(user_id=request.user.pk)
        ],
    }
    part = "trading/_studies_table.html" if request.htmx else "trading/studies.html"
    return render(request, part, context)


@login_required
@require_http_methods(["GET", "POST"])
def study_new(request: MemberRequest) -> HttpResponse:
    """Set a search up from the URL, or start it."""
    if request.method == "POST":
        return _start(request)
    values = sent_values(request.GET)
    if version := values.pop("version", ""):
        values = searched_values(version_get(request.user, version)) | values
    form = study_form_for(values)
    if request.htmx and request.GET.get("part") == "estimate":
        context = {"estimate": _estimate(request, form)}
        return render(request, "trading/_study_estimate.html", context)
    part = "trading/_study_fields.html" if request.htmx else "trading/study_new.html"
    return _form_page(request, form, template=part)


def _start(request: MemberRequest) -> HttpResponse:
    form = study_form_for(sent_values(request.POST), is_bound=True)
    if form.is_valid() and form.study_draft is not None:
        try:
            found = study_request(
                user=request.user,
                draft=form.study_draft,
                now=timezone.now(),
                client_key=form_key(form.cleaned_data["client_key"], form.data),
            )
        except DomainError as error:
            if error.status not in (422, 429):
                raise
            form.refuse(error)
        else:
            return redirect("study", found.pk)
    return _form_page(request, form, status=422)


def _form_page(
    request: MemberRequest,
    form: StudyForm,
    *,
    status: int = 200,
    template: str = "trading/study_new.html",
) -> HttpResponse:
    quota = study_quota(user=request.user, now=timezone.now())
    context = {
        "form": form,
        "spec": form.spec,
        "rows": form.space_rows(),
        "cost_words": cost_words(form),
        "slippage_words": slippage_words(form),
        "quota": quota,
        "estimate": _estimate(request, form),
    }
    return render(request, template, context, status=status)


def _estimate(request: MemberRequest, form: StudyForm) -> dict[str, Any]:
    """Count combinations and warn of luck, as far as the form can be read."""
    values = {name: form[name].value() for name in form.fields}
    values["is_free_confirmed"] = "on"
    try:
        draft = study_draft_read(request_values(values, form.spec))
        warning = study_warning(user=request.user, draft=draft)
    except StudyInvalid as error:
        return {"fault": error.message}
    seconds = usual_trial_seconds(
        strategy_key=draft.base.strategy_key, timeframe=draft.base.timeframe
    )
    return {
        "n_combinations": draft.space.n_combinations,
        "warning": warning,
        "seconds": None if seconds is None else seconds * draft.n_trials,
    }
