"""Numbers of things in sentences.

INPUT    a number and what it counts, in the singular
OUTPUT   "1 bar", "1,204 bars"
LOOKBACK none
"""

from __future__ import annotations


def counted(n: float, noun: str) -> str:
    """Write a whole number and its noun, which takes an s except after one.

    Examples
    --------
    >>> counted(1, "trade"), counted(1204, "bar"), counted(0, "trade")
    ('1 trade', '1,204 bars', '0 trades')
    """
    return f"{n:,.0f} {noun}{'' if n == 1 else 's'}"
