"""REST doors of what a strategy's page is made of: orders, what was done to it, its parameters."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.paging import CursorPagination
from trading.api.paging import TIME_SORTS, MarketTimePagination
from trading.api.parameters import PAGING, choice_read, parameters_known
from trading.selectors.orders import ORDER_FILTERS
from trading.selectors.parameter_changes import parameter_changes
from trading.selectors.strategies import deployment_get, deployment_now, strategy_of
from trading.selectors.strategy_desk import EVENT_KINDS, event_list, strategy_orders
from trading.serializers.strategy_parts import (
    DeploymentEventSerializer,
    ParameterTimelineSerializer,
    StrategyOrderSerializer,
)

ORDER_STATUSES = [value for value, _ in ORDER_FILTERS["status"] if value]


class StrategyOrderListApi(ListAPIView[Any]):
    """Orders of a strategy in all of its deployments, newest first."""

    serializer_class = StrategyOrderSerializer
    pagination_class = MarketTimePagination

    def get_queryset(self) -> Any:
        """Read those of one of the caller's own strategies, of one kind of status or all."""
        if getattr(self, "swagger_fake_view", False):
            return strategy_orders(None)
        parameters_known(self.request, *PAGING, "status", "sort")
        choice_read(self.request, "sort", TIME_SORTS)
        strategy = strategy_of(self.request.user, self.kwargs["strategy_id"])
        return strategy_orders(strategy, status=choice_read(self.request, "status", ORDER_STATUSES))

    @extend_schema(
        parameters=[
            OpenApiParameter("status", str, enum=ORDER_STATUSES),
            OpenApiParameter("sort", str, enum=TIME_SORTS),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them; a stop or target that rests for a position is marked."""
        return super().get(request, *args, **kwargs)


class StrategyEventListApi(ListAPIView[Any]):
    """What was done to a strategy's deployments, newest first."""

    serializer_class = DeploymentEventSerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only those of the caller's own, of one kind or all."""
        if getattr(self, "swagger_fake_view", False):
            return event_list()
        parameters_known(self.request, *PAGING, "kind")
        return event_list(**self.whose(), kind=choice_read(self.request, "kind", EVENT_KINDS))

    def whose(self) -> dict[str, Any]:
        """Say of what."""
        return {"strategy": strategy_of(self.request.user, self.kwargs["strategy_id"])}

    @extend_schema(parameters=[OpenApiParameter("kind", str, enum=EVENT_KINDS)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List starts, pauses, resumes, stops, errors and ends of a wait."""
        return super().get(request, *args, **kwargs)


class DeploymentEventListApi(StrategyEventListApi):
    """What was done to one deployment, newest first."""

    def whose(self) -> dict[str, Any]:
        """Say of what."""
        return {"deployment": deployment_get(self.request.user, self.kwargs["deployment_id"])}


class StrategyParametersApi(APIView):
    """How a strategy's parameters moved over its last 30 days."""

    @extend_schema(
        parameters=[OpenApiParameter("deployment_id", int)],
        responses=ParameterTimelineSerializer,
    )
    def get(self, request: Request, strategy_id: int) -> Response:
        """Answer every stretch of every parameter of one deployment, the newest at work if none."""
        parameters_known(request, "deployment_id")
        run = request.query_params.get("deployment_id")
        row = deployment_now(strategy_of(request.user, strategy_id), run)
        changes = (
            parameter_changes(deployment_get(request.user, row.deployment_id)) if row else None
        )
        answer = {
            "deployment_id": row.deployment_id if row else None,
            "from_at": changes.from_at if changes else None,
            "to_at": changes.to_at if changes else None,
            "n_bars": changes.n_bars if changes else 0,
            "is_cut": changes.is_cut if changes else False,
            "parameters": list(changes.histories.values()) if changes else [],
        }
        return Response(ParameterTimelineSerializer(answer).data)
