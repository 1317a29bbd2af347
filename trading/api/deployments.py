"""REST door of strategies at work: start, pause, resume, let enter again, halt, stop."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import idempotency_header, idempotency_key_of
from elson.common.errors import NotFound
from elson.common.paging import CursorPagination
from marketdata.selectors import instrument_get
from trading.api.parameters import PAGING, choice_read, parameters_known
from trading.selectors.portfolios import portfolio_get
from trading.selectors.sizing import size_recommended
from trading.selectors.strategies import (
    STATUSES,
    deployment_get,
    deployment_list,
    strategy_of,
    strategy_version,
)
from trading.serializers.strategies import (
    DeploymentCreateSerializer,
    DeploymentDetailSerializer,
    DeploymentQuotaSerializer,
    DeploymentSerializer,
    DeploymentStopSerializer,
    RecommendationSerializer,
)
from trading.services.deployments import (
    deployment_enter_again,
    deployment_pause,
    deployment_resume,
    deployment_start,
    deployment_stop,
)
from trading.services.quotas import running_quota

IDEMPOTENCY_KEY = idempotency_header(
    "The same key again answers the deployment it made the first time.", required=True
)


class DeploymentListApi(ListAPIView[Any]):
    """Strategies at work on your portfolio, stopped ones too, newest first."""

    serializer_class = DeploymentSerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only the caller's own."""
        if getattr(self, "swagger_fake_view", False):
            return deployment_list(None)
        parameters_known(self.request, *PAGING, "status")
        status = choice_read(self.request, "status", STATUSES)
        return deployment_list(portfolio_get(self.request.user), status=status)

    @extend_schema(parameters=[OpenApiParameter("status", str, enum=STATUSES)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=DeploymentCreateSerializer,
        responses={201: DeploymentSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Put a version to work, once per key; without a number the newest version."""
        key = idempotency_key_of(request)
        asked = DeploymentCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        strategy = strategy_of(request.user, values["strategy_id"])
        started = deployment_start(
            version=strategy_version(strategy, values.get("version")),
            portfolio=portfolio_get(request.user),
            instrument=instrument_get(values["symbol"]),
            capital=values.get("capital"),
            client_key=key,
            now=timezone.now(),
        )
        where = {"Location": f"/api/v1/deployments/{started.pk}/"}
        return Response(DeploymentSerializer(started).data, status=201, headers=where)


class DeploymentQuotaApi(APIView):
    """What your plan lets run."""

    @extend_schema(responses=DeploymentQuotaSerializer)
    def get(self, request: Request) -> Response:
        """Count your strategies at work."""
        parameters_known(request)
        quota = running_quota(user=request.user, now=timezone.now())
        return Response(DeploymentQuotaSerializer(quota).data)


class DeploymentDetailApi(APIView):
    """One strategy at work."""

    @extend_schema(responses=DeploymentDetailSerializer)
    def get(self, request: Request, deployment_id: int) -> Response:
        """Answer 404 for unknown and for foreign ones alike."""
        deployment = deployment_get(request.user, deployment_id)
        return Response(DeploymentDetailSerializer(deployment).data)


class DeploymentSizingApi(APIView):
    """What size a strategy at work might take now."""

    @extend_schema(responses=RecommendationSerializer)
    def get(self, request: Request, deployment_id: int) -> Response:
        """Recommend from its own book, volatility, stop and record; 404 before a price is known."""
        found = size_recommended(deployment_get(request.user, deployment_id))
        if found is None:
            raise NotFound("size for deployment", deployment_id)
        return Response(RecommendationSerializer(found).data)


class DeploymentPauseApi(APIView):
    """Pause a strategy."""

    @extend_schema(request=None, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Withhold entries and increases until resumed; a second time answers the same.

        Exits, stops, targets, holding limits and the circuit breaker go on being managed. Its open
        orders that would add are canceled. To have what it holds left alone, stop it.
        """
        found = deployment_get(request.user, deployment_id)
        return Response(DeploymentSerializer(deployment_pause(deployment=found)).data)


class DeploymentResumeApi(APIView):
    """Resume a strategy."""

    @extend_schema(request=None, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Let it enter again from the next bar on, also after an error."""
        found = deployment_get(request.user, deployment_id)
        return Response(DeploymentSerializer(deployment_resume(deployment=found)).data)


class DeploymentEnterAgainApi(APIView):
    """End the wait after a sale by hand."""

    @extend_schema(request=None, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Let it enter at its next close; again answers the same, 409 while it holds a rest."""
        found = deployment_get(request.user, deployment_id)
        entering = deployment_enter_again(deployment=found, now=timezone.now())
        return Response(DeploymentSerializer(entering).data)


class DeploymentHaltApi(APIView):
    """Halt a strategy, as the page's Halt now."""

    @extend_schema(request=None, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Stop it for good at once; what it holds stays with you. Again answers the same."""
        found = deployment_get(request.user, deployment_id)
        return Response(
            DeploymentSerializer(deployment_stop(deployment=found, now=timezone.now())).data
        )


class DeploymentStopApi(APIView):
    """Stop a strategy for good."""

    @extend_schema(request=DeploymentStopSerializer, responses=DeploymentSerializer)
    def post(self, request: Request, deployment_id: int) -> Response:
        """Leave what it holds to you, or sell it at the next bar; again answers the same."""
        found = deployment_get(request.user, deployment_id)
        asked = DeploymentStopSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        stopped = deployment_stop(
            deployment=found,
            closes_position=asked.validated_data["closes_position"],
            now=timezone.now(),
        )
        return Response(DeploymentSerializer(stopped).data)
