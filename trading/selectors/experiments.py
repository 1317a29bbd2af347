"""Lists of backtests and optimizations: found by the same words, sorted by the same rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import Expression, OrderBy

from elson.common.formatting import parse_whole

Row = TypeVar("Row", bound=Model)


def found_by(rows: QuerySet[Row], search: str, *, also: Q | None = None) -> QuerySet[Row]:
    """Keep the rows whose strategy, instrument, note or number is meant; all for no words.

    `also` finds rows by something of their own kind.
    """
    if not search:
        return rows
    matches = Q(strategy_key__icontains=search) | Q(instrument__symbol__icontains=search)
    matches |= Q(note__icontains=search)
    matches |= also or Q()
    if (number := parse_whole(search.lstrip("#"))) is not None:
        matches |= Q(pk=number)
    return rows.filter(matches)


def sorted_by(
    rows: QuerySet[Row], sort: str, columns: Mapping[str, str | Expression]
) -> QuerySet[Row]:
    """Sort by a key of `columns`, turned around by a leading "-"; ties and no key: newest first.

    Rows without a value come last, whichever way.
    """
    column = columns.get(sort.lstrip("-"), "created_at")
    by = F(column) if isinstance(column, str) else column
    is_down = sort.startswith("-")
    return rows.order_by(OrderBy(by, descending=is_down, nulls_last=True), "-pk")
