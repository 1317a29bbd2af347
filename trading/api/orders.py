"""REST door of orders; the same services as the pages."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import idempotency_header, idempotency_key_of
from elson.common.paging import CursorPagination
from marketdata.selectors import instrument_get
from trading.api.parameters import PAGING, choice_read, parameters_known
from trading.selectors.orders import ORDER_FILTERS, order_get, order_list
from trading.selectors.portfolios import portfolio_get
from trading.serializers.orders import (
    OrderDetailSerializer,
    OrderPreviewSerializer,
    OrderRequestSerializer,
    OrderSerializer,
)
from trading.services.order_previews import order_preview
from trading.services.orders import OrderDenied, order_cancel, order_submit

IDEMPOTENCY_KEY = idempotency_header(
    "Becomes the client_order_id: the same key again answers the same order.", required=True
)
STATUSES = [value for value, _ in ORDER_FILTERS["status"]]
ORIGINS = [value for value, _ in ORDER_FILTERS["origin"]]


class OrderListApi(ListAPIView[Any]):
    """Orders of one's portfolio, newest first; place one."""

    serializer_class = OrderSerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only the caller's own, filtered."""
        if getattr(self, "swagger_fake_view", False):
            return order_list(None)
        parameters_known(self.request, *PAGING, "status", "symbol", "origin", "client_order_id")
        values = self.request.query_params
        return order_list(
            portfolio_get(self.request.user),
            status=choice_read(self.request, "status", STATUSES),
            symbol=values.get("symbol", ""),
            origin=choice_read(self.request, "origin", ORIGINS),
            client_order_id=values.get("client_order_id", ""),
        )

    @extend_schema(
        parameters=[
            OpenApiParameter("status", str, enum=STATUSES[1:]),
            OpenApiParameter("symbol", str, description="The beginning of a symbol."),
            OpenApiParameter("origin", str, enum=ORIGINS[1:]),
            OpenApiParameter("client_order_id", str),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=OrderRequestSerializer,
        responses={201: OrderDetailSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Place an order once per key; one that a rule denies is stored and answered as 422."""
        key = idempotency_key_of(request)
        asked = OrderRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        portfolio = portfolio_get(request.user)
        order = order_submit(
            portfolio=portfolio,
            instrument=instrument_get(asked.validated_data["symbol"]),
            client_order_id=key,
            now=timezone.now(),
            **asked.draft_values(),
        )
        if order.status == "DENIED":
            raise OrderDenied(
                order.reason_code,
                f"{order.reason[:1].upper()}{order.reason[1:]}.",
                order_id=str(order.uuid),
                rules=order.risk_check,
            )
        shown = order_get(portfolio, order.uuid)
        where = {"Location": f"/api/v1/orders/{order.uuid}/"}
        return Response(OrderDetailSerializer(shown).data, status=201, headers=where)


class OrderDetailApi(APIView):
    """One order with its steps, executions and checks."""

    @extend_schema(responses=OrderDetailSerializer)
    def get(self, request: Request, order_id: str) -> Response:
        """Answer 404 for unknown, foreign and malformed ids alike."""
        order = order_get(portfolio_get(request.user), order_id)
        return Response(OrderDetailSerializer(order).data)


class OrderCancelApi(APIView):
    """Cancel an order."""

    @extend_schema(request=None, responses=OrderDetailSerializer)
    def post(self, request: Request, order_id: str) -> Response:
        """Cancel what is left; a second time answers the same, a filled order 409."""
        portfolio = portfolio_get(request.user)
        order_cancel(order=order_get(portfolio, order_id))
        return Response(OrderDetailSerializer(order_get(portfolio, order_id)).data)


class OrderPreviewApi(APIView):
    """What an order would do."""

    @extend_schema(request=OrderRequestSerializer, responses=OrderPreviewSerializer)
    def post(self, request: Request) -> Response:
        """Compute costs, rules and the portfolio afterwards; nothing is stored."""
        asked = OrderRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        preview = order_preview(
            portfolio=portfolio_get(request.user),
            instrument=instrument_get(asked.validated_data["symbol"]),
            now=timezone.now(),
            **asked.draft_values(),
        )
        return Response(OrderPreviewSerializer(preview).data)
