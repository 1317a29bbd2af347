"""REST door of the list of strategies with their figures; the same rows as the page."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trading.api.parameters import choice_read, parameters_known
from trading.selectors.own_books import Book, books_of
from trading.selectors.portfolios import portfolio_get
from trading.selectors.strategies import (
    DeploymentRow,
    DraftRow,
    deployment_rows,
    draft_rows,
    stopped_rows,
)
from trading.serializers.strategy_board import BoardSerializer

ARCHIVED, DRAFT = "ARCHIVED", "DRAFT"
STATES = ["RUNNING", "PAUSED", "HALTED", "STOPPED", "ERROR", DRAFT, ARCHIVED]


class StrategyBoardApi(APIView):
    """Your strategies with what they do and did."""

    @extend_schema(
        parameters=[OpenApiParameter("state", str, enum=STATES, description="All but archived.")],
        responses=BoardSerializer,
    )
    def get(self, request: Request) -> Response:
        """List those at work, then stopped ones, then those that never ran."""
        parameters_known(request, "state")
        state = choice_read(request, "state", STATES)
        is_archived = state == ARCHIVED
        portfolio = portfolio_get(request.user)
        stopped = stopped_rows(portfolio, is_archived=is_archived)
        found = stopped if is_archived else [*deployment_rows(portfolio), *stopped]
        rows = [row for row in found if state in ("", ARCHIVED, row.shown_status)]
        drafts = draft_rows(request.user, is_archived=is_archived)
        if state not in ("", ARCHIVED, DRAFT):
            drafts = []
        lines = [_line(*pair) for pair in books_of(portfolio, rows)]
        answer = {"results": [*lines, *(_draft_line(row) for row in drafts)]}
        return Response(BoardSerializer(answer).data)


def _line(row: DeploymentRow, book: Book) -> dict[str, Any]:
    return {
        "strategy_id": row.strategy_id,
        "deployment_id": row.deployment_id,
        "name": row.name,
        "rule": row.rule,
        "version": row.version,
        "state": row.shown_status,
        "symbol": row.symbol,
        "timeframe": row.timeframe,
        "regime": row.regime or None,
        "exposure": book.exposure,
        "result": row.pnl,
        "result_ratio": row.pnl_ratio,
        "return_30_days": book.return_month,
        "max_drawdown": book.max_drawdown,
        "last_decision_at": row.decision_at,
        "last_decision": row.decision_reason or None,
        "error": row.error,
    }


def _draft_line(row: DraftRow) -> dict[str, Any]:
    known = {
        "strategy_id": row.strategy_id,
        "name": row.name,
        "rule": row.rule,
        "version": row.version,
        "state": DRAFT,
        "error": "",
    }
    return dict.fromkeys(BoardSerializer().fields["results"].child.fields) | known  # type: ignore[attr-defined]
