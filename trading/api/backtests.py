"""REST door of backtests; the same services as the pages."""

from __future__ import annotations

import datetime as dt
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
from elson.common.errors import Conflict, NotFound
from elson.common.listing import csv_response
from trading.api.paging import SortedPagination
from trading.api.parameters import PAGING, choice_read, day_read, ids_read, parameters_known
from trading.selectors.backtests import SORTS, STATUSES, backtest_get, backtest_list
from trading.selectors.comparison import MOST_RUNS, compared_runs, comparison_of
from trading.selectors.luck import LUCK
from trading.selectors.shares import share_open
from trading.serializers.backtests import (
    AdoptedVersionSerializer,
    BacktestAdoptSerializer,
    BacktestDescriptionSerializer,
    BacktestReportSerializer,
    BacktestRequestSerializer,
    BacktestResultSerializer,
    BacktestRowSerializer,
    BacktestSerializer,
    BacktestShareSerializer,
    BacktestSplitSerializer,
)
from trading.serializers.comparison import ComparisonSerializer
from trading.services.adoption import backtest_adopt
from trading.services.backtests.comparison import compare_check
from trading.services.backtests.drafts import draft_read
from trading.services.backtests.requests import (
    backtest_cancel,
    backtest_describe,
    backtest_report,
    backtest_request,
    backtest_rerun,
)
from trading.services.backtests.sharing import share_create, share_revoke
from trading.services.backtests.splits import split_figures

if TYPE_CHECKING:
    from accounts.models import User

IDEMPOTENCY_KEY = idempotency_header(
    "The same key again returns the run it made the first time.", required=False
)
FILTERS = ("tag", "status", "strategy", "search", "luck")
SORTED_BY = [f"{sign}{name}" for name in SORTS for sign in ("", "-")]
TRADE_FIELDS = (
    "number", "side", "signal_at", "entry_at", "exit_at", "quantity", "entry_price", "exit_price",
    "commission", "pnl", "return_ratio", "bars_held", "regime", "exit_reason", "is_out_of_sample",
    "symbol", "mae", "mfe",
)  # fmt: skip
TRADE_COLUMNS = tuple((name, lambda trip, name=name: trip.get(name)) for name in TRADE_FIELDS)


