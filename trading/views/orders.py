"""The order ticket, its preview and review, and the orders that came of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from elson.common.errors import Conflict, DomainError
from elson.common.listing import columns_of, csv_response, page_of, wants_fragment
from marketdata.selectors import instrument_get
from trading.forms import SendForm, TicketForm, new_order_key
from trading.selectors.orders import ORDER_FILTERS, order_get, order_list
from trading.selectors.portfolios import portfolio_get
from trading.services.order_previews import OrderPreview, order_preview
from trading.services.orders import order_cancel, order_submit, orders_cancel_all
from trading.views.columns import market_time

# A preview is a promise for this long and this far; beyond it the person looks again.
PREVIEW_SECONDS = 30
PREVIEW_DRIFT = Decimal("0.02")
CSV_COLUMNS = (
    market_time("placed_at"),
    *columns_of(
        "order=uuid", "symbol=instrument.symbol", "side", "type=order_type", "quantity",
        "filled_quantity", "avg_fill_price", "commission=commission_total", "status", "reason",
    ),
)  # fmt: skip


class PreviewStale(Conflict):
    """The preview is too old, or the price has moved too far since."""

    title = "The preview is out of date"


@login_required
def order_list_page(request: HttpRequest) -> HttpResponse:
    """Every order of the portfolio, filtered and sorted; `?format=csv` for the filtered set."""
    portfolio = portfolio_get(request.user)
    chosen = {name: request.GET.get(name, "") for name in ORDER_FILTERS}
    orders = order_list(portfolio, sort=request.GET.get("sort", "-placed"), **chosen)
    if request.GET.get("format") == "csv":
        return csv_response("orders.csv", CSV_COLUMNS, orders)
    context = {
        "page": page_of(request, orders),
        "chosen": chosen,
        "filters": ORDER_FILTERS,
        "n_open": order_list(portfolio, status="open").count(),
        "is_filtered": any(chosen.values()),
    }
    part = "trading/_orders_table.html" if wants_fragment(request) else "trading/orders.html"
    return render(request, part, context)


@login_required
def order_new(request: HttpRequest) -> HttpResponse:
    """Show the ticket on a page of its own, prefilled from the URL."""
    instrument = instrument_get(request.GET.get("symbol", "SPX"))
    initial = {name: request.GET[name] for name in TicketForm.base_fields if request.GET.get(name)}
    return _ticket_page(request, instrument, TicketForm(initial=initial or None))


@login_required
@require_POST
def order_preview_part(request: HttpRequest) -> HttpResponse:
    """Show what the order would do as the ticket stands; a fragment, nothing is stored."""
    instrument = instrument_get(request.POST.get("symbol", ""))
    form = TicketForm(request.POST)
    context: dict[str, Any] = {"instrument": instrument}
    if form.is_valid():
        try:
            context["preview"] = _preview(request, instrument, form.cleaned_data)
        except DomainError as error:
            context["refusal"] = error.message
    return render(request, "trading/_preview.html", context)


@login_required
@require_POST
def order_review(request: HttpRequest) -> HttpResponse:
    """Show the order as one sentence with its frozen preview; sending is the next step."""
    instrument = instrument_get(request.POST.get("symbol", ""))
    form = TicketForm(request.POST)
    if not form.is_valid():
        return _ticket_page(request, instrument, form, status=422)
    try:
        preview = _preview(request, instrument, form.cleaned_data)
    except DomainError as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _ticket_page(request, instrument, form, status=422)
    if not preview.is_allowed:
        for rule in preview.rules:
            if rule.status == "FAIL":
                form.add_error(None, f"{rule.sentence[:1].upper()}{rule.sentence[1:]}.")
        return _ticket_page(request, instrument, form, preview=preview, status=422)
    return _review_page(request, instrument, preview)


@login_required
@require_POST
def order_send(request: HttpRequest) -> HttpResponse:
    """Place the reviewed order, once per key; a preview gone stale is shown again instead (409)."""
    form = SendForm(request.POST)
    if not form.is_valid():
        raise DomainError("REVIEW_INCOMPLETE", "The reviewed order is incomplete; review it again.")
    order = form.cleaned_data
    instrument = instrument_get(order["symbol"])
    portfolio = portfolio_get(request.user)
    values = {name: order[name] for name in ("side", "quantity", "order_type", "limit_price",
                                             "stop_price", "time_in_force")}  # fmt: skip
    now = timezone.now()
    already_sent = order_list(portfolio, client_order_id=order["client_order_id"]).exists()
    if not already_sent:
        preview = order_preview(portfolio=portfolio, instrument=instrument, now=now, **values)
        stale = _stale_reason(order, preview, now)
        if stale:
            return _review_page(request, instrument, preview, stale=stale, status=409)
    placed = order_submit(
        portfolio=portfolio,
        instrument=instrument,
        client_order_id=order["client_order_id"],
        now=now,
        **values,
    )
    return redirect("order_detail", order_id=placed.uuid)


@login_required
def order_detail(request: HttpRequest, order_id: str) -> HttpResponse:
    """One order: its steps, fills, checks and the decision behind it."""
    order = order_get(portfolio_get(request.user), order_id)
    context = {"order": order, "crumbs": [{"label": "Orders", "href": "/orders/"}]}
    part = "trading/_order.html" if wants_fragment(request) else "trading/order.html"
    return render(request, part, context)


@login_required
@require_POST
def order_cancel_action(request: HttpRequest, order_id: str) -> HttpResponse:
    """Cancel what is left of an order."""
    order = order_get(portfolio_get(request.user), order_id)
    order_cancel(order=order)
    return redirect("order_detail", order_id=order_id)


@login_required
@require_POST
def order_cancel_all_action(request: HttpRequest) -> HttpResponse:
    """Cancel every working order of the portfolio."""
    orders_cancel_all(portfolio=portfolio_get(request.user))
    return redirect("orders")


def _preview(request: HttpRequest, instrument: Any, values: dict[str, Any]) -> OrderPreview:
    return order_preview(
        portfolio=portfolio_get(request.user), instrument=instrument, now=timezone.now(), **values
    )


def _stale_reason(order: dict[str, Any], preview: OrderPreview, now: dt.datetime) -> str:
    age = (now - order["previewed_at"]).total_seconds()
    if age > PREVIEW_SECONDS:
        return f"The preview was {age:.0f} s old; it is kept for {PREVIEW_SECONDS} s."
    if preview.price is None or not order["previewed_price"]:
        return ""
    drift = abs(preview.price / order["previewed_price"] - 1)
    if drift > PREVIEW_DRIFT:
        return (
            f"The price moved {drift:.1%} since the preview; "
            f"more than {PREVIEW_DRIFT:.0%} needs a new look."
        )
    return ""


def _ticket_page(
    request: HttpRequest,
    instrument: Any,
    form: TicketForm,
    *,
    preview: OrderPreview | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "instrument": instrument,
        "form": form,
        "preview": preview,
        "crumbs": [
            {"label": "Markets", "href": "/markets/"},
            {"label": instrument.symbol, "href": f"/markets/{instrument.symbol}/"},
        ],
    }
    return render(request, "trading/order_new.html", context, status=status)


def _review_page(
    request: HttpRequest,
    instrument: Any,
    preview: OrderPreview,
    *,
    stale: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "instrument": instrument,
        "preview": preview,
        "stale": stale,
        "client_order_id": request.POST.get("client_order_id") or new_order_key(),
        "previewed_at": timezone.now(),
        "preview_seconds": PREVIEW_SECONDS,
        "crumbs": [
            {"label": "Markets", "href": "/markets/"},
            {"label": instrument.symbol, "href": f"/markets/{instrument.symbol}/"},
        ],
    }
    return render(request, "trading/order_review.html", context, status=status)
