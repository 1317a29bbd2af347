"""From a finished backtest to a strategy of one's own, past its verdict."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.requests import MemberRequest
from elson.common.errors import DomainError
from elson.common.forms import JudgedForm
from trading.selectors.backtests import backtest_get
from trading.selectors.parameter_words import choice_words, parameter_label
from trading.selectors.strategies import rule_name
from trading.services.adoption import OVERRIDE, backtest_adopt
from trading.views.backtest_words import MARKS


class AdoptForm(JudgedForm):
    """The word that takes a rule against its verdict."""

    override = forms.CharField(
        label=f"Type {OVERRIDE} to go on",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )


@login_required
@require_http_methods(["GET", "POST"])
def backtest_adopt_page(request: MemberRequest, backtest_id: int) -> HttpResponse:
    """Show the verdict once more, and make the draft when told to."""
    row = backtest_get(user_id=request.user.pk, backtest_id=backtest_id)
    form = AdoptForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            version = backtest_adopt(backtest=row, override=form.cleaned_data["override"])
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, f"{version.strategy.name} is a draft; nothing runs it yet.")
            return redirect("strategy_detail", version.strategy_id)
    result = getattr(row, "result", None)
    honesty = result.honesty if result else {"status": "", "verdict": ""}
    context = {
        "backtest": row, "form": form, "strategy": rule_name(row.strategy_key),
        "verdict": honesty["verdict"],
        "is_failed": honesty["status"] == "FAIL",
        "tone": MARKS.get(honesty["status"], "info"),
        "parameters": [(parameter_label(name), choice_words(name, value))
            for name, value in row.parameters.items()],
        "crumbs": [
            {"label": "Backtests", "href": reverse("backtests")},
            {"label": f"#{row.pk}", "href": reverse("backtest", args=[row.pk])},
        ],
    }  # fmt: skip
    status = 422 if form.errors else 200
    return render(request, "trading/backtest_adopt.html", context, status=status)