class BacktestListApi(ListAPIView[Any]):
    """List one's runs, newest first; ask for one."""

    serializer_class = BacktestRowSerializer
    pagination_class = SortedPagination

    @extend_schema(
        parameters=[
            OpenApiParameter("tag", str, description="One tag, as it is written."),
            OpenApiParameter("status", str, enum=[code for code, _ in STATUSES]),
            OpenApiParameter("strategy", str, description="The key of a strategy."),
            OpenApiParameter("search", str, description="Symbol, rules, tag, note or #number."),
            OpenApiParameter(
                "luck", str, enum=LUCK, description="Does it beat random entries? PASS: it does."
            ),
            OpenApiParameter(
                "sort",
                str,
                enum=SORTED_BY,
                description="A figure out of sample; with a minus the largest first.",
            ),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Filter as the page does."""
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        """Read only the caller's own."""
        if getattr(self, "swagger_fake_view", False):
            return backtest_list(user_id=0)
        parameters_known(self.request, *FILTERS, "sort", *PAGING)
        return backtest_list(
            user_id=_member(self.request).pk,
            tag=self.request.query_params.get("tag", "")[:24],
            status=choice_read(self.request, "status", [code for code, _ in STATUSES]),
            strategy=self.request.query_params.get("strategy", "")[:60],
            search=self.request.query_params.get("search", "")[:80],
            luck=choice_read(self.request, "luck", LUCK),
            sort=choice_read(self.request, "sort", SORTED_BY) or "-created",
        )

    @extend_schema(
        request=BacktestRequestSerializer,
        responses={202: BacktestSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Check and enqueue a run; answers 202 with where to look."""
        asked = BacktestRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        backtest = backtest_request(
            user=_member(request),
            draft=draft_read(asked.draft_values()),
            now=timezone.now(),
            client_key=idempotency_key_given(request),
        )
        return _accepted(backtest)


class BacktestDetailApi(APIView):
    """One run and how far it is."""

    @extend_schema(responses=BacktestSerializer)
    def get(self, request: Request, backtest_id: int) -> Response:
        """Answer 404 for unknown and for foreign runs alike."""
        return Response(BacktestSerializer(_own(request, backtest_id)).data)

    @extend_schema(request=BacktestDescriptionSerializer, responses=BacktestSerializer)
    def patch(self, request: Request, backtest_id: int) -> Response:
        """Replace note or tags; what is not given stays."""
        row = _own(request, backtest_id)
        asked = BacktestDescriptionSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        values = {"note": row.note, "tags": [tag.name for tag in row.tags.all()]}
        backtest_describe(backtest=row, **values | asked.validated_data)
        return Response(BacktestSerializer(_own(request, backtest_id)).data)


class BacktestSplitApi(APIView):
    """A finished run split at another day."""

    also_refuses = (409,)

    @extend_schema(
        parameters=[OpenApiParameter("from", dt.date, required=True, description="2015-01-01")],
        responses=BacktestSplitSerializer,
    )
    def get(self, request: Request, backtest_id: int) -> Response:
        """Answer with both sides; the verdict stays with the split of the run."""
        parameters_known(request, "from")
        day = day_read(request, "from")
        result = _result(request, backtest_id)
        chance = result.honesty["null_win_rates"]["ALL"]
        figures = {"null_win_rate": chance, **split_figures(result, day)}
        return Response(BacktestSplitSerializer({"split": day, **figures}).data)


class BacktestResultApi(APIView):
    """What a finished run found."""

    also_refuses = (409,)

    @extend_schema(responses=BacktestResultSerializer)
    def get(self, request: Request, backtest_id: int) -> Response:
        """Answer 409 while there is no result."""
        return Response(BacktestResultSerializer(_result(request, backtest_id)).data)


class BacktestCompareApi(APIView):
    """Two to four runs side by side."""

    @extend_schema(
        parameters=[OpenApiParameter("ids", str, required=True, description="1,2 to 1,2,3,4")],
        responses=ComparisonSerializer,
    )
    def get(self, request: Request) -> Response:
        """Answer 403 when the plan compares fewer, 404 for unknown and for foreign runs alike."""
        parameters_known(request, "ids")
        ids = ids_read(request, "ids", fewest=2, most=MOST_RUNS)
        compare_check(user=_member(request), n_runs=len(ids), now=timezone.now())
        runs = compared_runs(user_id=_member(request).pk, backtest_ids=ids)
        return Response(ComparisonSerializer(comparison_of(runs)).data)


class BacktestTradesApi(APIView):
    """The round trips of a finished run as CSV."""

    also_refuses = (409,)

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, backtest_id: int) -> HttpResponse:
        """Write one line per round trip, oldest first."""
        trips = _result(request, backtest_id).round_trips
        return csv_response(f"backtest-{backtest_id}-trades.csv", TRADE_COLUMNS, trips)


class BacktestCancelApi(APIView):
    """Call a run off."""

    @extend_schema(request=None, responses={202: BacktestSerializer})
    def post(self, request: Request, backtest_id: int) -> Response:
        """Cancel a waiting run at once, a running one at its next chunk."""
        row = backtest_cancel(backtest=_own(request, backtest_id), now=timezone.now())
        return Response(BacktestSerializer(row).data, status=202)


class BacktestRerunApi(APIView):
    """Ask for the same run again."""

    @extend_schema(request=None, responses={202: BacktestSerializer}, parameters=[IDEMPOTENCY_KEY])
    def post(self, request: Request, backtest_id: int) -> Response:
        """Enqueue a copy with the same seed."""
        made = backtest_rerun(
            backtest=_own(request, backtest_id),
            now=timezone.now(),
            client_key=idempotency_key_given(request),
        )
        return _accepted(made)


class BacktestShareApi(APIView):
    """The link with which anybody may read a result."""

    @extend_schema(responses=BacktestShareSerializer)
    def get(self, request: Request, backtest_id: int) -> Response:
        """Answer 404 while there is none."""
        share = share_open(_own(request, backtest_id))
        if share is None:
            raise NotFound("link to backtest", f"#{backtest_id}")
        return Response(BacktestShareSerializer(share).data)

    @extend_schema(request=None, responses={201: BacktestShareSerializer})
    def post(self, request: Request, backtest_id: int) -> Response:
        """Make it; a second time answers the same link. 409 without a result."""
        share = share_create(backtest=_own(request, backtest_id), now=timezone.now())
        return Response(BacktestShareSerializer(share).data, status=201)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, backtest_id: int) -> Response:
        """Take it back; a second time answers the same."""
        share_revoke(backtest=_own(request, backtest_id), now=timezone.now())
        return Response(status=204)


class BacktestReportApi(APIView):
    """Tell the people who run this site about a run that failed."""

    @extend_schema(request=BacktestReportSerializer, responses={202: BacktestSerializer})
    def post(self, request: Request, backtest_id: int) -> Response:
        """Report it; 409 for a run that did not fail."""
        asked = BacktestReportSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        row = backtest_report(
            backtest=_own(request, backtest_id), now=timezone.now(), **asked.validated_data
        )
        return Response(BacktestSerializer(row).data, status=202)


class BacktestAdoptApi(APIView):
    """Put the rule of a finished run to use on paper."""

    @extend_schema(
        request=BacktestAdoptSerializer,
        responses={201: AdoptedVersionSerializer},
    )
    def post(self, request: Request, backtest_id: int) -> Response:
        """Make a draft version; against the run's verdict only with the word `unproven`."""
        asked = BacktestAdoptSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        version = backtest_adopt(backtest=_own(request, backtest_id), **asked.validated_data)
        where = f"/api/v1/strategies/{version.strategy_id}/"
        answer = AdoptedVersionSerializer(version).data
        return Response(answer, status=201, headers={"Location": where})


def _accepted(backtest: Any) -> Response:
    where = f"/api/v1/backtests/{backtest.pk}/"
    return Response(BacktestSerializer(backtest).data, status=202, headers={"Location": where})


def _own(request: Request, backtest_id: int) -> Any:
    return backtest_get(user_id=_member(request).pk, backtest_id=backtest_id)


def _member(request: Request) -> User:
    # Permissions let nobody in who is not signed in.
    return cast("User", request.user)


def _result(request: Request, backtest_id: int) -> Any:
    row = _own(request, backtest_id)
    if row.status != "SUCCEEDED":
        raise Conflict(
            "BACKTEST_WITHOUT_RESULT", f"Backtest #{row.pk} is {row.status} and has no result."
        )
    return row.result
