"""Cursor pages of the REST doors; a cursor that is not one of ours is refused."""

from __future__ import annotations

from rest_framework import exceptions, pagination
from rest_framework.pagination import Cursor
from rest_framework.request import Request

from elson.common.api import BadRequest, moment_of
from elson.common.formatting import parse_whole


class CursorPagination(pagination.CursorPagination):
    """By number, newest first; `page_size` up to 500.

    A subclass that orders by something else says what its cursors name.
    """

    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"
    ordering = "-id"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Read a cursor; raise BadRequest for one that names no place in this order."""
        try:
            found: Cursor | None = super().decode_cursor(request)
        except exceptions.NotFound as error:
            raise cursor_refused() from error
        if found is None or found.position is None:
            return found
        position = self.position_of(str(found.position))
        if position is None:
            raise cursor_refused()
        # The stubs call a position a number.
        return found._replace(position=position)  # type: ignore[arg-type]

    def position_of(self, text: str) -> str | None:
        """Return a place in this order as the database takes it, None for anything else."""
        number = parse_whole(text)
        return None if number is None else str(number)


class MomentPagination(CursorPagination):
    """By a time, which `ordering` names."""

    def position_of(self, text: str) -> str | None:
        """Return a time with its zone."""
        try:
            return moment_of(text, "cursor").isoformat()
        except BadRequest:
            return None


class TextPagination(CursorPagination):
    """By a text, which `ordering` names."""

    def position_of(self, text: str) -> str | None:
        """Return any text a database can hold."""
        return None if "\0" in text else text


def cursor_refused() -> BadRequest:
    """Say that a cursor is not one of ours."""
    return BadRequest(
        "INVALID_CURSOR", "The cursor is not one of ours; start from the first page.",
        field="cursor",
    )  # fmt: skip
