"""REST doors of searches made again by the clock, and of what they propose; as the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.errors import NotFound
from elson.common.paging import CursorPagination
from trading.api.parameters import PAGING, choice_read, parameters_known
from trading.selectors.strategies import strategy_of
from trading.selectors.studies import (
    PROPOSAL_STATUSES,
    proposal_get,
    proposal_list,
    repeats_list,
    study_get,
)
from trading.selectors.versions import parameters_diff, regime_diff
from trading.serializers.study_repeats import (
    ProposalDetailSerializer,
    ProposalRejectSerializer,
    ProposalSerializer,
    StudyRepeatRequestSerializer,
    StudyRepeatSerializer,
)
from trading.services.studies.renewal import proposal_accept, proposal_reject, repeats_schedule

if TYPE_CHECKING:
    from accounts.models import User

KNOWN_STATUSES = [value for value, _ in PROPOSAL_STATUSES]


class StudyRepeatListApi(ListAPIView[Any]):
    """Searches that are made again by the clock, newest first."""

    serializer_class = StudyRepeatSerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only the caller's own."""
        if getattr(self, "swagger_fake_view", False):
            return repeats_list(user_id=0)
        parameters_known(self.request, *PAGING)
        return repeats_list(user_id=_member(self.request).pk)


class StudyRepeatApi(APIView):
    """Whether and how often one search is made again."""

    @extend_schema(responses=StudyRepeatSerializer)
    def get(self, request: Request, study_id: int) -> Response:
        """Answer 404 while it is not repeated."""
        row = _own(request, study_id)
        if row.repeats_at is None:
            raise NotFound("repetition of optimization", f"#{row.pk}")
        return Response(StudyRepeatSerializer(row).data)

    @extend_schema(request=StudyRepeatRequestSerializer, responses=StudyRepeatSerializer)
    def put(self, request: Request, study_id: int) -> Response:
        """Repeat it for one of your strategies from today on, in place of what was set before."""
        row = _own(request, study_id)
        asked = StudyRepeatRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        strategy = strategy_of(_member(request), asked.validated_data["strategy_id"])
        days = asked.validated_data["every_days"]
        repeats_schedule(study=row, strategy=strategy, every_days=days, now=timezone.now())
        return Response(StudyRepeatSerializer(_own(request, study_id)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, study_id: int) -> Response:
        """Repeat it no more; a second time answers the same. What it proposed stays."""
        row = _own(request, study_id)
        repeats_schedule(study=row, strategy=None, every_days=None, now=timezone.now())
        return Response(status=204)


class ProposalListApi(ListAPIView[Any]):
    """What repeated searches found, newest first: offered, withheld and decided ones."""

    serializer_class = ProposalSerializer
    pagination_class = CursorPagination

    def get_queryset(self) -> Any:
        """Read only those to the caller."""
        if getattr(self, "swagger_fake_view", False):
            return proposal_list(user_id=0)
        parameters_known(self.request, *PAGING, "status")
        status = choice_read(self.request, "status", KNOWN_STATUSES)
        return proposal_list(user_id=_member(self.request).pk, status=status)

    @extend_schema(parameters=[OpenApiParameter("status", str, enum=KNOWN_STATUSES)])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them."""
        return super().get(request, *args, **kwargs)


class ProposalDetailApi(APIView):
    """One proposal: its gates, and what it would change."""

    @extend_schema(responses=ProposalDetailSerializer)
    def get(self, request: Request, proposal_id: int) -> Response:
        """Answer 404 for unknown and for foreign ones alike."""
        return _detail(_offered(request, proposal_id))


class ProposalAcceptApi(APIView):
    """Take a proposal over."""

    @extend_schema(request=None, responses=ProposalDetailSerializer)
    def post(self, request: Request, proposal_id: int) -> Response:
        """Make the draft version, nothing runs it; again answers the same, 409 once rejected."""
        proposal_accept(proposal=_offered(request, proposal_id), now=timezone.now())
        return _detail(_offered(request, proposal_id))


class ProposalRejectApi(APIView):
    """Turn a proposal down."""

    @extend_schema(request=ProposalRejectSerializer, responses=ProposalDetailSerializer)
    def post(self, request: Request, proposal_id: int) -> Response:
        """Keep what is in use, and why; again answers the same, 409 once accepted."""
        row = _offered(request, proposal_id)
        asked = ProposalRejectSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        reason = asked.validated_data["reason"]
        proposal_reject(proposal=row, reason=reason, now=timezone.now())
        return _detail(_offered(request, proposal_id))


def _detail(proposal: Any) -> Response:
    terms = {
        "strategy_key": proposal.strategy.key,
        "old": dict(proposal.champion.parameters),
        "new": dict(proposal.parameters),
    }
    context = {"changes": parameters_diff(**terms), "changes_by_regime": regime_diff(**terms)}
    return Response(ProposalDetailSerializer(proposal, context=context).data)


def _offered(request: Request, proposal_id: int) -> Any:
    return proposal_get(user_id=_member(request).pk, proposal_id=proposal_id)


def _own(request: Request, study_id: int) -> Any:
    return study_get(user_id=_member(request).pk, study_id=study_id)


def _member(request: Request) -> User:
    # Permissions let nobody in who is not signed in.
    return cast("User", request.user)
