"""REST door of the caller's portfolio: its worth, holdings, books and history."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import Any
from urllib.parse import urlencode

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import BadRequest, moment_of
from elson.common.paging import CursorPagination, MomentPagination, cursor_refused
from trading.api.parameters import PAGING, choice_read, count_read, parameters_known
from trading.selectors.activity import ACTIVITY_KINDS, ActivityRow, activity_list
from trading.selectors.equity import equity_point_list
from trading.selectors.ledger import entry_list, ledger_balances, ledger_control
from trading.selectors.portfolios import portfolio_get, portfolio_value, position_rows
from trading.serializers.portfolios import (
    ActivityPageSerializer,
    BooksSerializer,
    EquityPointSerializer,
    JournalEntrySerializer,
    PortfolioSerializer,
    PositionsSerializer,
)

KINDS = [value for value, _ in ACTIVITY_KINDS]


class EquityPagination(MomentPagination):
    """By market time."""

    ordering = "-market_at"


class PortfolioDetailApi(APIView):
    """Your portfolio."""

    @extend_schema(responses=PortfolioSerializer)
    def get(self, request: Request) -> Response:
        """Value it at the last visible prices."""
        return Response(PortfolioSerializer(portfolio_value(portfolio_get(request.user))).data)


class PositionListApi(APIView):
    """What you hold."""

    @extend_schema(responses=PositionsSerializer)
    def get(self, request: Request) -> Response:
        """List open holdings, the largest first."""
        rows = position_rows(portfolio_get(request.user))
        return Response(PositionsSerializer({"results": rows}).data)


class LedgerListApi(ListAPIView[Any]):
    """Entries of your books, newest first, each with its postings."""

    serializer_class = JournalEntrySerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only the caller's own."""
        if getattr(self, "swagger_fake_view", False):
            return entry_list(None)
        parameters_known(self.request, *PAGING)
        return entry_list(portfolio_get(self.request.user))


class LedgerBalancesApi(APIView):
    """Balances of your books."""

    @extend_schema(responses=BooksSerializer)
    def get(self, request: Request) -> Response:
        """Add up every account, and say whether the books agree with the positions."""
        portfolio = portfolio_get(request.user)
        control = ledger_control(portfolio)
        books = {
            "balances": list(ledger_balances(portfolio).values()),
            "total": control.total,
            "n_entries": control.n_entries,
            "equity_from_books": control.equity_from_books,
            "is_balanced": control.is_balanced,
        }
        return Response(BooksSerializer(books).data)


class ActivityListApi(APIView):
    """What happened, newest first."""

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", str, enum=KINDS[1:]),
            OpenApiParameter("cursor", str, description="From `next` of the page before."),
            OpenApiParameter("page_size", int, description="At most 500; 50 unless given."),
        ],
        responses=ActivityPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List fills, orders, decisions that did something, and movements of money."""
        parameters_known(request, *PAGING, "kind")
        kind = choice_read(request, "kind", KINDS)
        size = count_read(request, "page_size", default=50, most=CursorPagination.max_page_size)
        before = _cursor_read(request.query_params.get("cursor", ""))
        rows = activity_list(portfolio_get(request.user), kind=kind, before=before)[: size + 1]
        following = None
        if len(rows) > size:
            query = {"kind": kind, "page_size": size, "cursor": _cursor_of(rows[size - 1])}
            shown = urlencode({name: value for name, value in query.items() if value})
            following = f"{request.build_absolute_uri(request.path)}?{shown}"
        return Response(ActivityPageSerializer({"next": following, "results": rows[:size]}).data)


class EquityListApi(ListAPIView[Any]):
    """Equity at each close, newest first."""

    serializer_class = EquityPointSerializer
    pagination_class = EquityPagination

    def get_queryset(self) -> Any:
        """Read only the caller's own, from a moment on."""
        if getattr(self, "swagger_fake_view", False):
            return equity_point_list(None)
        parameters_known(self.request, *PAGING, "since")
        text = self.request.query_params.get("since", "")
        since = moment_of(text, "since") if text else None
        return equity_point_list(portfolio_get(self.request.user), since=since)

    @extend_schema(parameters=[OpenApiParameter("since", OpenApiTypes.DATETIME)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)


def _cursor_of(row: ActivityRow) -> str:
    text = f"{row.at.isoformat()}|{row.created_at.isoformat()}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _cursor_read(text: str) -> tuple[dt.datetime, dt.datetime] | None:
    if not text:
        return None
    try:
        at, created_at = base64.urlsafe_b64decode(text.encode()).decode().split("|")
        return moment_of(at, "cursor"), moment_of(created_at, "cursor")
    except (BadRequest, binascii.Error, UnicodeError, ValueError) as error:
        raise cursor_refused() from error
