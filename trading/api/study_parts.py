"""REST doors of what the page of an optimization is made of; the same functions as the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import BadRequest
from trading.api.parameters import choice_read, count_read, offset_read, parameters_known
from trading.selectors.studies import (
    TRIAL_SORTS,
    best_so_far,
    study_get,
    trial_list,
    trials_ranked,
    usual_trial_seconds,
)
from trading.selectors.study_maps import counted, heat, points_of, stable_zone
from trading.serializers.studies import StudyRequestSerializer
from trading.serializers.study_parts import (
    HeatmapSerializer,
    LeaderboardSerializer,
    PointsSerializer,
    StudyEstimateSerializer,
    StudyProgressSerializer,
    StudyQuotaSerializer,
)
from trading.services.studies.drafts import study_draft_read
from trading.services.studies.holdout import looks_before
from trading.services.studies.progress import progress_values
from trading.services.studies.requests import study_quota, study_warning

if TYPE_CHECKING:
    from accounts.models import User

SORTS = [sign + name for name in TRIAL_SORTS for sign in ("", "-")]
PAGE, MOST = 50, 500
NOTHING: dict[str, Any] = {"column_spans": [], "rows": []}


class StudyQuotaApi(APIView):
    """What your plan allows."""

    @extend_schema(responses=StudyQuotaSerializer)
    def get(self, request: Request) -> Response:
        """Count the searches of today, repeats apart."""
        parameters_known(request)
        quota = study_quota(user=_member(request), now=timezone.now())
        return Response(StudyQuotaSerializer(quota).data)


class StudyEstimateApi(APIView):
    """What a search would be."""

    @extend_schema(request=StudyRequestSerializer, responses=StudyEstimateSerializer)
    def post(self, request: Request) -> Response:
        """Read a request as `POST /optimizations/` does; say size, time and luck, store nothing."""
        asked = StudyRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        draft = study_draft_read(asked.draft_values())
        pace = usual_trial_seconds(
            strategy_key=draft.base.strategy_key, timeframe=draft.base.timeframe
        )
        answer = {
            "n_trials": draft.n_trials,
            "n_combinations": draft.space.n_combinations,
            "seconds": None if pace is None else pace * draft.n_trials,
            "warning": study_warning(user=_member(request), draft=draft),
        }
        return Response(StudyEstimateSerializer(answer).data)


class StudyProgressApi(APIView):
    """How far a search is."""

    @extend_schema(responses=StudyProgressSerializer)
    def get(self, request: Request, study_id: int) -> Response:
        """Answer pace, time left, and each trial that was better than all before it."""
        parameters_known(request)
        row = _own(request, study_id)
        steps = [{"number": number, "objective": value} for number, value in best_so_far(row)]
        answer = progress_values(row) | {
            "best_so_far": steps,
            "n_looks_before": 0 if row.holdout else looks_before(row),
            "n_trials_counted": counted(row),
        }
        return Response(StudyProgressSerializer(answer).data)


class LeaderboardApi(APIView):
    """The best trials of a search."""

    @extend_schema(
        parameters=[
            OpenApiParameter("sort", str, enum=SORTS, description="-objective unless given."),
            OpenApiParameter("best", int, description="Only the best so many percent."),
            OpenApiParameter("page_size", int, description=f"At most {MOST}; {PAGE} unless given."),
            OpenApiParameter("offset", int, description="From `next_offset` of the part before."),
        ],
        responses=LeaderboardSerializer,
    )
    def get(self, request: Request, study_id: int) -> Response:
        """Answer ranks, the stable zone and the suggestion with each; unranked ones last."""
        parameters_known(request, "sort", "best", "page_size", "offset")
        row = _own(request, study_id)
        sort = choice_read(request, "sort", SORTS) or "-objective"
        best = count_read(request, "best", default=100, most=100)
        size = count_read(request, "page_size", default=PAGE, most=MOST)
        offset = offset_read(request, "offset")
        ranked = trials_ranked(row)
        ranks = {trial.number: rank for rank, trial in enumerate(ranked, 1)}
        zone, pick = stable_zone(row, ranked), (row.judgement or {}).get("pick")
        shown = list(trial_list(row, sort=sort, best_percent=float(best))[offset:][: size + 1])
        for trial in shown:
            trial.rank = ranks.get(trial.number)
            trial.is_stable = trial.number in zone
            trial.is_pick = trial.number == pick
        answer = {
            "n_ranked": len(ranked),
            "n_unranked": trial_list(row).count() - len(ranked),
            "next_offset": offset + size if len(shown) > size else None,
            "results": shown[:size],
        }
        return Response(LeaderboardSerializer(answer).data)


class HeatmapApi(APIView):
    """The objective over two parameters."""

    @extend_schema(
        parameters=[
            OpenApiParameter("x", str, required=True, description="A parameter that moves."),
            OpenApiParameter("y", str, required=True, description="Another one."),
        ],
        responses=HeatmapSerializer,
    )
    def get(self, request: Request, study_id: int) -> Response:
        """Answer at most twelve by twelve cells; empty before a trial is ranked."""
        parameters_known(request, "x", "y")
        row = _own(request, study_id)
        x, y = (choice_read(request, name, list(row.space)) for name in ("x", "y"))
        if not x or not y or x == y:
            names = ", ".join(row.space)
            raise BadRequest("INVALID_AXES", f"x and y must be two of {names}.", field="y")
        ranked = trials_ranked(row)
        found = heat(ranked, stable_zone(row, ranked), x, y) or NOTHING
        answer = {
            "x": x,
            "y": y,
            "columns": [_span(span) for span in found["column_spans"]],
            "rows": [_span(line["span"]) | {"cells": line["cells"]} for line in found["rows"]],
        }
        return Response(HeatmapSerializer(answer).data)


# A megabyte for ten thousand trials, mostly the same names again and again.
@method_decorator(gzip_page, name="dispatch")
class PointsApi(APIView):
    """Every ranked trial as a line over all axes."""

    @extend_schema(responses=PointsSerializer)
    def get(self, request: Request, study_id: int) -> Response:
        """Answer the moving parameters and both Sharpe ratios of each, best first."""
        parameters_known(request)
        return Response(PointsSerializer(points_of(_own(request, study_id))).data)


def _span(span: tuple[Any, Any]) -> dict[str, Any]:
    return {"low": span[0], "high": span[1]}


def _own(request: Request, study_id: int) -> Any:
    return study_get(user_id=_member(request).pk, study_id=study_id)


def _member(request: Request) -> User:
    # Permissions let nobody in who is not signed in.
    return cast("User", request.user)
