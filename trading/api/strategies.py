"""REST door of strategies, where they run, and what they decided."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import CursorPagination
from trading.api.parameters import PAGING, choice_read, parameters_known
from trading.engine.types import DecisionAction
from trading.selectors.portfolios import portfolio_get
from trading.selectors.strategies import (
    decision_get,
    decision_list,
    deployment_get,
    deployment_list,
    strategy_list,
    strategy_of,
    version_list,
)
from trading.serializers.strategies import (
    DecisionDetailSerializer,
    DecisionSerializer,
    DeploymentSerializer,
    DeploymentStopSerializer,
    StrategyDetailSerializer,
    StrategySerializer,
)
from trading.services.strategies import deployment_pause, deployment_resume, deployment_stop

ACTIONS = [action.value for action in DecisionAction]


class DecisionPagination(CursorPagination):
    """By market time."""

    ordering = "-market_at"


class StrategyListApi(ListAPIView[Any]):
    """Your strategies, newest first."""

    serializer_class = StrategySerializer

    def get_queryset(self) -> Any:
        """Read only the caller's own."""
        if getattr(self, "swagger_fake_view", False):
            return strategy_list(None)
        parameters_known(self.request, *PAGING)
        return strategy_list(self.request.user)


class StrategyDetailApi(APIView):
    """One strategy with its versions."""

    @extend_schema(responses=StrategyDetailSerializer)
    def get(self, request: Request, strategy_id: int) -> Response:
        """Answer 404 for unknown and for foreign ones alike."""
        strategy = strategy_of(request.user, strategy_id)
        shown = {
            "pk": strategy.pk,
            "name": strategy.name,
            "key": strategy.key,
            "created_at": strategy.created_at,
            "versions": [version for version, _ in version_list(strategy)],
        }
        return Response(StrategyDetailSerializer(shown).data)


class DecisionListApi(ListAPIView[Any]):
    """Decisions of a strategy, newest first, "no trade" included."""

    serializer_class = DecisionSerializer
    pagination_class = DecisionPagination

    def get_queryset(self) -> Any:
        """Read those of one of the caller's own strategies, of one action or all."""
        if getattr(self, "swagger_fake_view", False):
            return decision_list(None)
        parameters_known(self.request, *PAGING, "action")
        strategy = strategy_of(self.request.user, self.kwargs["strategy_id"])
        return decision_list(strategy, action=choice_read(self.request, "action", ACTIONS))

    @extend_schema(parameters=[OpenApiParameter("action", str, enum=ACTIONS)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)


class DecisionDetailApi(APIView):
    """One decision with its inputs, parameters and arithmetic."""

    @extend_schema(responses=DecisionDetailSerializer)
    def get(self, request: Request, decision_id: str) -> Response:
        """Answer 404 for unknown, foreign and malformed ids alike."""
        return Response(DecisionDetailSerializer(decision_get(request.user, decision_id)).data)


class DeploymentListApi(ListAPIView[Any]):
    """Strategies at work on your portfolio, stopped ones too, newest first."""

    serializer_class = DeploymentSerializer

    def get_queryset(self) -> Any:
        """Read only the caller's own."""
        if getattr(self, "swagger_fake_view", False):
            return deployment_list(None)
        parameters_known(self.request, *PAGING)
        return deployment_list(portfolio_get(self.request.user))


class DeploymentDetailApi(APIView):
    """One strategy at work."""

    @extend_schema(responses=DeploymentSerializer)
    def get(self, request: Request, deployment_id: int) -> Response:
        """Answer 404 for unknown and for foreign ones alike."""
        return Response(DeploymentSerializer(deployment_get(request.user, deployment_id)).data)


class DeploymentPauseApi(APIView):
    """Pause a strategy."""

    @extend_schema(request=None, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Let it decide nothing until resumed; a second time answers the same."""
        found = deployment_get(request.user, deployment_id)
        return Response(DeploymentSerializer(deployment_pause(deployment=found)).data)


class DeploymentResumeApi(APIView):
    """Resume a strategy."""

    @extend_schema(request=None, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Let it decide again from the next bar on."""
        found = deployment_get(request.user, deployment_id)
        return Response(DeploymentSerializer(deployment_resume(deployment=found)).data)


class DeploymentStopApi(APIView):
    """Stop a strategy for good."""

    @extend_schema(request=DeploymentStopSerializer, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Keep what it holds, or sell it at the next bar; a second time answers the same."""
        found = deployment_get(request.user, deployment_id)
        asked = DeploymentStopSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        stopped = deployment_stop(
            deployment=found,
            closes_position=asked.validated_data["closes_position"],
            now=timezone.now(),
        )
        return Response(DeploymentSerializer(stopped).data)
