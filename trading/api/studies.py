"""REST door of optimizations; the same services as the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import idempotency_header, idempotency_key_given
from elson.common.listing import csv_response
from elson.common.paging import CursorPagination
from trading.api.parameters import PAGING, choice_read, count_read, parameters_known
from trading.selectors.strategies import strategy_of
from trading.selectors.studies import STATUSES, study_get, study_list, trial_list
from trading.selectors.versions import parameters_diff
from trading.serializers.studies import (
    DraftVersionSerializer,
    StudyApplySerializer,
    StudyExtendSerializer,
    StudyRequestSerializer,
    StudyRowSerializer,
    StudySerializer,
    TrialChoiceSerializer,
    TrialSerializer,
)
from trading.services.studies.adoption import newest_version, study_apply
from trading.services.studies.drafts import study_draft_read
from trading.services.studies.holdout import holdout_open
from trading.services.studies.requests import (
    study_extend,
    study_pause,
    study_request,
    study_resume,
    study_stop,
)

if TYPE_CHECKING:
    from accounts.models import User

IDEMPOTENCY_KEY = idempotency_header(
    "The same key again returns the search it made the first time.", required=False
)
# What fits into the column of an id.
MOST_ID = 2**31 - 1
KNOWN_STATUSES = [value for value, _ in STATUSES]
TRIAL_FIELDS = (
    "number", "status", "objective", "in_sample_sharpe", "out_of_sample_sharpe", "gap",
    "dispersion", "n_trades", "max_drawdown", "total_return", "refusal", "error",
)  # fmt: skip


class TrialPagination(CursorPagination):
    """By number, as they were drawn."""

    ordering = "number"


class StudyListApi(ListAPIView[Any]):
    """List one's searches, newest first; ask for one."""

    serializer_class = StudyRowSerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only the caller's own, of one status or all."""
        if getattr(self, "swagger_fake_view", False):
            return study_list(user_id=0)
        parameters_known(self.request, *PAGING, "status", "search", "repeat_of")
        values = self.request.query_params
        return study_list(
            user_id=_member(self.request).pk,
            search=values.get("search", "")[:80],
            status=choice_read(self.request, "status", KNOWN_STATUSES),
            repeat_of=count_read(self.request, "repeat_of", most=MOST_ID),
        )

    @extend_schema(
        parameters=[
            OpenApiParameter("status", str, enum=KNOWN_STATUSES),
            OpenApiParameter("search", str, description="Symbol, rules, note or #number."),
            OpenApiParameter("repeat_of", int, description="The search these repeat."),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=StudyRequestSerializer,
        responses={202: StudySerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Check and enqueue a search; answers 202 with where to look."""
        asked = StudyRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        study = study_request(
            user=_member(request),
            draft=study_draft_read(asked.draft_values()),
            now=timezone.now(),
            client_key=idempotency_key_given(request),
        )
        where = f"/api/v1/optimizations/{study.pk}/"
        return Response(StudySerializer(study).data, status=202, headers={"Location": where})


class StudyDetailApi(APIView):
    """One search and how far it is."""

    @extend_schema(responses=StudySerializer)
    def get(self, request: Request, study_id: int) -> Response:
        """Answer 404 for unknown and for foreign ones alike."""
        return Response(StudySerializer(_own(request, study_id)).data)


class TrialListApi(ListAPIView[Any]):
    """Finished trials of a search by number; failed ones with `status=FAILED`."""

    serializer_class = TrialSerializer
    pagination_class = TrialPagination

    def get_queryset(self) -> Any:
        """Read those of one of the caller's own searches."""
        if getattr(self, "swagger_fake_view", False):
            return study_list(user_id=0)
        parameters_known(self.request, *PAGING, "status")
        status = choice_read(self.request, "status", ["DONE", "FAILED"])
        study = _own(self.request, self.kwargs["study_id"])
        return trial_list(study, failed=status == "FAILED")

    @extend_schema(parameters=[OpenApiParameter("status", str, enum=["DONE", "FAILED"])])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)


class TrialCsvApi(APIView):
    """The finished trials as CSV, best first."""

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, study_id: int) -> HttpResponse:
        """Write one line per trial, one column per moving parameter."""
        study = _own(request, study_id)
        return csv_response(
            f"optimization-{study.pk}-trials.csv", trial_columns(study), trial_list(study)
        )


class StudyPauseApi(APIView):
    """Let no new trial begin."""

    @extend_schema(request=None, responses=StudySerializer)
    def post(self, request: Request, study_id: int) -> Response:
        """Pause; a second time answers the same."""
        return Response(StudySerializer(study_pause(study=_own(request, study_id))).data)


class StudyResumeApi(APIView):
    """Go on after a pause."""

    @extend_schema(request=None, responses=StudySerializer)
    def post(self, request: Request, study_id: int) -> Response:
        """Resume; a second time answers the same."""
        row = study_resume(study=_own(request, study_id), now=timezone.now())
        return Response(StudySerializer(row).data)


class StudyStopApi(APIView):
    """End a search with the trials that are done."""

    @extend_schema(request=None, responses=StudySerializer)
    def post(self, request: Request, study_id: int) -> Response:
        """Stop; a second time answers the same."""
        row = study_stop(study=_own(request, study_id), now=timezone.now())
        return Response(StudySerializer(row).data)


class StudyExtendApi(APIView):
    """Go on until a search has so many trials in all."""

    @extend_schema(request=StudyExtendSerializer, responses={202: StudySerializer})
    def post(self, request: Request, study_id: int) -> Response:
        """Extend; a second time answers the same; refused once the hold-out was opened."""
        asked = StudyExtendSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        row = study_extend(
            study=_own(request, study_id),
            n_trials=asked.validated_data["n_trials"],
            now=timezone.now(),
        )
        return Response(StudySerializer(row).data, status=202)


class StudyHoldoutApi(APIView):
    """Open the hold-out, once."""

    @extend_schema(request=TrialChoiceSerializer, responses=StudySerializer)
    def post(self, request: Request, study_id: int) -> Response:
        """Run one trial on bars no search has seen; 409 the second time."""
        asked = TrialChoiceSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        row = holdout_open(
            study=_own(request, study_id), number=asked.validated_data["trial"], now=timezone.now()
        )
        return Response(StudySerializer(row).data)


class StudyApplyApi(APIView):
    """Take a trial's parameters over as a draft version."""

    @extend_schema(request=StudyApplySerializer, responses={201: DraftVersionSerializer})
    def post(self, request: Request, study_id: int) -> Response:
        """Make the version and tell what differs; what runs keeps its own."""
        asked = StudyApplySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        study = _own(request, study_id)
        strategy_id = asked.validated_data.get("strategy_id")
        strategy = strategy_of(_member(request), strategy_id) if strategy_id else None
        old = dict(newest_version(strategy).parameters) if strategy else {}
        version = study_apply(study=study, number=asked.validated_data["trial"], strategy=strategy)
        shown = {
            "strategy_id": version.strategy_id,
            "number": version.number,
            "parameters": version.parameters,
            "note": version.note,
            "changes": parameters_diff(
                strategy_key=study.strategy_key, old=old, new=dict(version.parameters)
            ),
        }
        return Response(DraftVersionSerializer(shown).data, status=201)


def trial_columns(study: Any) -> tuple[Any, ...]:
    """Name the columns of a study's CSV: figures first, then one per moving parameter."""
    figures = tuple((name, lambda trial, name=name: getattr(trial, name)) for name in TRIAL_FIELDS)
    moving = tuple(
        (name, lambda trial, name=name: trial.parameters.get(name, "")) for name in study.space
    )
    return figures + moving


def _own(request: Request, study_id: int) -> Any:
    return study_get(user_id=_member(request).pk, study_id=study_id)


def _member(request: Request) -> User:
    # Permissions let nobody in who is not signed in.
    return cast("User", request.user)
