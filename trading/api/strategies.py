"""REST door of strategies, where they run, and what they decided."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import BadRequest
from elson.common.paging import CursorPagination
from trading.api.paging import TIME_SORTS, MarketTimePagination
from trading.api.parameters import PAGING, choice_read, moment_read, parameters_known
from trading.engine.types import DecisionAction, Regime
from trading.selectors.decision_views import BLOCK_WORDS
from trading.selectors.strategies import (
    decision_get,
    decision_list,
    gallery_list,
    strategy_list,
    strategy_of,
    strategy_version,
    template_view,
)
from trading.selectors.versions import version_diff, version_list
from trading.serializers.strategies import (
    DecisionDetailSerializer,
    DecisionSerializer,
    ParameterChangeSerializer,
    StrategyCreateSerializer,
    StrategyDetailSerializer,
    StrategyRenameSerializer,
    StrategySerializer,
    StrategyVersionSerializer,
    TemplateSerializer,
    VersionCreateSerializer,
)
from trading.services.strategies import (
    strategy_archive,
    strategy_create,
    strategy_rename,
    strategy_unarchive,
    version_create,
)

ACTIONS = [action.value for action in DecisionAction]
REGIMES = [regime.value for regime in Regime]
BLOCKS = sorted(BLOCK_WORDS)
DECISION_FILTERS = ("action", "regime", "blocked_by", "since", "until")


class StrategyListApi(ListAPIView[Any]):
    """Your strategies, newest first."""

    serializer_class = StrategySerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only the caller's own."""
        if getattr(self, "swagger_fake_view", False):
            return strategy_list(None)
        parameters_known(self.request, *PAGING)
        return strategy_list(self.request.user)

    @extend_schema(request=StrategyCreateSerializer, responses={201: StrategyDetailSerializer})
    def post(self, request: Request) -> Response:
        """Store a strategy with its first version; a name of yours that is taken answers 409."""
        asked = StrategyCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        version = strategy_create(user=request.user, **asked.validated_data)
        where = {"Location": f"/api/v1/strategies/{version.strategy_id}/"}
        return Response(_detail(version.strategy), status=201, headers=where)


class TemplateListApi(APIView):
    """Rules one can run, with the schema of their parameters."""

    @extend_schema(responses=TemplateSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List them in the order of the gallery."""
        shown = [template_view(spec) for spec in gallery_list()]
        return Response(TemplateSerializer(shown, many=True).data)


class StrategyDetailApi(APIView):
    """One strategy with its versions."""

    @extend_schema(responses=StrategyDetailSerializer)
    def get(self, request: Request, strategy_id: int) -> Response:
        """Answer 404 for unknown and for foreign ones alike."""
        return Response(_detail(strategy_of(request.user, strategy_id)))

    @extend_schema(request=StrategyRenameSerializer, responses=StrategyDetailSerializer)
    def patch(self, request: Request, strategy_id: int) -> Response:
        """Rename it, also while it is deployed; a name of yours that is taken answers 409."""
        asked = StrategyRenameSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        strategy = strategy_of(request.user, strategy_id)
        return Response(_detail(strategy_rename(strategy=strategy, **asked.validated_data)))


class StrategyArchiveApi(APIView):
    """Put a strategy away."""

    @extend_schema(request=None, responses=StrategyDetailSerializer)
    def post(self, request: Request, strategy_id: int) -> Response:
        """Hide it from lists; 409 while it is deployed, a second time answers the same."""
        strategy = strategy_archive(strategy=strategy_of(request.user, strategy_id))
        return Response(_detail(strategy))


class StrategyUnarchiveApi(APIView):
    """Take an archived strategy out again."""

    @extend_schema(request=None, responses=StrategyDetailSerializer)
    def post(self, request: Request, strategy_id: int) -> Response:
        """Put it back into lists; nothing starts by it, a second time answers the same."""
        strategy = strategy_unarchive(strategy=strategy_of(request.user, strategy_id))
        return Response(_detail(strategy))


class VersionListApi(APIView):
    """Versions of a strategy."""

    @extend_schema(responses=StrategyVersionSerializer(many=True))
    def get(self, request: Request, strategy_id: int) -> Response:
        """List them, newest first."""
        strategy = strategy_of(request.user, strategy_id)
        found = version_list(strategy)
        return Response(StrategyVersionSerializer(found, many=True).data)

    @extend_schema(request=VersionCreateSerializer, responses={201: StrategyVersionSerializer})
    def post(self, request: Request, strategy_id: int) -> Response:
        """Store changed parameters as the next version; what runs keeps its own."""
        strategy = strategy_of(request.user, strategy_id)
        asked = VersionCreateSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        version = version_create(strategy=strategy, is_draft=True, **asked.validated_data)
        return Response(StrategyVersionSerializer(version).data, status=201)


class VersionDiffApi(APIView):
    """What two versions of a strategy differ in."""

    @extend_schema(
        parameters=[OpenApiParameter("against", int, required=True)],
        responses=ParameterChangeSerializer(many=True),
    )
    def get(self, request: Request, strategy_id: int, number: int) -> Response:
        """Compare version `against` (old) with this one (new), in the order of the schema."""
        strategy = strategy_of(request.user, strategy_id)
        parameters_known(request, "against")
        older = strategy_version(strategy, request.query_params.get("against"))
        changes = version_diff(old=older, new=strategy_version(strategy, number))
        return Response(ParameterChangeSerializer(changes, many=True).data)


class DecisionListApi(ListAPIView[Any]):
    """Decisions of a strategy, newest first, "no trade" included."""

    serializer_class = DecisionSerializer
    pagination_class = MarketTimePagination

    def get_queryset(self) -> Any:
        """Read those of one of the caller's own strategies, filtered."""
        if getattr(self, "swagger_fake_view", False):
            return decision_list(None)
        parameters_known(self.request, *PAGING, *DECISION_FILTERS, "sort")
        choice_read(self.request, "sort", TIME_SORTS)
        since, until = (moment_read(self.request, name) for name in ("since", "until"))
        if since and until and since > until:
            raise BadRequest(
                "INVALID_UNTIL", f"until {until} lies before since {since}.", field="until"
            )
        return decision_list(
            strategy_of(self.request.user, self.kwargs["strategy_id"]),
            action=choice_read(self.request, "action", ACTIONS),
            regime=choice_read(self.request, "regime", REGIMES),
            blocked_by=choice_read(self.request, "blocked_by", BLOCKS),
            since=since,
            until=until,
        )

    @extend_schema(
        parameters=[
            OpenApiParameter("action", str, enum=ACTIONS),
            OpenApiParameter("regime", str, enum=REGIMES),
            OpenApiParameter("blocked_by", str, enum=BLOCKS),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="Market time, included."),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Market time, included."),
            OpenApiParameter("sort", str, enum=TIME_SORTS),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)


class DecisionDetailApi(APIView):
    """One decision with its inputs, parameters and arithmetic."""

    @extend_schema(responses=DecisionDetailSerializer)
    def get(self, request: Request, decision_id: str) -> Response:
        """Answer 404 for unknown, foreign and malformed ids alike."""
        return Response(DecisionDetailSerializer(decision_get(request.user, decision_id)).data)


def _detail(strategy: Any) -> Any:
    shown = {
        "pk": strategy.pk,
        "name": strategy.name,
        "key": strategy.key,
        "is_archived": strategy.is_archived,
        "created_at": strategy.created_at,
        "versions": version_list(strategy),
    }
    return StrategyDetailSerializer(shown).data
