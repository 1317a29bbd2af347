"""Optimizations: the list, setting one up, watching it, choosing, taking parameters over."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import MemberRequest
from elson.common.errors import Conflict, DomainError
from elson.common.formatting import parse_whole
from elson.common.listing import csv_response, page_of, wants_fragment
from trading.selectors.regimes import REGIMES
from trading.selectors.strategies import rules_of, strategy_list, strategy_of
from trading.selectors.studies import (
    STATUSES,
    TRIAL_SORTS,
    proposal_get,
    proposals_open,
    study_get,
    study_list,
    trial_get,
    usual_trial_seconds,
)
from trading.selectors.versions import parameters_diff, regime_diff
from trading.services.bindings import takes_model
from trading.services.studies.adoption import (
    newest_version,
    parameters_of,
    study_apply,
)
from trading.services.studies.drafts import StudyInvalid, study_draft_read
from trading.services.studies.holdout import holdout_open, looks_before
from trading.services.studies.renewal import proposal_accept, proposal_reject, repeats_schedule
from trading.services.studies.requests import (
    study_extend,
    study_pause,
    study_quota,
    study_request,
    study_resume,
    study_stop,
    study_warning,
)
from trading.views.backtest_coverage import cost_words
from trading.views.form_keys import form_key
from trading.views.study_context import counted, list_row, live_context, points_of
from trading.views.study_files import table_response
from trading.views.study_form import StudyForm, request_values, study_form_for

PERCENTS = (100, 50, 25, 10, 5)
MOST_PINS = 10
TOO_LATE = {
    "pause": "The search had already finished; nothing was paused.",
    "resume": "The search had already finished; there was nothing to resume.",
    "stop": "The search had already finished; nothing was stopped.",
}
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
    chosen = {"search": request.GET.get("search", "")[:80], "status": request.GET.get("status", "")}
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
        "proposals": proposals_open(user_id=request.user.pk),
    }
    part = "trading/_studies_table.html" if request.htmx else "trading/studies.html"
    return render(request, part, context)


@login_required
@require_http_methods(["GET", "POST"])
def study_new(request: MemberRequest) -> HttpResponse:
    """Set a search up from the URL, or start it."""
    if request.method == "POST":
        return _start(request)
    part = "trading/_study_fields.html" if request.htmx else "trading/study_new.html"
    return _form_page(request, study_form_for(request.GET.dict()), template=part)


def _start(request: MemberRequest) -> HttpResponse:
    form = study_form_for(request.POST.dict(), is_bound=True)
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


@login_required
@require_GET
def study(request: MemberRequest, study_id: int) -> HttpResponse:
    """Show a search: how far it is, its leaders, where it is stable, and what is luck.

    `?format=csv` for the leaderboard as sorted and filtered, all of it.
    """
    row = study_get(user_id=request.user.pk, study_id=study_id)
    chosen = _chosen(request, row)
    if request.GET.get("format") == "csv":
        return table_response(row, request.GET.get("table", ""), chosen)
    context = {
        "study": row,
        "strategy": rules_of(row.strategy_key).name,
        "n_counted": counted(row),
        "n_looks_before": 0 if row.holdout else looks_before(row),
        "takes_model": takes_model(row.strategy_key),
        "own_strategies": [s for s in strategy_list(request.user) if s.key == row.strategy_key],
        "crumbs": [{"label": "Optimizations", "href": reverse("studies")}],
        **live_context(row, chosen),
    }
    return render(request, "trading/study.html", context)


@login_required
@require_GET
def study_live(request: MemberRequest, study_id: int) -> HttpResponse:
    """Show what changed; when the search has ended the browser loads the whole page.

    A part of the search's page; opened alone it leads there.
    """
    row = study_get(user_id=request.user.pk, study_id=study_id)
    if not wants_fragment(request):
        return redirect("study", study_id)
    context = {"study": row, **live_context(row, _chosen(request, row))}
    response = render(request, "trading/_study_live.html", context)
    if row.status != request.GET.get("status", row.status) or (
        row.judgement is not None and request.GET.get("judged") == "0"
    ):
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_GET
def study_points(request: MemberRequest, study_id: int) -> JsonResponse:
    """Return every ranked trial for the parallel coordinates."""
    return JsonResponse(points_of(study_get(user_id=request.user.pk, study_id=study_id)))


@login_required
@require_POST
def study_action(request: MemberRequest, study_id: int, action: str) -> HttpResponse:
    """Pause, resume, stop or extend; a search that ended in the meantime says so on its page."""
    row, now = study_get(user_id=request.user.pk, study_id=study_id), timezone.now()
    try:
        if action == "pause":
            study_pause(study=row)
        elif action == "resume":
            study_resume(study=row, now=now)
        elif action == "stop":
            study_stop(study=row, now=now)
        elif action == "extend":
            study_extend(study=row, n_trials=_whole(request.POST.get("n_trials", "")), now=now)
        else:
            raise Http404
    except Conflict as refused:
        is_late = refused.code == "STUDY_STATE"
        messages.info(request, TOO_LATE[action] if is_late else refused.message)
    return redirect("study", study_id)


@login_required
@require_POST
def study_holdout(request: MemberRequest, study_id: int) -> HttpResponse:
    """Open the hold-out for one trial; it opens once."""
    row = study_get(user_id=request.user.pk, study_id=study_id)
    holdout_open(study=row, number=_whole(request.POST.get("trial", "")), now=timezone.now())
    return redirect(f"{reverse('study', args=[study_id])}#holdout")


@login_required
@require_http_methods(["GET", "POST"])
def study_apply_page(request: MemberRequest, study_id: int) -> HttpResponse:
    """Show what a trial would change, and make the draft version when told to."""
    row = study_get(user_id=request.user.pk, study_id=study_id)
    given = request.POST if request.method == "POST" else request.GET
    number = _whole(given.get("trial", ""))
    strategy = _strategy(request, given.get("strategy", ""))
    if request.method == "POST":
        version = study_apply(study=row, number=number, strategy=strategy)
        messages.success(
            request,
            f"Version {version.number} of {version.strategy.name} is a draft; nothing runs it.",
        )
        return redirect("strategy_detail", version.strategy_id)
    trial = trial_get(row, number)
    old = newest_version(strategy) if strategy else None
    before, after = dict(old.parameters) if old else {}, parameters_of(row, number)
    changes = parameters_diff(strategy_key=row.strategy_key, old=before, new=after)
    by_regime = regime_diff(strategy_key=row.strategy_key, old=before, new=after)
    context = {
        "study": row,
        "trial": trial,
        "strategy": strategy,
        "old": old,
        "rows": [
            {
                "label": c.label,
                "before": c.absent if c.old is None else c.old,
                "after": c.absent if c.new is None else c.new,
                "because": c.meaning,
            }
            for c in changes
        ],
        "changed": f"{sum(c.is_changed for c in changes)} of {len(changes)} settings",
        "by_regime": by_regime,
        "n_changed_by_regime": sum(change.is_changed for change in by_regime),
        "regime_names": REGIMES,
        "own_strategies": [s for s in strategy_list(request.user) if s.key == row.strategy_key],
        "crumbs": [
            {"label": "Optimizations", "href": reverse("studies")},
            {"label": f"#{row.pk}", "href": reverse("study", args=[row.pk])},
        ],
    }
    return render(request, "trading/study_apply.html", context)


@login_required
@require_POST
def study_repeat(request: MemberRequest, study_id: int) -> HttpResponse:
    """Repeat the search by the clock, or stop repeating it."""
    row = study_get(user_id=request.user.pk, study_id=study_id)
    days = request.POST.get("every_days", "")
    repeats_schedule(
        study=row,
        strategy=_strategy(request, request.POST.get("strategy", "")),
        every_days=_whole(days) if days else None,
        now=timezone.now(),
    )
    return redirect(f"{reverse('study', args=[study_id])}#repeat")


@login_required
@require_POST
def proposal_action(request: MemberRequest, proposal_id: int, action: str) -> HttpResponse:
    """Accept a proposal as a draft version, or reject it."""
    row = proposal_get(user_id=request.user.pk, proposal_id=proposal_id)
    if action == "accept":
        proposal_accept(proposal=row, now=timezone.now())
    elif action == "reject":
        proposal_reject(proposal=row, now=timezone.now())
    else:
        raise Http404
    return redirect("studies")


def _chosen(request: MemberRequest, row: Any) -> dict[str, Any]:
    """Read order, filter, pins and the two parameters of the heatmap from the URL."""
    names = list(row.space)
    x = request.GET.get("x", "")
    x = x if x in names else names[0]
    others = [name for name in names if name != x]
    y = request.GET.get("y", "")
    y = y if y in others else others[0] if others else x
    sort = request.GET.get("sort", "-objective")
    percent = parse_whole(request.GET.get("best", ""))
    pins = [parse_whole(pin) for pin in request.GET.getlist("pin")[:MOST_PINS]]
    return {
        "sort": sort if sort.lstrip("-") in TRIAL_SORTS else "-objective",
        "percent": float(percent) if percent in PERCENTS else 100.0,
        "percents": PERCENTS,
        "pins": {pin for pin in pins if pin is not None},
        "x": x,
        "y": y,
        "query": urlencode(
            [
                (key, value)
                for key, value in request.GET.items()
                if key in ("sort", "best", "x", "y")
            ]
            + [("pin", pin) for pin in request.GET.getlist("pin")[:MOST_PINS]]
        ),
    }


def _strategy(request: MemberRequest, text: str) -> Any:
    number = parse_whole(text)
    return None if number is None else strategy_of(request.user, number)


def _whole(text: str) -> int:
    number = parse_whole(text)
    if number is None:
        raise DomainError("NUMBER_INVALID", f"{text[:20]!r} is not a whole number.")
    return number
