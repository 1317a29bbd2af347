"""Lists as pages and as CSV: sizes, page numbers out of range, cells a spreadsheet might run."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse

from elson.common.formatting import parse_whole

PAGE_SIZES = (25, 50, 100)
# A spreadsheet would run a cell that begins with one of these (ASVS 1.2.10).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
Column = tuple[str, Callable[[Any], Any]]
Row = TypeVar("Row")
Sorter = Callable[[Row], Any]


def page_of(request: HttpRequest, rows: Any) -> Page[Any]:
    """Page of a queryset or list that the URL asks for; the nearest one when out of range."""
    size = parse_whole(request.GET.get("size", ""))
    per_page = size if size in PAGE_SIZES else PAGE_SIZES[0]
    return Paginator(rows, per_page).get_page(request.GET.get("page"))


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of the page, not the page."""
    return bool(getattr(request, "htmx", False))


def columns_of(*names: str) -> tuple[Column, ...]:
    """Columns that are attributes of a row; `type=order_type` is an attribute under another title.

    Examples
    --------
    >>> [(title, value(3 + 4j)) for title, value in columns_of("real", "i=imag")]
    [('real', 3.0), ('i', 4.0)]
    """
    parted = [name.partition("=") for name in names]
    return tuple((title, attrgetter(attribute or title)) for title, _, attribute in parted)


def sorted_rows(rows: Iterable[Row], sort: str, keys: Mapping[str, Sorter[Row]]) -> list[Row]:
    """Sort by a key of `keys`, turned around by a leading "-"; as they are for any other.

    Ties stay as they were; rows without a value come last, whichever way.

    Examples
    --------
    >>> sorted_rows([2, None, 3], "-value", {"value": lambda row: row})
    [3, 2, None]
    """
    key = keys.get(sort.removeprefix("-"))
    if key is None:
        return list(rows)
    valued = [(key(row), row) for row in rows]
    known = [pair for pair in valued if pair[0] is not None]
    known.sort(key=itemgetter(0), reverse=sort.startswith("-"))
    return [row for _, row in known] + [row for value, row in valued if value is None]


def csv_response(name: str, columns: Sequence[Column], rows: Iterable[Any]) -> HttpResponse:
    """All rows as a CSV download: dot decimals, ISO times, no runnable cells."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([title for title, _ in columns])
    writer.writerows([[_cell(value(row)) for _, value in columns] for row in rows])
    return HttpResponse(
        out.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else value
