"""Backtests: the list, setting one up, watching it, judging it."""

from __future__ import annotations

import uuid
from statistics import fmean
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.requests import MemberRequest
from elson.common.errors import Conflict, DomainError, NotFound
from elson.common.formatting import parse_whole
from elson.common.listing import csv_response, page_of, wants_fragment
from trading.api.backtests import TRADE_COLUMNS
from trading.selectors.backtests import (
    STATUSES,
    backtest_get,
    backtest_list,
    strategies_tested,
    tags_used,
    usual_seconds,
)
from trading.selectors.strategies import rule_name, version_get
from trading.serializers.backtests import BacktestResultSerializer
from trading.services.backtests.comparison import compare_limit
from trading.services.backtests.drafts import BacktestInvalid
from trading.services.backtests.requests import (
    backtest_cancel,
    backtest_describe,
    backtest_quota,
    backtest_report,
    backtest_request,
    backtest_rerun,
    draft_of,
)
from trading.views.backtest_address import url_values, version_values
from trading.views.backtest_chart import chart_context
from trading.views.backtest_context import TABS, result_context
from trading.views.backtest_coverage import cost_words, coverage_bar, slippage_words
from trading.views.backtest_files import TABLES, table_response
from trading.views.backtest_form import (
    DEFAULT_STRATEGY,
    BacktestForm,
    ReportForm,
    WordsForm,
    form_for,
)
from trading.views.backtest_progress import run_context
from trading.views.backtest_rows import list_rows
from trading.views.backtest_split import split_context
from trading.views.backtest_trades import trade_rows
from trading.views.form_keys import form_key

EXAMPLE = {
    "strategy_key": DEFAULT_STRATEGY,
    "symbol": "SPX",
    "has_regime_costs": "on",
    "slippage_bps": "2",
}


def _outside(row: dict[str, Any], name: str) -> Any:
    """Return a figure of the part kept out of sample; nothing where none was."""
    judged = row["judged"]
    if judged is None or not judged.is_out_of_sample:
        return None
    return judged.sharpe_ratio if name == "sharpe_ratio" else judged.figures.get(name)


LIST_COLUMNS = (
    ("id", lambda r: r["backtest"].pk),
    ("strategy", lambda r: r["backtest"].strategy_key),
    ("symbol", lambda r: " ".join(r["symbols"])),
    ("timeframe", lambda r: r["backtest"].timeframe),
    ("from", lambda r: r["first_on"]),
    ("to", lambda r: r["last_on"]),
    ("status", lambda r: r["backtest"].status),
    ("out_of_sample_return", lambda r: _outside(r, "total_return")),
    ("out_of_sample_sharpe_ratio", lambda r: _outside(r, "sharpe_ratio")),
    ("out_of_sample_max_drawdown", lambda r: _outside(r, "max_drawdown")),
    ("out_of_sample_round_trips", lambda r: _outside(r, "n_round_trips")),
    ("beats_random_entries", lambda r: r["beats_null"]),
    ("out_of_sample_cost_share", lambda r: _outside(r, "cost_share")),
    ("whole_span_return", lambda r: r["whole"].get("total_return")),
    ("whole_span_max_drawdown", lambda r: r["whole"].get("max_drawdown")),
    ("whole_span_round_trips", lambda r: r["whole"].get("n_round_trips")),
    ("seconds", lambda r: r["seconds"]),
    ("tags", lambda r: ", ".join(tag.name for tag in r["backtest"].tags.all())),
    ("note", lambda r: r["backtest"].note),
    ("created_at", lambda r: r["backtest"].created_at.isoformat()),
)


