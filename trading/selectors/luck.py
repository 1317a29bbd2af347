"""Whether a finished run is better than random entries, as lists and comparisons say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trading.engine.enough import shortfall

# Answers of the honesty panel to "does it beat random entries?".
LUCK = ("PASS", "WARN", "FAIL")


def luck_of(whole: Mapping[str, Any], honesty: Mapping[str, Any]) -> str:
    """Return one of LUCK for the Sharpe ratio of the whole span.

    "" where the panel did not judge it or the run has too few bars or trades to be told from luck.
    """
    few = (shortfall(whole, key) for key in ("win_rate", "sharpe_ratio"))
    if any(n is not None for n in few):
        return ""
    rows = (row["status"] for row in honesty["rows"] if row["key"] == "NULL_SHARPE")
    return next((status for status in rows if status in LUCK), "")
