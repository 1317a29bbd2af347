"""REST door of regimes, as far as the caller's replay has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketdata.selectors import coverage_get, instrument_get, visible_until
from trading.api.parameters import count_read, parameters_known
from trading.selectors.markets import regime_spells, series_of
from trading.serializers.strategies import RegimesSerializer

if TYPE_CHECKING:
    from accounts.models import User

BANDS_DEFAULT = 500
BANDS_MAX = 5_000


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
