"""Columns that files of what happened to a portfolio share."""

from __future__ import annotations

from elson.common.listing import Column


def market_time(title: str) -> Column:
    """Return the column of a row's market time."""
    return title, lambda row: row.market_at.isoformat()
