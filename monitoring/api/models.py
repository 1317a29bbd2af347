"""REST doors of models: versions, one version by regime, stored verifications."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.selectors import entitlement_value
from elson.common.api import BadRequest
from elson.common.errors import Forbidden
from elson.common.paging import MomentPagination
from monitoring.serializers import (
    CalibrationBinSerializer,
    DataProblemSerializer,
    DetectorSerializer,
    DriftSerializer,
    ModelDetailSerializer,
    ModelVersionSerializer,
    PredictionSerializer,
    ReliabilitySerializer,
    TransitionSerializer,
    VerificationSerializer,
)
from trading.selectors.model_inputs import data_problems
from trading.selectors.model_performance import performance_list
from trading.selectors.model_reliability import reliability_rows
from trading.selectors.model_versions import (
    WINDOW_DAYS,
    calibration_rows,
    drift_latest,
    drift_list,
    prediction_list,
    regime_rows,
    transition_list,
    version_get,
    version_list,
)
from trading.selectors.portfolios import portfolio_get
from trading.selectors.regime_quality import detector_quality_get
from trading.selectors.regimes import REGIMES, visible_of, watched_list

if TYPE_CHECKING:
    from accounts.models import User

DETAIL = "models.detail"
# What the free plan tells of a regime; the other figures are part of Plus.
SUMMARY = ("n", "n_taken", "n_wins", "win_rate", "interval", "base_rate", "base_interval")


class ModelListApi(ListAPIView[Any]):
    """Trained versions, newest first."""

    serializer_class = ModelVersionSerializer

    def get_queryset(self) -> Any:
        """Read the versions of every strategy, or of one."""
        return version_list(self.request.query_params.get("strategy", "")[:60])

    @extend_schema(parameters=[OpenApiParameter("strategy", str)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer in pages."""
        return super().get(request, *args, **kwargs)


class ModelDetailApi(APIView):
    """One version by regime."""

    @extend_schema(
        parameters=[OpenApiParameter("window", str, description="7, 30, 90 (default) or all.")],
        responses=ModelDetailSerializer,
    )
    def get(self, request: Request, version_id: int) -> Response:
        """Answer live figures of a window beside those of the version's own test."""
        version = version_get(version_id)
        now, days = timezone.now(), _window_read(request)
        since = None if days is None else now - dt.timedelta(days=days)
        has_detail = entitlement_value(cast("User", request.user), DETAIL, now=now) > 0
        report = drift_latest(version)
        answer = ModelVersionSerializer(version).data | {
            "window_days": days,
            "members": version.metrics.get("members", []) if has_detail else None,
            "drift_light": report.light if report else "UNKNOWN",
            "regimes": [
                {
                    "regime": row.regime,
                    "n_predictions": row.n_predictions,
                    "n_resolved": row.n_resolved,
                    "live": _told(row.figures.to_dict() if row.figures else None, has_detail),
                    "tested": _told(row.tested, has_detail),
                }
                for row in regime_rows(version, since=since)
            ],
        }
        return Response(answer)


class ModelTransitionListApi(ListAPIView[Any]):
    """Changes of a version's state, newest first."""

    serializer_class = TransitionSerializer

    def get_queryset(self) -> Any:
        """Read those of one version."""
        if getattr(self, "swagger_fake_view", False):
            return transition_list()
        return transition_list(version_get(self.kwargs["version_id"]))


class ModelDriftListApi(ListAPIView[Any]):
    """Looks at the drift of a version, newest first; part of Plus."""

    serializer_class = DriftSerializer

    def get_queryset(self) -> Any:
        """Read those of one version, where the plan includes them."""
        if getattr(self, "swagger_fake_view", False):
            return drift_list(None)
        version = version_get(self.kwargs["version_id"])
        user = cast("User", self.request.user)
        if entitlement_value(user, DETAIL, now=timezone.now()) <= 0:
            raise Forbidden("PLAN_TOO_SMALL", "The drift of a model is part of Plus.")
        return drift_list(version)


class ModelReliabilityApi(APIView):
    """Whether the probabilities of a version came true as time went on; part of Plus."""

    @extend_schema(
        parameters=[
            OpenApiParameter("source", str, description="live (default) or tested."),
            OpenApiParameter("over", str, description="quarter (default) or year, rolling."),
        ],
        responses=ReliabilitySerializer(many=True),
    )
    def get(self, request: Request, version_id: int) -> Response:
        """Answer one row per calendar quarter with results, oldest first."""
        version = version_get(version_id)
        source = _word_read(request, "source", ("live", "tested"))
        over = _word_read(request, "over", ("quarter", "year"))
        user = cast("User", request.user)
        if entitlement_value(user, DETAIL, now=timezone.now()) <= 0:
            raise Forbidden("PLAN_TOO_SMALL", "The reliability of a model is part of Plus.")
        rows = reliability_rows(
            version, is_live=source == "live", n_quarters=4 if over == "year" else 1
        )
        return Response(ReliabilitySerializer(rows, many=True).data)


