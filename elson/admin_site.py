"""Django's admin as Elson's staff pages: our look, our sign-in, the day in numbers on top."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.staff import lacks_second_factor
from monitoring.selectors import Today, today_get


class StaffSite(admin.AdminSite):
    """The one admin site; sign-in and second factor are the product's own."""

    site_title = "Elson staff"
    site_header = "Elson staff"
    index_title = "Today"
    site_url = "/dashboard/"
    enable_nav_sidebar = True

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Let nobody in by password alone where the settings ask for a second factor."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if self.has_permission(request) and lacks_second_factor(request.user):  # type: ignore[arg-type]
                messages.warning(request, "Staff pages need a second factor: set one up first.")
                return redirect("mfa_index")
            return inner(request, *args, **kwargs)

        return guarded

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send people to the product's sign-in, with its limits on attempts."""
        return secure_admin_login(super().login)(request, extra_context)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """Put the day in numbers above the list of models."""
        numbers = staff_numbers(today_get(now=timezone.now()))  # noqa: TID251 - a page
        return super().index(request, {**(extra_context or {}), "staff_numbers": numbers})


def staff_numbers(today: Today) -> list[dict[str, Any]]:
    """Describe the day: label, value, what to know about it, where to read on."""
    trading = today.trading
    failed = trading.n_backtests_failed + trading.n_deployments_failed
    return [
        _number("Sign-ups today", today.n_signups, f"{today.n_users} people", "accounts/user/"),
        _number(
            "Replays running", today.replays.n_running,
            f"{trading.n_deployments_running} strategies, {trading.n_orders} orders today",
            "marketdata/replaysession/",
        ),
        _number(
            "Backtests waiting", trading.n_backtests_queued,
            f"{trading.n_backtests_running} at work, {today.outbox.n_waiting} jobs not yet sent",
            "trading/backtest/",
        ),
        _number(
            "Failed today", failed, f"{trading.n_deployments_failed} strategies stand still",
            "trading/backtest/?status__exact=FAILED",
        ),
        _number(
            "Open incidents", len(today.incidents),
            "; ".join(incident.title for incident in today.incidents[:3]) or "status page is green",
            "monitoring/incident/?state__exact=OPEN",
        ),
    ]  # fmt: skip


def _number(label: str, value: int, note: str, path: str) -> dict[str, Any]:
    return {"label": label, "value": f"{value:,}", "note": note, "href": f"/staff/{path}"}
