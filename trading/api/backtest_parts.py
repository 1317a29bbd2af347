"""REST doors of what the pages of backtests are made of; the same services as the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.api import idempotency_header, idempotency_key_given
from elson.common.errors import Conflict, NotFound
from marketdata.selectors import instant
from trading.api.parameters import parameters_known
from trading.selectors.backtests import backtest_get
from trading.selectors.comparison import compared_runs, comparison_of
from trading.serializers.backtest_parts import (
    BacktestLogSerializer,
    BacktestQuotaSerializer,
    BacktestTradeSerializer,
    CompareRerunAnswerSerializer,
    CompareRerunSerializer,
    DailySerializer,
)
from trading.services.backtests.comparison import compare_check, compare_limit, comparison_rerun
from trading.services.backtests.explaining import trade_explain
from trading.services.backtests.requests import backtest_quota
from trading.services.backtests.statistics import plain

if TYPE_CHECKING:
    from accounts.models import User


IDEMPOTENCY_KEY = idempotency_header(
    "The same key again returns the runs it made the first time.", required=False
)


class BacktestQuotaApi(APIView):
    """What your plan allows."""

    @extend_schema(responses=BacktestQuotaSerializer)
    def get(self, request: Request) -> Response:
        """Count the runs of today and those that have not ended."""
        parameters_known(request)
        user, now = _member(request), timezone.now()
        quota = backtest_quota(user=user, now=now)
        quota_values = {name: getattr(quota, name) for name in QUOTA}
        answer = quota_values | {"compare_at_once": compare_limit(user=user, now=now)}
        return Response(BacktestQuotaSerializer(answer).data)


QUOTA = ("n_used", "n_left", "per_day", "n_unfinished", "at_once", "resets_at")


class BacktestLogApi(APIView):
    """What a run wrote down."""

    @extend_schema(responses=BacktestLogSerializer)
    def get(self, request: Request, backtest_id: int) -> Response:
        """Answer its last fifty lines, oldest first."""
        parameters_known(request)
        row = _own(request, backtest_id)
        return Response(BacktestLogSerializer({"results": row.log}).data)


class BacktestDailyApi(APIView):
    """Equity day by day."""

    also_refuses = (409,)

    @extend_schema(responses=DailySerializer)
    def get(self, request: Request, backtest_id: int) -> Response:
        """Answer the account and holding at each day's last bar; 409 without a result."""
        parameters_known(request)
        row = _finished(request, backtest_id)
        return Response(DailySerializer({"id": row.pk, "daily": row.result.daily}).data)


class BacktestTradeApi(APIView):
    """One trade of a finished run, and why it was made."""

    also_refuses = (409,)

    @extend_schema(responses=BacktestTradeSerializer)
    def get(self, request: Request, backtest_id: int, number: int) -> Response:
        """Explain it; 409 where bars, model or code are no longer those of the run.

        503 while another one is being explained: ask again after `Retry-After`.
        """
        parameters_known(request)
        row = _finished(request, backtest_id)
        trips = (trip for trip in row.result.round_trips if trip["number"] == number)
        trip = next(trips, None)
        if trip is None:
            raise NotFound("trade", f"{number} of backtest #{row.pk}")
        found = trade_explain(backtest=row, number=number)
        answer = {
            "trade": trip,
            "entry": _told(found.entry),
            "exit": None if found.exit is None else _told(found.exit),
        }
        return Response(BacktestTradeSerializer(answer).data)


class CompareRerunApi(APIView):
    """The same runs again over the days they share."""

    @extend_schema(
        request=CompareRerunSerializer,
        responses={202: CompareRerunAnswerSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Ask for all or none; 409 where they share no other days, 429 over the plan."""
        asked = CompareRerunSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        ids = list(dict.fromkeys(asked.validated_data["ids"]))
        user, now = _member(request), timezone.now()
        compare_check(user=user, n_runs=len(ids), now=now)
        runs = compared_runs(user_id=user.pk, backtest_ids=ids)
        made = comparison_rerun(
            user=user,
            comparison=comparison_of(runs),
            now=now,
            client_key=idempotency_key_given(request),
        )
        answer = CompareRerunAnswerSerializer({"ids": [row.pk for row in made]}).data
        where = f"/api/v1/backtests/compare/?ids={','.join(str(row.pk) for row in made)}"
        return Response(answer, status=202, headers={"Location": where})


def _told(made: Any) -> dict[str, Any]:
    values = plain(made.to_dict())
    return values | {"decided_at": instant(made.decided_at)}


def _finished(request: Request, backtest_id: int) -> Any:
    row = _own(request, backtest_id)
    if row.status != "SUCCEEDED":
        raise Conflict(
            "BACKTEST_WITHOUT_RESULT", f"Backtest #{row.pk} is {row.status} and has no result."
        )
    return row


def _own(request: Request, backtest_id: int) -> Any:
    return backtest_get(user_id=_member(request).pk, backtest_id=backtest_id)


def _member(request: Request) -> User:
    # Permissions let nobody in who is not signed in.
    return cast("User", request.user)