class ModelCalibrationApi(APIView):
    """What live predictions said against what happened; part of Plus."""

    @extend_schema(
        parameters=[
            OpenApiParameter("regime", str, enum=["", *REGIMES], description="All if left out."),
            OpenApiParameter("window", str, description="7, 30, 90 (default) or all."),
        ],
        responses=CalibrationBinSerializer(many=True),
    )
    def get(self, request: Request, version_id: int) -> Response:
        """Answer ten bins of probability; none with fewer than 20 resolved predictions."""
        version = version_get(version_id)
        regime = _word_read(request, "regime", ("", *REGIMES))
        now, days = timezone.now(), _window_read(request)
        user = cast("User", request.user)
        if entitlement_value(user, DETAIL, now=now) <= 0:
            raise Forbidden("PLAN_TOO_SMALL", "The calibration of a model is part of Plus.")
        since = None if days is None else now - dt.timedelta(days=days)
        rows = calibration_rows(version, regime=regime, since=since)
        return Response(CalibrationBinSerializer(rows, many=True).data)


class PredictionPagination(MomentPagination):
    """By market time."""

    ordering = "-market_at"


class ModelPredictionListApi(ListAPIView[Any]):
    """What a version said of candidates, newest first; part of Plus."""

    serializer_class = PredictionSerializer
    pagination_class = PredictionPagination

    def get_queryset(self) -> Any:
        """Read those of one version up to the caller's market date: later ones are the future."""
        if getattr(self, "swagger_fake_view", False):
            return prediction_list(None)
        version = version_get(self.kwargs["version_id"])
        regime = _word_read(self.request, "regime", ("", *REGIMES))
        user = cast("User", self.request.user)
        if entitlement_value(user, DETAIL, now=timezone.now()) <= 0:
            raise Forbidden("PLAN_TOO_SMALL", "The predictions of a model are part of Plus.")
        return prediction_list(version, regime=regime, until=self._until())

    def get_serializer_context(self) -> dict[str, Any]:
        """Let the serializer know what the caller may know."""
        known = dict(super().get_serializer_context())
        if not getattr(self, "swagger_fake_view", False):
            known["until"] = self._until()
        return known

    def _until(self) -> dt.datetime | None:
        return visible_of(portfolio_get(cast("User", self.request.user)))

    @extend_schema(
        parameters=[
            OpenApiParameter("regime", str, enum=["", *REGIMES], description="All if left out.")
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer in pages; outcomes that lie after your market date are not told."""
        return super().get(request, *args, **kwargs)


class DetectorApi(APIView):
    """How well volatility regimes are named."""

    @extend_schema(responses=DetectorSerializer)
    def get(self, request: Request) -> Response:
        """Compare with hindsight on the markets you watch, up to your market date."""
        user = cast("User", request.user)
        portfolio = portfolio_get(user)
        found = detector_quality_get(watched_list(user), visible_of(portfolio))
        return Response(DetectorSerializer(found).data)


class ModelDataProblemListApi(APIView):
    """Open problems with the prices of a version."""

    @extend_schema(responses=DataProblemSerializer(many=True))
    def get(self, request: Request, version_id: int) -> Response:
        """Answer the worst first: of what it learned from and what you trade by it."""
        portfolio = portfolio_get(cast("User", request.user))
        rows = data_problems(version_get(version_id), portfolio)
        return Response(DataProblemSerializer(rows, many=True).data)


class VerificationListApi(ListAPIView[Any]):
    """Stored verifications, newest first."""

    serializer_class = VerificationSerializer

    def get_queryset(self) -> Any:
        """Read those of every strategy, or of one."""
        return performance_list(self.request.query_params.get("strategy", "")[:60])

    @extend_schema(parameters=[OpenApiParameter("strategy", str)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Answer in pages."""
        return super().get(request, *args, **kwargs)


def _word_read(request: Request, name: str, words: tuple[str, ...]) -> str:
    """Read one of a few words; the first when it is not given."""
    found = request.query_params.get(name, words[0])
    if found not in words:
        raise BadRequest(
            f"INVALID_{name.upper()}", f"{name} {found[:20]!r} is not one of {', '.join(words)}.",
            field=name,
        )  # fmt: skip
    return found


def _window_read(request: Request) -> int | None:
    """Read the days to look back; None for all."""
    window = request.query_params.get("window", "90")
    offered = {str(days): days for days in WINDOW_DAYS}
    if window != "all" and window not in offered:
        raise BadRequest(
            "INVALID_WINDOW", f"window {window[:20]!r} is not one of {', '.join(offered)}, all.",
            field="window",
        )  # fmt: skip
    return offered.get(window)


def _told(figures: dict[str, Any] | None, has_detail: bool) -> dict[str, Any] | None:
    """Leave out what the plan does not include."""
    if figures is None or has_detail:
        return figures
    return {name: figures.get(name) for name in SUMMARY}
