"""When there is too little to give a figure: one answer for every page, file and comparison.

INPUT    the figures of a part of a run: ``n_bars``, ``n_round_trips`` and what these are worth
OUTPUT   the count that is too small, or None
LOOKBACK none
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trading.engine.effective import whole
from trading.engine.metrics import FEWEST_FOR_SHARPE

FEWEST_FOR_WIN_RATE = 10
# Figures a year or a ratio of risk, which a few bars blow up, and figures of the average trade.
BY_BARS = frozenset({"annual_return", "sharpe_ratio", "sharpe", "sortino_ratio", "calmar_ratio"})
BY_TRADES = frozenset(
    {"win_rate", "profit_factor", "expectancy_bps", "avg_win_bps", "avg_loss_bps"}
)


def shortfall(figures: Mapping[str, Any], key: str) -> int | None:
    """Tell whether a figure of a part of a run has too little behind it.

    Parameters
    ----------
    figures : mapping
        Figures of the part; a count it does not hold is not judged.
    key : str
        Name of the figure, such as ``sharpe_ratio``.

    Returns
    -------
    int or None
        The bars (fewer than 60) or independent round trips (fewer than 10) there are; None when
        they are enough, and for figures that need no number of them. Parts stored before trades
        were weighed are judged by their number.

    Examples
    --------
    >>> part = {"n_bars": 25, "n_round_trips": 12}
    >>> shortfall(part, "sharpe_ratio"), shortfall(part, "win_rate"), shortfall(part, "pnl")
    (25, None, None)
    >>> shortfall({"n_round_trips": 12, "n_effective_trips": 4.2}, "win_rate")
    4
    """
    for keys, counts, fewest in (
        (BY_BARS, ("n_bars",), FEWEST_FOR_SHARPE),
        (BY_TRADES, ("n_round_trips", "n_effective_trips"), FEWEST_FOR_WIN_RATE),
    ):
        known = [n for name in counts if (n := figures.get(name)) is not None]
        if key in keys and known and (n := whole(min(known))) < fewest:
            return n
    return None
