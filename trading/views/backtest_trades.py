"""Round trips of a finished backtest: filtered and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trading.views.backtest_words import exit_words

# Column names people sort by, and what they mean in a stored round trip.
SORTS = {
    "number": "number",
    "held": "bars_held",
    "quantity": "quantity",
    "worst": "mae",
    "best": "mfe",
    "reason": "exit_reason",
    "pnl": "pnl",
}
NEWEST = "-number"


def trade_rows(
    trips: Sequence[dict[str, Any]], *, regime: str = "", part: str = "", sort: str = ""
) -> list[dict[str, Any]]:
    """Return the round trips of a regime and a side of the split, newest first unless sorted.

    `part` is `in`, `out` or empty. Trips without the figure they are sorted by stand at the end.
    """
    rows = [
        trip
        | {
            "exit_words": exit_words(trip["exit_reason"]),
            # Results stored before trades carried their borrow do not name it.
            "gross": trip["pnl"] + trip["commission"] + trip.get("borrow", 0.0),
        }
        for trip in trips
        if (not regime or trip["regime"] == regime)
        and (not part or trip["is_out_of_sample"] == (part == "out"))
    ]
    chosen = sort if sort.lstrip("-") in SORTS else NEWEST
    name = SORTS[chosen.lstrip("-")]
    known = [row for row in rows if row.get(name) is not None]
    known.sort(key=lambda row: row[name], reverse=chosen.startswith("-"))
    return known + [row for row in rows if row.get(name) is None]
