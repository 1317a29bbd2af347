"""What a person does to an optimization: pause, extend, open, take over, repeat."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import MemberRequest
from elson.common.errors import Conflict, DomainError, NotFound
from elson.common.formatting import parse_whole
from trading.selectors.regimes import REGIMES
from trading.selectors.strategies import strategy_list, strategy_of
from trading.selectors.studies import proposal_get, study_get, trial_get
from trading.selectors.versions import parameters_diff, regime_diff
from trading.services.studies.adoption import newest_version, parameters_of, study_apply
from trading.services.studies.holdout import holdout_open, looks_before
from trading.services.studies.renewal import proposal_accept, proposal_reject, repeats_schedule
from trading.services.studies.requests import study_extend, study_pause, study_resume, study_stop
from trading.views.backtest_words import caution_words
from trading.views.study_forms import ExtendForm, HoldoutForm, RepeatForm
from trading.views.study_page import study_render

TOO_LATE = {
    "pause": "The search had already finished; nothing was paused.",
    "resume": "The search had already finished; there was nothing to resume.",
    "stop": "The search had already finished; nothing was stopped.",
}


@login_required
@require_http_methods(["GET", "POST"])
def study_action(request: MemberRequest, study_id: int, action: str) -> HttpResponse:
    """Pause, resume, stop or extend; a search that ended in the meantime says so on its page."""
    row, now = study_get(user_id=request.user.pk, study_id=study_id), timezone.now()
    if request.method == "GET":
        return redirect("study", study_id)
    if action == "extend":
        return _extend(request, row)
    try:
        if action == "pause":
            study_pause(study=row)
        elif action == "resume":
            study_resume(study=row, now=now)
        elif action == "stop":
            study_stop(study=row, now=now)
        else:
            raise Http404
    except Conflict as refused:
        is_late = refused.code == "STUDY_STATE"
        messages.info(request, TOO_LATE[action] if is_late else refused.message)
    return redirect("study", study_id)


def _extend(request: MemberRequest, row: Any) -> HttpResponse:
    """Add trials; what is refused is said at the field of the page."""
    form = ExtendForm(request.POST)
    if form.is_valid():
        try:
            study_extend(study=row, n_trials=form.cleaned_data["n_trials"], now=timezone.now())
        except Conflict as refused:
            messages.info(request, refused.message)
        except DomainError as refused:
            form.refuse(refused)
            return study_render(request, row, form, status=refused.status)
        return redirect("study", row.pk)
    return study_render(request, row, form, status=422)


@login_required
@require_http_methods(["GET", "POST"])
def study_holdout(request: MemberRequest, study_id: int) -> HttpResponse:
    """Say what opening the hold-out means, and open it for one trial when told to, once."""
    row = study_get(user_id=request.user.pk, study_id=study_id)
    if row.holdout is not None:
        return redirect(f"{reverse('study', args=[study_id])}#holdout")
    form = HoldoutForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        try:
            holdout_open(study=row, number=form.cleaned_data["trial"], now=timezone.now())
        except NotFound as refused:
            form.add_error("trial", refused.message)
        except DomainError as refused:
            form.refuse(refused)
        else:
            return redirect(f"{reverse('study', args=[study_id])}#holdout")
    asked = HoldoutForm(initial={"trial": request.GET.get("trial", "")[:20]})
    context = {
        "study": row,
        "form": form or asked,
        "n_looks_before": looks_before(row),
        "crumbs": _crumbs(row),
    }
    status = 422 if form is not None else 200
    return render(request, "trading/study_holdout.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def study_apply_page(request: MemberRequest, study_id: int) -> HttpResponse:
    """Show what a trial would change, and make the draft version when told to."""
    row = study_get(user_id=request.user.pk, study_id=study_id)
    given = request.POST if request.method == "POST" else request.GET
    strategy = _strategy(request, given.get("strategy", ""))
    number, asked = parse_whole(given.get("trial", "")), given.get("trial", "")[:20]
    try:
        trial = trial_get(row, -1 if number is None else number)
    except NotFound:
        said = f"Trial “{asked}” of this search has not finished" if asked else "No trial was named"
        return study_render(
            request, row, fault=f"{said}; choose one of the leaderboard.", status=422
        )
    if request.method == "POST":
        version = study_apply(study=row, number=trial.number, strategy=strategy)
        messages.success(
            request,
            f"Version {version.number} of {version.strategy.name} is a draft; nothing runs it.",
        )
        return redirect("strategy_detail", version.strategy_id)
    return render(
        request, "trading/study_apply.html", _apply_context(request, row, trial, strategy)
    )


def _apply_context(request: MemberRequest, row: Any, trial: Any, strategy: Any) -> dict[str, Any]:
    """Set the trial's parameters beside those in use, and beside each regime's."""
    old = newest_version(strategy) if strategy else None
    before, after = dict(old.parameters) if old else {}, parameters_of(row, trial.number)
    changes = parameters_diff(strategy_key=row.strategy_key, old=before, new=after)
    by_regime = regime_diff(strategy_key=row.strategy_key, old=before, new=after)
    return {
        "study": row,
        "trial": trial,
        "caution": caution_words(row.strategy_key, after),
        "strategy": strategy,
        "old": old,
        "rows": [
            {
                "label": c.label,
                "before": c.old_text,
                "after": c.new_text,
                "because": c.meaning,
            }
            for c in changes
        ],
        "changed": f"{sum(c.is_changed for c in changes)} of {len(changes)} settings",
        "by_regime": by_regime,
        "n_changed_by_regime": sum(change.is_changed for change in by_regime),
        "regime_names": REGIMES,
        "own_strategies": [s for s in strategy_list(request.user) if s.key == row.strategy_key],
        "crumbs": _crumbs(row),
    }


@login_required
@require_http_methods(["GET", "POST"])
def study_repeat(request: MemberRequest, study_id: int) -> HttpResponse:
    """Repeat the search by the clock, or stop repeating it."""
    row = study_get(user_id=request.user.pk, study_id=study_id)
    back = f"{reverse('study', args=[study_id])}#repeat"
    if request.method == "GET":
        return redirect(back)
    own = [s for s in strategy_list(request.user) if s.key == row.strategy_key]
    form = RepeatForm(request.POST, strategies=own)
    if form.is_valid():
        try:
            repeats_schedule(
                study=row,
                strategy=_strategy(request, form.cleaned_data["strategy"]),
                every_days=form.cleaned_data["every_days"],
                now=timezone.now(),
            )
        except DomainError as refused:
            form.refuse(refused)
        else:
            return redirect(back)
    return study_render(request, row, form, status=422)


@login_required
@require_POST
def proposal_action(request: MemberRequest, proposal_id: int, action: str) -> HttpResponse:
    """Accept a proposal as a draft version, or reject it."""
    row = proposal_get(user_id=request.user.pk, proposal_id=proposal_id)
    if action == "accept":
        proposal_accept(proposal=row, now=timezone.now())
    elif action == "reject":
        reason = request.POST.get("reason", "")
        proposal_reject(proposal=row, reason=reason, now=timezone.now())
    else:
        raise Http404
    return redirect("studies")


def _crumbs(row: Any) -> list[dict[str, str]]:
    return [
        {"label": "Optimizations", "href": reverse("studies")},
        {"label": f"#{row.pk}", "href": reverse("study", args=[row.pk])},
    ]


def _strategy(request: MemberRequest, text: str) -> Any:
    number = parse_whole(text)
    return None if number is None else strategy_of(request.user, number)
