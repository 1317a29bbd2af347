"""What is said of gaps is true also where only the longest are known by their place."""

from __future__ import annotations

import datetime as dt

import pytest

from marketdata.selectors import Coverage
from trading.views.backtest_coverage import gap_words

GAPS = [
    ("2001-01-05", "2001-02-05"),
    ("2003-03-03", "2003-03-20"),
    ("2005-05-05", "2005-06-20"),
    ("2007-07-02", "2007-07-23"),
]


def coverage(*gaps: tuple[str, str], n: int) -> Coverage:
    times = [[f"{day}T20:00:00+00:00" for day in gap] for gap in gaps]
    first, last = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2000, 2010))
    return Coverage("SPX", "1d", 2_000, first, last, n, times, 252.0)


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (4, "4 gaps: the longest 2001-01-05 to 2001-02-05, 2005-05-05 to 2005-06-20, "
            "2007-07-02 to 2007-07-23"),
        (70, "70 gaps: the longest 2001-01-05 to 2001-02-05, 2005-05-05 to 2005-06-20, "
             "2007-07-02 to 2007-07-23"),
    ],
)  # fmt: skip
def test_of_a_whole_series_the_number_and_the_longest_are_told(n, words):
    assert gap_words(coverage(*GAPS, n=n)) == words


@pytest.mark.parametrize(
    ("n", "first", "last", "words"),
    [
        (4, "2002-01-01", "2006-01-01",
         "2 gaps: 2003-03-03 to 2003-03-20, 2005-05-05 to 2005-06-20"),
        (4, "2006-01-01", "2008-01-01", "one gap: 2007-07-02 to 2007-07-23"),
        (4, "2008-01-01", "2009-01-01", "no gaps"),
        (70, "2002-01-01", "2006-01-01",
         "at least 2 gaps: 2003-03-03 to 2003-03-20, 2005-05-05 to 2005-06-20"),
        (70, "2006-01-01", "2008-01-01", "at least one gap: 2007-07-02 to 2007-07-23"),
        (70, "2008-01-01", "2009-01-01", "none of its 4 longest gaps in this span"),
    ],
)  # fmt: skip
def test_of_a_span_no_more_is_said_than_is_known(n, first, last, words):
    assert gap_words(coverage(*GAPS, n=n), first=first, last=last) == words


def test_a_series_without_gaps_has_none():
    assert gap_words(coverage(n=0)) == "no gaps"
    assert gap_words(coverage(n=0), first="2001-01-01", last="2002-01-01") == "no gaps"
