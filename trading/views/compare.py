"""Two to four backtests side by side; without ids, a list to pick them from."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import MemberRequest
from elson.common.errors import Conflict, DomainError
from elson.common.formatting import parse_whole
from trading.selectors.backtests import backtest_list
from trading.selectors.comparison import MOST_RUNS, compared_runs, comparison_of
from trading.services.backtests.comparison import compare_check, compare_limit, comparison_rerun
from trading.views.backtest_rows import list_rows
from trading.views.compare_context import page_context
from trading.views.compare_files import table_response
from trading.views.form_keys import form_key

PICK_FROM = 25
FEWEST = 2


@login_required
@require_GET
def backtest_compare(request: MemberRequest) -> HttpResponse:
    """Show the comparison; what the plan does not include is a panel, not a dead end."""
    asked = ids_of(request.GET.getlist("ids"))
    limit = compare_limit(user=request.user, now=timezone.now())
    shown = asked[:limit]
    runs = compared_runs(user_id=request.user.pk, backtest_ids=shown)
    if len(runs) < FEWEST:
        return _picker(request, shown, limit)
    found = comparison_of(runs)
    if request.GET.get("format") == "csv":
        return table_response(found, request.GET.get("table", ""))
    context = page_context(found)
    context |= {
        "ids": ",".join(map(str, shown)),
        "client_key": uuid.uuid4().hex,
        "locked": _locked(len(asked) - len(shown), limit),
        "crumbs": [{"label": "Backtests", "href": reverse("backtests")}],
    }
    return render(request, "trading/backtest_compare.html", context)


@login_required
@require_POST
def backtest_compare_rerun(request: MemberRequest) -> HttpResponse:
    """Run them again over the days they share and compare those."""
    asked = ids_of(request.POST.getlist("ids"))
    now = timezone.now()
    try:
        compare_check(user=request.user, n_runs=len(asked), now=now)
        runs = compared_runs(user_id=request.user.pk, backtest_ids=asked)
        made = comparison_rerun(
            user=request.user,
            comparison=comparison_of(runs),
            now=now,
            client_key=form_key(request.POST.get("client_key", ""), request.POST.dict()),
        )
    except DomainError as error:
        if error.status == 404:
            raise
        messages.error(request, error.message)
        return redirect(compare_href(asked))
    return redirect(compare_href([row.pk for row in made]))


def compare_href(ids: list[int]) -> str:
    """Address of the comparison of these runs."""
    return f"{reverse('backtest_compare')}?ids={','.join(map(str, ids))}"


def ids_of(given: list[str]) -> list[int]:
    """Numbers of the runs asked for, `ids=1,2` or `ids=1&ids=2`, each once, at most four."""
    parts = [part.strip().lstrip("#") for text in given for part in text.split(",")]
    numbers = dict.fromkeys(number for part in parts if (number := parse_whole(part)) is not None)
    if len(numbers) > MOST_RUNS:
        raise Conflict("COMPARE_MOST", f"At most {MOST_RUNS} runs are compared at once.")
    return list(numbers)


def _locked(n_left_out: int, limit: int) -> dict[str, Any] | None:
    """Say what the plan leaves out; None when nothing is."""
    if not n_left_out:
        return None
    more = f"{n_left_out} more {'was' if n_left_out == 1 else 'were'} chosen"
    return {"limit": limit, "why": f"{more}; your plan compares {limit} runs at once."}


def _picker(request: MemberRequest, chosen: list[int], limit: int) -> HttpResponse:
    found = backtest_list(user_id=request.user.pk, status="SUCCEEDED")[:PICK_FROM]
    context: dict[str, Any] = {
        "rows": list_rows(found),
        "chosen": chosen,
        "limit": limit,
        "crumbs": [{"label": "Backtests", "href": reverse("backtests")}],
    }
    return render(request, "trading/backtest_compare_pick.html", context)
