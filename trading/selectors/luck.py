"""Whether a finished run is better than random entries, as lists and comparisons say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trading.engine.checks.shuffles import WIN_RATE
from trading.engine.enough import shortfall
from trading.engine.random_trades import LeaveBy

# Answers of the honesty panel to "does it beat random entries?".
LUCK = ("PASS", "WARN", "FAIL")
# The random trade that stands beside one of the run, by what ended the draws.
RANDOM_TRADES = {
    LeaveBy.LENGTHS: "a trade of the same length",
    LeaveBy.RESTING: "a trade that leaves by the same resting stop and target",
    LeaveBy.WATCHED: "a trade that leaves by the same stop and target, watched at the close",
    LeaveBy.UNKNOWN: (
        "a trade of the same length (which stops and targets this rule watches is not known)"
    ),
    LeaveBy.MIXED: "a trade that leaves as those of its instrument do",
}


def too_few_for_luck(whole: Mapping[str, Any]) -> int | None:
    """Return the trades or bars of a run that has too few of them to be told from luck."""
    few = (shortfall(whole, key) for key in ("win_rate", "sharpe_ratio"))
    return next((n for n in few if n is not None), None)


def luck_of(whole: Mapping[str, Any], honesty: Mapping[str, Any]) -> str:
    """Return one of LUCK for the Sharpe ratio of the whole span.

    "" where the panel did not judge it or the run has too few bars or trades to be told from luck.
    """
    if too_few_for_luck(whole) is not None:
        return ""
    rows = (row["status"] for row in honesty["rows"] if row["key"] == "NULL_SHARPE")
    return next((status for status in rows if status in LUCK), "")


def random_trade_words(honesty: Mapping[str, Any]) -> tuple[str, str]:
    """Say which random trade a stored result was compared with, and of an old one that it is old.

    Results from before random entries left by levels watched at the close do not say it.
    """
    if (leave_by := honesty.get("null_leave_by")) is None:
        return (
            "a trade of the same length, or with the same resting stop and target",
            "This result is from before random entries left by levels watched at the close, too.",
        )
    return RANDOM_TRADES[LeaveBy(leave_by or LeaveBy.MIXED)], ""


def shuffled_win_rate(honesty: Mapping[str, Any]) -> float | None:
    """Return how often the rule wins on shuffled bars; None for results without that row."""
    for row in honesty["rows"]:
        if row["key"] == WIN_RATE[0]:
            median: float | None = row["numbers"].get("null_median")
            return median
    return None
