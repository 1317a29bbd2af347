"""Market data over REST: instruments, bars, watchlists and the caller's replay."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING, Any, cast

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from elson.common.errors import DomainError, NotFound
from elson.common.paging import TextPagination
from marketdata import selectors, serializers, services

if TYPE_CHECKING:
    from accounts.models import User

BARS_DEFAULT = 500
BARS_MAX = 5_000


class ParameterInvalid(DomainError):
    """A query parameter cannot be read."""

    status = 400
    title = "Parameter not understood"


class CsvRenderer(BaseRenderer):
    """Makes `?format=csv` known to the negotiation; the view writes the file itself."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, media_type: str | None = None, context: Any = None) -> bytes:
        """Write an error of a CSV request as JSON."""
        return JSONRenderer().render(data, media_type, context)


class SymbolPagination(TextPagination):
    """By symbol."""

    page_size = 100
    ordering = "symbol"


class InstrumentListApi(APIView):
    """Instruments."""

    @extend_schema(
        operation_id="v1_instruments_list",
        parameters=[
            OpenApiParameter("q", str, description="Part of a symbol or name."),
            OpenApiParameter("asset_class", str),
            OpenApiParameter("cursor", str, description="From `next` of the page before."),
            OpenApiParameter("page_size", int, description="At most 500; 100 unless given."),
        ],
        responses=serializers.InstrumentPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """List instruments by symbol, or the twenty that fit a search best."""
        text = request.query_params.get("q", "")
        if text:
            found = selectors.instrument_search(text)
            return Response({"results": [serializers.instrument_row(item) for item in found]})
        queryset = selectors.instrument_list(
            asset_class=request.query_params.get("asset_class", "").upper()[:12]
        )
        pages = SymbolPagination()
        page = pages.paginate_queryset(queryset, request, view=self) or []
        return pages.get_paginated_response([serializers.instrument_row(item) for item in page])


class InstrumentDetailApi(APIView):
    """One instrument."""

    @extend_schema(responses=serializers.InstrumentDetailSerializer)
    def get(self, request: Request, symbol: str) -> Response:
        """Describe an instrument, its series, and the newest bar you may see."""
        instrument = selectors.instrument_get(symbol)
        until = selectors.visible_until(_person(request))
        frames = selectors.timeframe_list(instrument)
        row = serializers.instrument_row(instrument)
        row["series"] = [
            serializers.coverage_row(selectors.coverage_get(instrument, frame), until)
            for frame in frames
        ]
        row["last"] = None
        if frames:
            try:
                last = selectors.last_bar_get(instrument, frames[-1], until=until)
                row["last"] = serializers.last_bar_row(last)
            except selectors.NoBars:
                row["last"] = None
        return Response(row)


class BarListApi(APIView):
    """Bars."""

    renderer_classes = (JSONRenderer, CsvRenderer)

    @extend_schema(
        parameters=[
            OpenApiParameter("symbol", str, required=True),
            OpenApiParameter("timeframe", str, description="1m, 5m, 15m, 1h or 1d (default)."),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="First close, inclusive."),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="Last close, inclusive."),
            OpenApiParameter("limit", int, description=f"The newest; at most {BARS_MAX}."),
            OpenApiParameter("format", str, description="csv for a file."),
        ],
        responses=serializers.BarsPageSerializer,
    )
    def get(self, request: Request) -> Response | HttpResponse:
        """Answer closed bars, oldest first, never after the cursor of your replay."""
        values = request.query_params
        instrument = selectors.instrument_get(values.get("symbol", ""))
        timeframe = values.get("timeframe", "1d")
        since, until = _moment(values, "since"), _moment(values, "until")
        visible_until = selectors.visible_until(_person(request))
        until = min(filter(None, (until, visible_until)), default=None)
        limit = _limit(values.get("limit"))
        try:
            bars = selectors.bars_get(
                instrument, timeframe, since=since, until=until, limit=limit + 1
            )
            rows = serializers.bar_rows(bars)
        except selectors.NoBars:
            selectors.coverage_get(instrument, timeframe)  # unknown series are an error
            rows = []
        if values.get("format") == "csv":
            return bars_csv(f"{instrument.symbol}_{timeframe}", rows[-limit:], timeframe)
        return Response(
            {
                "symbol": instrument.symbol,
                "timeframe": timeframe,
                "visible_until": selectors.iso(visible_until) if visible_until else None,
                "has_older": len(rows) > limit,
                "bars": rows[-limit:],
            }
        )


class WatchlistListApi(APIView):
    """Your watchlists."""

    @extend_schema(operation_id="v1_watchlists_list", responses=serializers.WatchlistsSerializer)
    def get(self, request: Request) -> Response:
        """List them, oldest first."""
        found = selectors.watchlist_list(_person(request))
        return Response({"results": [serializers.watchlist_row(item) for item in found]})

    @extend_schema(
        request=serializers.WatchlistSerializer, responses={201: serializers.WatchlistSerializer}
    )
    def post(self, request: Request) -> Response:
        """Make one."""
        body = serializers.WatchlistSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = services.watchlist_create(
            user=_person(request), name=body.validated_data["name"],
            symbols=body.validated_data.get("symbols"),
        )  # fmt: skip
        found = selectors.watchlist_get(_person(request), made.pk)
        return Response(serializers.watchlist_row(found), status=201)