@login_required
@require_GET
def backtests(request: MemberRequest) -> HttpResponse:
    """Every run of this person, filtered and sorted; `?format=csv` for the filtered set."""
    names = ("status", "strategy", "luck", "tag")
    chosen = {name: request.GET.get(name, "")[:60] for name in names}
    chosen["search"] = request.GET.get("search", "")[:80]
    found = backtest_list(
        user_id=request.user.pk, sort=request.GET.get("sort", "-created"), **chosen
    )
    if request.GET.get("format") == "csv":
        return csv_response("backtests.csv", LIST_COLUMNS, list_rows(found))
    page = page_of(request, found)
    context = {
        "page": page,
        "rows": list_rows(page.object_list),
        "chosen": chosen,
        "statuses": STATUSES,
        "strategies": [(key, rule_name(key)) for key in strategies_tested(user_id=request.user.pk)],
        "tags": tags_used(user_id=request.user.pk),
        "compare_limit": compare_limit(user=request.user, now=timezone.now()),
        "is_filtered": any(chosen.values()),
        "quota": backtest_quota(user=request.user, now=timezone.now()),
        "example_href": f"{reverse('backtest_new')}?{urlencode(EXAMPLE)}",
    }
    part = "trading/_backtests_table.html" if request.htmx else "trading/backtests.html"
    return render(request, part, context)


@login_required
@require_http_methods(["GET", "POST"])
def backtest_new(request: MemberRequest) -> HttpResponse:
    """Set a run up from the URL, or start it."""
    if request.method == "POST":
        return _start(request)
    values = request.GET.dict()
    if earlier := values.pop("from", ""):
        values = url_values(draft_of(_own(request, earlier))) | values
    if version := values.pop("version", ""):
        values = version_values(version_get(request.user, version)) | values
    part = "trading/_backtest_fields.html" if request.htmx else "trading/backtest_new.html"
    return _form_page(request, form_for(values), template=part)


def _start(request: MemberRequest) -> HttpResponse:
    form = form_for(request.POST.dict(), is_bound=True)
    if form.is_valid() and form.draft is not None:
        try:
            backtest = backtest_request(
                user=request.user,
                draft=form.draft,
                now=timezone.now(),
                client_key=form_key(form.cleaned_data["client_key"], form.data),
            )
        except DomainError as error:
            if error.status != 422:
                raise
            form.refuse(error)
        else:
            return redirect("backtest", backtest.pk)
    return _form_page(request, form, status=422)


def _form_page(
    request: MemberRequest,
    form: BacktestForm,
    *,
    status: int = 200,
    template: str = "trading/backtest_new.html",
) -> HttpResponse:
    context = {
        "form": form,
        "spec": form.spec,
        "bar": coverage_bar(form),
        "cost_words": cost_words(form),
        "slippage_words": slippage_words(form),
        "quota": backtest_quota(user=request.user, now=timezone.now()),
        "usual_seconds": usual_seconds(),
        "tags_used": tags_used(user_id=request.user.pk),
    }
    return render(request, template, context, status=status)


