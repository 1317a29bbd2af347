"""What is wrong with stored prices is named with its market, its dates and its file."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from marketdata import services
from marketdata.models import IngestRun
from marketdata.providers.base import InstrumentSpec, RawBars
from marketdata.selectors.problems import feed_problem, series_problems
from marketdata.tests.factories import FIRST_DAY, NOW, raw_make

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def ingest(symbol: str, raw: RawBars) -> IngestRun:
    spec = InstrumentSpec(symbol=symbol, name=symbol)
    return services.bars_ingest(raw=raw, spec=spec, timeframe="1d", source="file.csv", now=NOW)


def joined(*parts: RawBars) -> RawBars:
    """One file of several stretches of days."""
    names = ("stamps", "open", "high", "low", "close", "volume")
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    n = columns[0].shape[0]
    return RawBars(*columns, rows=np.arange(n) + 2, n_rows=n)


def kinds(*symbols: str) -> list[tuple[str, str]]:
    return [(found.symbol, found.kind) for found in series_problems(symbols)]


def test_whole_series_that_end_together_have_no_problem() -> None:
    ingest("ONE", raw_make([1.0] * 30))
    ingest("TWO", raw_make([2.0] * 28))

    assert kinds("ONE", "TWO") == []


def test_a_series_that_is_not_there_is_missing() -> None:
    assert kinds("NONE") == [("NONE", "MISSING")]


def test_of_several_gaps_the_longest_is_named() -> None:
    starts = [FIRST_DAY, FIRST_DAY + 30 * DAY, FIRST_DAY + 45 * DAY]
    ingest("GAPS", joined(*(raw_make([1.0] * 10, start=start) for start in starts)))

    (found,) = series_problems(["GAPS"])

    assert found.kind == "GAP"
    assert found.text == "2 gaps, the longest 2008-08-10 to 2008-08-31"


def test_a_gap_that_others_share_is_said_to_be_a_closed_market() -> None:
    stretches = [raw_make([1.0] * 10), raw_make([1.0] * 10, start=FIRST_DAY + 30 * DAY)]
    for symbol in ("ONE", "TWO", "SIX"):
        ingest(symbol, joined(*stretches))

    texts = {found.text for found in series_problems(["ONE", "TWO", "SIX"])}

    assert texts == {
        "a gap, 2008-08-10 to 2008-08-31; 2 other markets had the same: rather closed than missing"
    }


def test_a_series_that_ends_before_the_others_is_behind() -> None:
    ingest("ONE", raw_make([1.0] * 100))
    ingest("OLD", raw_make([2.0] * 60))

    (found,) = series_problems(["ONE", "OLD"])

    assert (found.symbol, found.kind) == ("OLD", "BEHIND")
    assert "40 days before the newest" in found.text


def test_bad_bars_stay_open_until_a_file_without_them_is_stored() -> None:
    ingest("BAD", raw_make([1.0] * 10))
    ingest("BAD", raw_make([3.0] * 12))
    assert kinds("BAD") == [("BAD", "BAD_BARS")]

    ingest("BAD", raw_make([1.0] * 12))
    assert kinds("BAD") == []


def test_a_repeated_file_does_not_hide_the_bad_one() -> None:
    ingest("BAD", raw_make([1.0] * 10))
    ingest("BAD", raw_make([3.0] * 12))
    ingest("BAD", raw_make([1.0] * 10))

    (found,) = series_problems(["BAD"])

    assert found.text == "10 bad bars in file.csv: the file was refused"


@pytest.mark.parametrize(("days", "is_stale"), [(5, False), (6, True)])
def test_a_feed_is_stale_when_it_is_silent_longer_than_markets_close(
    days: int, is_stale: bool
) -> None:
    ingest("ONE", raw_make([1.0] * 10))

    found = feed_problem("ONE", "1d", market_at=NOW, newest_at=NOW - days * DAY)

    assert (found is not None) == is_stale


def test_a_feed_without_any_bar_is_stale() -> None:
    ingest("ONE", raw_make([1.0] * 10))

    found = feed_problem("ONE", "1d", market_at=NOW, newest_at=None)

    assert found is not None
    assert found.text == "no bar has come yet"
