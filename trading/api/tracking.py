"""REST doors of a strategy beside its backtest, its counts, and what a version would hold now."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from trading.api.parameters import parameters_known
from trading.selectors.own_books import book_of, breaker_now
from trading.selectors.portfolios import portfolio_get
from trading.selectors.strategies import (
    block_counts,
    decision_counts,
    deployment_get,
    strategy_of,
    strategy_version,
)
from trading.serializers.tracking import (
    DecisionCountsSerializer,
    HoldingNowSerializer,
    TrackingSerializer,
)
from trading.services.preview import PreviewTerms, capital_read, holdings_now, symbols_read
from trading.services.tracking import cost_lines, fill_costs, tracking_of

DEFAULT_CAPITAL = "10000"


class DeploymentTrackingApi(APIView):
    """A strategy at work beside its own backtest."""

    @extend_schema(responses=TrackingSerializer)
    def get(self, request: Request, deployment_id: int) -> Response:
        """Compare up to your market date, a stopped one up to its last bar."""
        parameters_known(request)
        deployment = deployment_get(request.user, deployment_id)
        replay = deployment.portfolio.replay
        seen = replay.cursor_at if replay else None
        until = deployment.last_bar_at if deployment.status == "STOPPED" else seen
        answer = {
            "book": book_of(deployment, until=until),
            "breaker": breaker_now(deployment),
            "against_backtest": tracking_of(deployment, until=until),
            "costs": cost_lines(fill_costs(deployment)),
        }
        return Response(TrackingSerializer(answer).data)


class DecisionCountsApi(APIView):
    """Counts of a strategy's decisions."""

    @extend_schema(responses=DecisionCountsSerializer)
    def get(self, request: Request, strategy_id: int) -> Response:
        """Count actions, "no trade" included, and what kept decisions from trading."""
        parameters_known(request)
        strategy = strategy_of(request.user, strategy_id)
        answer = {"actions": decision_counts(strategy), "blocked": block_counts(strategy)}
        return Response(DecisionCountsSerializer(answer).data)


class VersionPreviewApi(APIView):
    """What a version would hold now; nothing is ordered."""

    @extend_schema(
        parameters=[
            OpenApiParameter("symbols", str, required=True, description="One to five, by comma."),
            OpenApiParameter("capital", str, description=f"Default {DEFAULT_CAPITAL}."),
        ],
        responses=HoldingNowSerializer(many=True),
    )
    def get(self, request: Request, strategy_id: int, number: int) -> Response:
        """Run the version over the last bars you may see, at its own costs and limits."""
        parameters_known(request, "symbols", "capital")
        strategy = strategy_of(request.user, strategy_id)
        version = strategy_version(strategy, number)
        portfolio = portfolio_get(request.user)
        terms = PreviewTerms(
            capital=capital_read(request.query_params.get("capital", DEFAULT_CAPITAL)),
            limits=version.limits,
            costs=version.costs,
            timeframe=portfolio.replay.timeframe if portfolio.replay else "1d",
        )
        rows = holdings_now(
            strategy_key=strategy.key,
            parameters=version.parameters,
            symbols=symbols_read(request.query_params.get("symbols", "")),
            terms=terms,
            portfolio=portfolio,
        )
        return Response(HoldingNowSerializer(rows, many=True).data)