class WatchlistDetailApi(APIView):
    """One of your watchlists."""

    @extend_schema(responses=serializers.WatchlistSerializer)
    def get(self, request: Request, watchlist_id: str) -> Response:
        """Show it."""
        found = selectors.watchlist_get(_person(request), watchlist_id)
        return Response(serializers.watchlist_row(found))

    @extend_schema(
        request=serializers.WatchlistNameSerializer, responses=serializers.WatchlistSerializer
    )
    def patch(self, request: Request, watchlist_id: str) -> Response:
        """Rename it."""
        found = selectors.watchlist_get(_person(request), watchlist_id)
        body = serializers.WatchlistNameSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        services.watchlist_rename(watchlist=found, name=body.validated_data["name"])
        return Response(serializers.watchlist_row(found))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, watchlist_id: str) -> Response:
        """Remove it; its instruments stay."""
        services.watchlist_delete(watchlist=selectors.watchlist_get(_person(request), watchlist_id))
        return Response(status=204)


class WatchlistItemListApi(APIView):
    """Symbols of one of your watchlists."""

    @extend_schema(
        request=serializers.WatchlistItemSerializer, responses=serializers.WatchlistSerializer
    )
    def post(self, request: Request, watchlist_id: str) -> Response:
        """Add a symbol at the end."""
        body = serializers.WatchlistItemSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        found = selectors.watchlist_get(_person(request), watchlist_id)
        services.watchlist_add(watchlist=found, symbol=body.validated_data["symbol"])
        again = selectors.watchlist_get(_person(request), watchlist_id)
        return Response(serializers.watchlist_row(again))


class WatchlistItemDetailApi(APIView):
    """One symbol of one of your watchlists."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, watchlist_id: str, symbol: str) -> Response:
        """Take it off."""
        found = selectors.watchlist_get(_person(request), watchlist_id)
        services.watchlist_remove(watchlist=found, symbol=symbol)
        return Response(status=204)


class ReplayDetailApi(APIView):
    """Your replay."""

    @extend_schema(responses=serializers.ReplaySerializer)
    def get(self, request: Request) -> Response:
        """Show its state, speed and cursor."""
        return _replay_answer(_replay_of(request))


class ReplayPauseApi(APIView):
    """Pause of your replay."""

    @extend_schema(request=None, responses=serializers.ReplaySerializer)
    def post(self, request: Request) -> Response:
        """Hold the market where it stands."""
        session = services.replay_pause(session=_replay_of(request), now=timezone.now())
        return _replay_answer(session)


class ReplayResumeApi(APIView):
    """Resumption of your replay."""

    @extend_schema(request=None, responses=serializers.ReplaySerializer)
    def post(self, request: Request) -> Response:
        """Let the market move on."""
        session = services.replay_resume(session=_replay_of(request), now=timezone.now())
        return _replay_answer(session)


class ReplaySpeedApi(APIView):
    """Speed of your replay."""

    @extend_schema(
        request=serializers.ReplaySpeedSerializer, responses=serializers.ReplaySerializer
    )
    def post(self, request: Request) -> Response:
        """Set the bars a minute."""
        body = serializers.ReplaySpeedSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        session = services.replay_set_speed(
            session=_replay_of(request), speed=body.validated_data["speed"], now=timezone.now()
        )
        return _replay_answer(session)


def bars_csv(name: str, rows: list[dict[str, str]], timeframe: str) -> HttpResponse:
    """Bars as a file that `import_bars` reads again: daily bars are dates, others close in UTC."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["timestamp", *serializers.BAR_FIELDS[1:]])
    for row in rows:
        stamp = row["closed_at"][:10] if timeframe == "1d" else row["closed_at"]
        writer.writerow([stamp, *(row[field] for field in serializers.BAR_FIELDS[1:])])
    response = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _replay_of(request: Request) -> Any:
    session = selectors.replay_get_for_user(_person(request))
    if session is None:
        raise NotFound("replay of", _person(request))
    return session


def _replay_answer(session: Any) -> Response:
    return Response(selectors.replay_clock(session).as_dict())


def _moment(values: Any, name: str) -> dt.datetime | None:
    text = values.get(name, "").strip()
    if not text:
        return None
    try:
        # A "+" of a zone arrives as a blank when the client did not escape it.
        moment = dt.datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise ParameterInvalid(
            "INVALID_TIME", f"{name} {text[:40]!r} is not an ISO 8601 time.", field=name
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _limit(text: str | None) -> int:
    if not text:
        return BARS_DEFAULT
    if not (text.isascii() and text.isdigit()) or int(text[:9]) < 1:
        raise ParameterInvalid(
            "INVALID_LIMIT", f"limit {text[:20]!r} is not a number of 1 or more.", field="limit"
        )
    return min(int(text[:9]), BARS_MAX)


def _person(request: Request) -> User:
    """Return the caller; permissions have seen to it that they are signed in."""
    return cast("User", request.user)
