"""The page of one optimization, whole, in its live part, and again with what was refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from accounts.requests import MemberRequest
from elson.common.formatting import parse_whole
from elson.common.forms import JudgedForm
from elson.common.listing import wants_fragment
from trading.selectors.strategies import rules_of, strategy_list
from trading.selectors.studies import TRIAL_SORTS, proposal_of, study_get
from trading.selectors.study_maps import counted, points_of
from trading.services.bindings import takes_model
from trading.services.studies.holdout import looks_before
from trading.views.study_context import live_context
from trading.views.study_files import table_response
from trading.views.study_form import study_values
from trading.views.study_forms import ExtendForm, HoldoutForm, RepeatForm
from trading.views.study_proposals import gate_rows

PERCENTS = (100, 50, 25, 10, 5)
MOST_PINS = 10
USUALLY_MORE = 50
FORM_NAMES = {ExtendForm: "extend_form", HoldoutForm: "holdout_form", RepeatForm: "repeat_form"}
# What of the address decides what the live part shows.
KEPT = ("sort", "best", "x", "y", "page", "size")


@login_required
@require_GET
def study(request: MemberRequest, study_id: int) -> HttpResponse:
    """Show a search: how far it is, its leaders, where it is stable, and what is luck.

    `?format=csv` for the leaderboard as sorted and filtered, all of it.
    """
    row = study_get(user_id=request.user.pk, study_id=study_id)
    if request.GET.get("format") == "csv":
        return table_response(row, request.GET.get("table", ""), _chosen(request, row))
    return study_render(request, row)


def study_render(
    request: MemberRequest, row: Any, *refused: JudgedForm, fault: str = "", status: int = 200
) -> HttpResponse:
    """Show the page, with the forms that were refused in place of fresh ones."""
    own = [s for s in strategy_list(request.user) if s.key == row.strategy_key]
    context = {
        "study": row,
        "strategy": rules_of(row.strategy_key).name,
        "n_counted": counted(row),
        "n_looks_before": 0 if row.holdout else looks_before(row),
        "takes_model": takes_model(row.strategy_key),
        "own_strategies": own,
        "fault": fault,
        "proposal": proposal_of(row),
        "change_href": f"{reverse('study_new')}?{urlencode(study_values(row))}",
        "crumbs": [{"label": "Optimizations", "href": reverse("studies")}],
        **live_context(request, row, _chosen(request, row)),
    }
    if context["proposal"]:
        context["gates"] = gate_rows(context["proposal"].gates)
    context |= _forms(row, context["pick"], own)
    context |= {FORM_NAMES[type(form)]: form for form in refused}
    return render(request, "trading/study.html", context, status=status)


def _forms(row: Any, pick: Any, own: Any) -> dict[str, JudgedForm]:
    repeated = {"every_days": row.repeats_every_days or "", "strategy": row.repeats_for_id or ""}
    return {
        "extend_form": ExtendForm(initial={"n_trials": row.n_trials + USUALLY_MORE}),
        "holdout_form": HoldoutForm(initial={"trial": pick.number if pick else ""}),
        "repeat_form": RepeatForm(initial=repeated, strategies=own),
    }


@login_required
@require_GET
def study_live(request: MemberRequest, study_id: int) -> HttpResponse:
    """Show what changed; when the search has ended the browser loads the whole page.

    A part of the search's page; opened alone it leads there.
    """
    row = study_get(user_id=request.user.pk, study_id=study_id)
    if not wants_fragment(request):
        return redirect("study", study_id)
    context = {"study": row, **live_context(request, row, _chosen(request, row))}
    response = render(request, "trading/_study_live.html", context)
    if row.status != request.GET.get("status", row.status) or (
        row.judgement is not None and request.GET.get("judged") == "0"
    ):
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_GET
@gzip_page
def study_points(request: MemberRequest, study_id: int) -> JsonResponse:
    """Return every ranked trial for the parallel coordinates."""
    return JsonResponse(points_of(study_get(user_id=request.user.pk, study_id=study_id)))


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
    pins = request.GET.getlist("pin")[:MOST_PINS]
    kept = [(key, value) for key, value in request.GET.items() if key in KEPT]
    return {
        "sort": sort if sort.lstrip("-") in TRIAL_SORTS else "-objective",
        "percent": float(percent) if percent in PERCENTS else 100.0,
        "percents": PERCENTS,
        "pins": {number for pin in pins if (number := parse_whole(pin)) is not None},
        "x": x,
        "y": y,
        "query": urlencode([*kept, *(("pin", pin) for pin in pins)]),
    }
