"""REST doors of regimes, as far as the caller's replay has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata.selectors import coverage_get, instrument_get, visible_until
from trading.api.parameters import choice_read, count_read, parameters_known
from trading.selectors.markets import regime_spells, series_of
from trading.selectors.portfolios import limits_get, portfolio_get
from trading.selectors.regime_definition import regime_definition
from trading.selectors.regimes import (
    ALL_MARKETS,
    markets_of,
    regime_rows,
    strategies_by_regime,
    transition_rows,
    volatility_estimates,
)
from trading.serializers.regimes import (
    RegimeChangesSerializer,
    RegimeDefinitionSerializer,
    RegimeNowSerializer,
    TransitionsSerializer,
    VolatilitySerializer,
)
from trading.serializers.strategies import RegimesSerializer

if TYPE_CHECKING:
    from accounts.models import User

BANDS_DEFAULT = 500
BANDS_MAX = 5_000
SERIES_PARAMETERS = [
    OpenApiParameter("symbol", str, required=True),
    OpenApiParameter("timeframe", str, description="1m, 5m, 15m, 1h or 1d (default)."),
]


class RegimeDefinitionApi(APIView):
    """What the words of the regimes mean."""

    @extend_schema(responses=RegimeDefinitionSerializer)
    def get(self, request: Request) -> Response:
        """Answer estimator, windows and bounds."""
        parameters_known(request)
        return Response(RegimeDefinitionSerializer(regime_definition()).data)


class RegimeListApi(APIView):
    """Volatility regimes of one series."""

    @extend_schema(
        parameters=[
            OpenApiParameter("symbol", str, required=True),
            OpenApiParameter("timeframe", str, description="1m, 5m, 15m, 1h or 1d (default)."),
            OpenApiParameter("limit", int, description=f"The newest; at most {BANDS_MAX}."),
        ],
        responses=RegimesSerializer,
    )
    def get(self, request: Request) -> Response:
        """Answer bands, oldest first; the last one ends at the newest bar you may see."""
        parameters_known(request, "symbol", "timeframe", "limit")
        values = request.query_params
        instrument = instrument_get(values.get("symbol", ""))
        timeframe = values.get("timeframe", "1d")
        limit = count_read(request, "limit", default=BANDS_DEFAULT, most=BANDS_MAX)
        until = visible_until(cast("User", request.user))
        coverage_get(instrument, timeframe)  # unknown series are an error
        spells = regime_spells(series_of(instrument, timeframe), until, n=limit + 1)[::-1]
        answer = {
            "symbol": instrument.symbol,
            "timeframe": timeframe,
            "visible_until": until,
            "has_older": len(spells) > limit,
            "bands": [
                {
                    "from_at": spell.from_at,
                    "to_at": spell.to_at,
                    "regime": spell.regime or None,
                    "n_bars": spell.n_bars,
                }
                for spell in spells[-limit:]
            ],
        }
        return Response(RegimesSerializer(answer).data)


class RegimeNowListApi(APIView):
    """Volatility regime of every market you watch, or of all."""

    @extend_schema(
        parameters=[OpenApiParameter("markets", str, enum=[ALL_MARKETS])],
        responses=RegimeNowSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Answer one row per instrument on the caller's lists, every instrument without a list."""
        parameters_known(request, "markets")
        user = cast("User", request.user)
        markets = markets_of(user, choice_read(request, "markets", [ALL_MARKETS]))
        rows = regime_rows(portfolio_get(user), markets)
        return Response(RegimeNowSerializer(rows, many=True).data)


class RegimeChangesApi(APIView):
    """What changes in each regime."""

    @extend_schema(responses=RegimeChangesSerializer)
    def get(self, request: Request) -> Response:
        """Answer parameters by regime and limits of your strategies, and your portfolio's."""
        parameters_known(request)
        user = cast("User", request.user)
        answer = {
            "strategies": strategies_by_regime(user),
            "portfolio_limits": limits_get(portfolio_get(user)),
        }
        return Response(RegimeChangesSerializer(answer).data)


class RegimeTransitionsApi(APIView):
    """Which regime followed which."""

    @extend_schema(parameters=SERIES_PARAMETERS, responses=TransitionsSerializer)
    def get(self, request: Request) -> Response:
        """Answer counts and shares at the next bar, rows from LOW to EXTREME."""
        head, series = _series(request)
        rows = transition_rows(series, head["visible_until"])
        return Response(TransitionsSerializer(head | {"rows": rows}).data)


class RegimeVolatilityApi(APIView):
    """Volatility of one series, measured by every estimator."""

    @extend_schema(parameters=SERIES_PARAMETERS, responses=VolatilitySerializer)
    def get(self, request: Request) -> Response:
        """Answer annualized fractions; null with the reason where bars do not allow one."""
        head, series = _series(request)
        estimates = volatility_estimates(series, head["visible_until"])
        return Response(VolatilitySerializer(head | {"estimates": estimates}).data)


def _series(request: Request) -> tuple[dict[str, Any], Any]:
    """Head of the answer and the series asked for; an unknown one is an error."""
    parameters_known(request, "symbol", "timeframe")
    instrument = instrument_get(request.query_params.get("symbol", ""))
    timeframe = request.query_params.get("timeframe", "1d")
    coverage_get(instrument, timeframe)
    head = {
        "symbol": instrument.symbol,
        "timeframe": timeframe,
        "visible_until": visible_until(cast("User", request.user)),
    }
    return head, series_of(instrument, timeframe)