@login_required
@require_GET
def backtest(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Show a run: its progress, why it ended, or one tab of its result."""
    row = _own(request, backtest_id)
    context = _head(row)
    if row.status != "SUCCEEDED":
        context |= run_context(row, timezone.now())
        return render(request, "trading/backtest_run.html", context)
    if request.GET.get("format") == "json":
        return _json(row)
    tab = request.GET.get("tab", "overview")
    tab = tab if tab in dict(TABS) else "overview"
    if tab == "trades":
        return _trades(request, row, context)
    if request.GET.get("format") == "csv" and tab in TABLES:
        return table_response(row, tab, request.GET.dict())
    context |= result_context(row, tab)
    if tab == "chart":
        context |= chart_context(row, request.GET.dict())
    if tab == "metrics":
        context |= split_context(row, request.GET.get("split", ""))
        if request.htmx:
            return render(request, "trading/_backtest_split.html", context)
    return render(request, f"trading/backtest_{tab}.html", context | _tabs(row, tab))


def _json(row: Any) -> HttpResponse:
    """Send the whole result as the API writes it, as a file."""
    response = JsonResponse(BacktestResultSerializer(row.result).data)
    response["Content-Disposition"] = f'attachment; filename="backtest-{row.pk}.json"'
    return response


def _trades(request: MemberRequest, row: Any, context: dict[str, Any]) -> HttpResponse:
    """List the round trips, filtered and sorted; `?format=csv` for the same set."""
    chosen = {name: request.GET.get(name, "") for name in ("regime", "part", "sort")}
    trips = trade_rows(row.result.round_trips, **chosen)
    if request.GET.get("format") == "csv":
        return csv_response(f"backtest-{row.pk}-trades.csv", TRADE_COLUMNS, trips)
    context |= {"page": page_of(request, trips), "regime_chosen": chosen["regime"]}
    context |= {
        "part": chosen["part"],
        "return_percents": [100.0 * trip["return_ratio"] for trip in trips],
        "bars_held": [trip["bars_held"] for trip in trips],
        "mean_percent": 100.0 * fmean(trip["return_ratio"] for trip in trips) if trips else None,
        "mean_held": fmean(trip["bars_held"] for trip in trips) if trips else None,
    }
    context |= {"result": row.result, "is_filtered": bool(chosen["regime"] or chosen["part"])}
    return render(request, "trading/backtest_trades.html", context | _tabs(row, "trades"))


@login_required
@require_GET
def backtest_progress(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Show how far a run is; once it has ended the browser is told to load the whole page.

    A part of the run's page; opened alone it leads there.
    """
    row = _own(request, backtest_id)
    if not wants_fragment(request):
        return redirect("backtest", backtest_id)
    context = {"backtest": row, **run_context(row, timezone.now())}
    response = render(request, "trading/_backtest_progress.html", context)
    if row.status not in ("QUEUED", "RUNNING"):
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_http_methods(["GET", "POST"])
def backtest_words(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Change a run's note and tags."""
    row = _own(request, backtest_id)
    earlier = {"note": row.note, "tags": ", ".join(tag.name for tag in row.tags.all())}
    form = WordsForm(request.POST if request.method == "POST" else None, initial=earlier)
    if request.method == "POST" and form.is_valid():
        try:
            backtest_describe(backtest=row, **form.cleaned_data)
        except BacktestInvalid as error:
            form.refuse(error)
        else:
            return redirect("backtest", backtest_id)
    context = {"form": form, "tags_used": tags_used(user_id=request.user.pk), **_head(row)}
    status = 422 if form.errors else 200
    return render(request, "trading/backtest_words.html", context, status=status)


@login_required
@require_POST
def backtest_stop(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Call a run off; one that ended in the meantime says so on its own page."""
    try:
        backtest_cancel(backtest=_own(request, backtest_id), now=timezone.now())
    except Conflict:
        messages.info(request, "The run had already finished; nothing was canceled.")
    return redirect("backtest", backtest_id)


@login_required
@require_POST
def backtest_failure(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Report a run that failed."""
    row = _own(request, backtest_id)
    form = ReportForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Report: {form.errors['text'][0]}")
        return redirect("backtest", backtest_id)
    try:
        backtest_report(backtest=row, text=form.cleaned_data["text"], now=timezone.now())
    except (Conflict, BacktestInvalid) as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Run #{row.pk} is reported. Thank you.")
    return redirect("backtest", backtest_id)


@login_required
@require_POST
def backtest_again(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Run the same thing again, once for each page it was clicked on."""
    made = backtest_rerun(
        backtest=_own(request, backtest_id),
        now=timezone.now(),
        client_key=form_key(request.POST.get("client_key", ""), request.POST.dict()),
    )
    return redirect("backtest", made.pk)


def _own(request: MemberRequest, backtest_id: int | str) -> Any:
    number = parse_whole(str(backtest_id))
    if number is None:
        raise NotFound("backtest", f"#{backtest_id}")
    return backtest_get(user_id=request.user.pk, backtest_id=number)


def _head(row: Any) -> dict[str, Any]:
    return {
        "backtest": row,
        "strategy": rule_name(row.strategy_key),
        "client_key": uuid.uuid4().hex,
        "change_href": f"{reverse('backtest_new')}?from={row.pk}",
        "crumbs": [{"label": "Backtests", "href": reverse("backtests")}],
    }


def _tabs(row: Any, current: str) -> dict[str, Any]:
    count = len(row.result.round_trips)
    tabs = [
        {
            "label": label,
            "href": f"?tab={key}",
            "current": key == current,
            "count": count if key == "trades" else None,
        }
        for key, label in TABS
    ]
    return {"tabs": tabs, "tab": current}
