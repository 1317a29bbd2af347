"""Pages of lists that are sorted as asked."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import Cursor
from rest_framework.request import Request

from elson.common.paging import CursorPagination, MomentPagination, cursor_refused

TIME_SORTS = ("-market_at", "market_at")


class MarketTimePagination(MomentPagination):
    """By market time, newest first or as `sort` says."""

    ordering = TIME_SORTS[0]

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        """Read the direction; rows of one moment follow each other by their numbers."""
        is_up = request.query_params.get("sort") == "market_at"
        return ("market_at", "id") if is_up else ("-market_at", "-id")


class SortedPagination(CursorPagination):
    """By number, newest first; with `sort` in the order of the rows, counted by the cursor.

    A figure may be missing or the same in many rows, so that no row's value says where to go on.
    """

    # Rows are one person's own: counting past many of them costs little.
    offset_cutoff = 100_000

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        """Read one page."""
        self.is_sorted = bool(request.query_params.get("sort"))
        if not self.is_sorted:
            return super().paginate_queryset(queryset, request, view)
        self.size = self.get_page_size(request) or self.page_size
        self.base_url = request.build_absolute_uri()
        cursor = self.decode_cursor(request)
        self.start = cursor.offset if cursor else 0
        rows = list(queryset[self.start : self.start + self.size + 1])
        self.has_next = len(rows) > self.size
        return rows[: self.size]

    def get_next_link(self) -> str | None:
        """Return where the rows after these are."""
        if not self.is_sorted:
            return super().get_next_link()
        return self._link(self.start + self.size) if self.has_next else None

    def get_previous_link(self) -> str | None:
        """Return where the rows before these are."""
        if not self.is_sorted:
            return super().get_previous_link()
        return self._link(max(self.start - self.size, 0)) if self.start else None

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Read a cursor; raise BadRequest for one of another order."""
        found = super().decode_cursor(request)
        if self.is_sorted and found is not None and found.position is not None:
            raise cursor_refused()
        return found

    def _link(self, start: int) -> str:
        return self.encode_cursor(Cursor(offset=start, reverse=False, position=None))
