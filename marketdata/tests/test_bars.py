"""Stored once, never overwritten, read back exactly."""

from __future__ import annotations

import datetime as dt
import hashlib
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from django.apps import apps
from django.db import connection

from elson.common.errors import DomainError
from marketdata import selectors, services
from marketdata.models import Bar, BarSeries, IngestRun, Instrument
from marketdata.providers.base import InstrumentSpec, RawBars, daily_closes
from marketdata.providers.embedded import EmbeddedProvider
from marketdata.tests.factories import NOW, instrument_make, raw_make

SPEC = InstrumentSpec(symbol="SPX", name="S&P 500")


def ingest(raw: RawBars, **options: object) -> IngestRun:
    options = {"spec": SPEC, "timeframe": "1d", "source": "test", "now": NOW, **options}
    return services.bars_ingest(raw=raw, **options)  # type: ignore[arg-type]


def stored_rows() -> list[tuple[object, ...]]:
    return list(Bar.objects.order_by("id").values_list())


@pytest.mark.django_db
def test_bars_ingest_stores_what_bars_get_reads_back_exactly() -> None:
    closes = [0.1 + 0.2, 1 / 3, 1e-5, 123456.789012345]

    run = ingest(raw_make(closes))

    bars = selectors.bars_get("SPX")
    assert (run.status, run.n_stored) == ("STORED", 4)
    assert bars.close.tolist() == closes
    assert bars.open.tolist() == [close * 0.99 for close in closes]
    assert bars.exec_price == "OPEN"


@pytest.mark.django_db
def test_bars_ingest_closes_daily_bars_with_the_session_so_that_the_date_stays() -> None:
    ingest(raw_make([10.0], start=dt.date(2020, 3, 6)))
    ingest(raw_make([10.0], start=dt.date(2020, 3, 9)))

    winter, summer = Bar.objects.order_by("closed_at").values_list("closed_at", flat=True)

    assert winter == dt.datetime(2020, 3, 6, 21, tzinfo=dt.UTC)
    assert summer == dt.datetime(2020, 3, 9, 20, tzinfo=dt.UTC)


def test_daily_closes_keeps_the_date_in_the_venue_and_in_utc() -> None:
    days = np.arange(0, 20_000, 7, dtype=np.int64) * 86_400

    closes = daily_closes(days, "America/New_York", dt.time(16, 0))

    assert np.array_equal(closes // 86_400, days // 86_400)


@pytest.mark.django_db
def test_bars_ingest_stores_nothing_when_one_row_is_faulty() -> None:
    raw = raw_make([10.0, 11.0])
    raw.faults.add(3, "open", "x", "is not a number")

    run = ingest(raw)

    assert run.status == "REFUSED"
    assert run.faults == [{"row": 3, "column": "open", "value": "x", "reason": "is not a number"}]
    assert not Bar.objects.exists()
    assert not Instrument.objects.exists()


@pytest.mark.django_db
def test_bars_ingest_leaves_faulty_rows_out_when_asked_to_skip() -> None:
    raw = raw_make([10.0, 11.0])
    raw.faults.add(4, "open", "x", "is not a number")

    run = ingest(raw, mode="skip")

    assert (run.status, run.n_stored, run.n_faults) == ("STORED", 2, 1)


@pytest.mark.django_db
def test_bars_ingest_twice_changes_nothing() -> None:
    ingest(raw_make([10.0, 11.0]))
    before = stored_rows()

    run = ingest(raw_make([10.0, 11.0]))

    assert (run.status, run.n_stored) == ("UNCHANGED", 0)
    assert stored_rows() == before


@pytest.mark.django_db
def test_bars_ingest_appends_only_what_is_new() -> None:
    ingest(raw_make([10.0, 11.0]))

    run = ingest(raw_make([10.0, 11.0, 12.0]))

    assert run.n_stored == 1
    assert selectors.bars_get("SPX").close.tolist() == [10, 11, 12]
    assert selectors.coverage_get("SPX").n_bars == 3


@pytest.mark.django_db
def test_bars_ingest_refuses_a_bar_that_is_stored_with_another_value() -> None:
    ingest(raw_make([10.0, 11.0]))
    before = stored_rows()

    run = ingest(raw_make([10.0, 11.5, 12.0]))

    assert run.status == "REFUSED"
    assert (run.faults[0]["row"], run.faults[0]["column"]) == (3, "open")
    assert "stored" in run.faults[0]["reason"]
    assert stored_rows() == before


@pytest.mark.django_db
def test_offer_ingest_recognizes_content_it_has_stored_without_reading_it() -> None:
    offer = next(iter(EmbeddedProvider().offers()))
    services.offer_ingest(offer=offer, now=NOW, progress=lambda done, total: None)

    def read_again(progress: object) -> RawBars:
        raise AssertionError("the file was read")

    again = type(offer)(offer.spec, offer.timeframe, offer.source, offer.sha256, read_again)
    run = services.offer_ingest(offer=again, now=NOW, progress=lambda done, total: None)

    assert run.status == "UNCHANGED"


@pytest.mark.django_db
def test_bars_ingest_counts_gaps_but_not_weekends_and_holidays() -> None:
    first = raw_make([10.0] * 3, start=dt.date(2020, 12, 23))
    later = raw_make([10.0], start=dt.date(2020, 12, 30))
    ingest(first)

    run = ingest(later)
    far = ingest(raw_make([10.0], start=dt.date(2021, 1, 11)))

    assert (run.n_gaps, far.n_gaps) == (0, 1)
    assert BarSeries.objects.get().gaps[0][0].startswith("2020-12-30")


def gappy() -> list[tuple[str, str]]:
    """Store a series of 60 gaps, each a day longer than the one before; return all, as days."""
    days = [dt.date(2001, 1, 1)]
    for n in range(60):
        days.append(days[-1] + dt.timedelta(days=14 + n))
    for day in days:
        ingest(raw_make([10.0], start=day))
    return [(a.isoformat(), b.isoformat()) for a, b in pairwise(days)]


def days_of(gaps: list[list[str]]) -> list[tuple[str, str]]:
    return [(begin[:10], end[:10]) for begin, end in gaps]


@pytest.mark.django_db
def test_of_very_many_gaps_the_longest_are_kept_in_their_order() -> None:
    gaps = gappy()

    series = BarSeries.objects.get()

    assert series.n_gaps == 60
    assert days_of(series.gaps) == gaps[10:]


@pytest.mark.django_db
def test_series_stored_before_get_their_longest_gaps_by_the_migration() -> None:
    gaps = gappy()
    BarSeries.objects.update(gaps=[[*pair] for pair in gaps[:50]])

    import_module("marketdata.migrations.0003_longest_gaps").longest_keep(apps, None)

    series = BarSeries.objects.get()
    before = series.gaps
    ingest(raw_make([10.0], start=dt.date(2020, 1, 1)))  # counted anew
    assert days_of(before) == gaps[10:]
    assert BarSeries.objects.get().gaps[:-1] == before[1:]


@pytest.mark.django_db
def test_bars_get_ends_at_until_and_begins_at_since() -> None:
    instrument_make("SPX", [10, 11, 12, 13])
    closes = [selectors.instant(int(n)) for n in selectors.bars_get("SPX").closed_at]

    bars = selectors.bars_get("SPX", until=closes[2], since=closes[1])

    assert bars.close.tolist() == [11, 12]
    assert selectors.bars_get("SPX", until=closes[2], limit=1).close.tolist() == [12]
    before = closes[2] - dt.timedelta(microseconds=1)
    assert selectors.bars_get("SPX", until=before).close.tolist() == [10, 11]


@pytest.mark.django_db
def test_bars_get_reads_a_window_of_a_long_series_like_a_short_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instrument_make("SPX", range(10, 30))
    closes = [selectors.instant(int(n)) for n in selectors.bars_get("SPX").closed_at]
    window = {"since": closes[3], "until": closes[12], "limit": 4}
    expected = selectors.bars_get("SPX", **window)

    monkeypatch.setattr("marketdata.selectors.columns.CACHED_BARS_PER_SERIES", 5)
    found = selectors.bars_get("SPX", **window)

    assert found.close.tolist() == expected.close.tolist() == [19, 20, 21, 22]
    assert found.closed_at.tolist() == expected.closed_at.tolist()


@pytest.mark.django_db
@pytest.mark.parametrize("at", [3, -1])
def test_the_next_open_of_a_long_series_is_that_of_a_short_one(
    monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    instrument = instrument_make("SPX", range(10, 30))
    series = selectors.series_map([instrument])[instrument.pk]
    bars = selectors.bars_get("SPX")
    after = int(bars.closed_at[at])
    kept = selectors.next_open_get(series, after)

    monkeypatch.setattr("marketdata.selectors.columns.CACHED_BARS_PER_SERIES", 5)

    assert selectors.next_open_get(series, after) == kept
    assert kept == (None if at == -1 else (int(bars.closed_at[at + 1]), bars.open[at + 1]))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "timeframe", "code"),
    [
        ("NOPE", "1d", "UNKNOWN_SYMBOL"),
        ("", "1d", "UNKNOWN_SYMBOL"),
        ("A\x00B", "1d", "UNKNOWN_SYMBOL"),
        ("X" * 1000, "1d", "UNKNOWN_SYMBOL"),
        ("SPX", "1h", "NO_BARS"),
        ("SPX", "2d", "UNKNOWN_TIMEFRAME"),
    ],
)
def test_bars_get_names_what_is_unknown(symbol: str, timeframe: str, code: str) -> None:
    instrument_make("SPX", [10.0])

    with pytest.raises(DomainError) as refused:
        selectors.bars_get(symbol, timeframe)

    assert refused.value.code == code


@pytest.mark.django_db
def test_bars_get_reads_memory_only_after_the_first_time(django_assert_num_queries) -> None:
    instrument = instrument_make("SPX", [10, 11])
    selectors.bars_get(instrument)

    with django_assert_num_queries(1):  # the series row, which says whether memory is still true
        selectors.bars_get(instrument)


@pytest.mark.django_db
def test_bars_get_sees_an_import_at_once() -> None:
    instrument_make("SPX", [10.0])
    selectors.bars_get("SPX")

    ingest(raw_make([10.0, 11.0]))

    assert selectors.bars_get("SPX").close.tolist() == [10, 11]


@pytest.mark.django_db
def test_bars_hash_changes_with_every_value_and_not_otherwise() -> None:
    instrument_make("SPX", [10, 11, 12])
    bars = selectors.bars_get("SPX")

    prefix = selectors.bars_hash(bars.until(1))

    assert selectors.bars_hash(selectors.bars_get("SPX")) == selectors.bars_hash(bars)
    assert prefix != selectors.bars_hash(bars)
    assert len(prefix) == len(hashlib.sha256().hexdigest())


@pytest.mark.django_db
def test_last_bar_get_gives_the_change_against_the_bar_before() -> None:
    instrument_make("SPX", [10.0, 12.0])

    last = selectors.last_bar_get("SPX")

    assert (last.close, last.change) == (12.0, 2.0)
    assert last.simple_return == pytest.approx(0.2)


@pytest.mark.django_db
def test_bars_map_asks_one_query_for_many_instruments(django_assert_num_queries) -> None:
    instruments = [instrument_make(symbol, [10, 11]) for symbol in ("AAPL", "SPX", "XOM")]
    selectors.bars_map(instruments)

    with django_assert_num_queries(1):
        found = selectors.bars_map(instruments, limit=1)

    assert {symbol: bars.close.tolist() for symbol, bars in found.items()} == {
        "AAPL": [11], "SPX": [11], "XOM": [11],
    }  # fmt: skip


@pytest.mark.django_db
def test_the_database_itself_refuses_a_bar_whose_high_lies_below_its_close() -> None:
    instrument = instrument_make("SPX")

    with pytest.raises(Exception, match="bar_low_high_enclose"):
        Bar.objects.create(
            instrument=instrument, timeframe="1d", closed_at=NOW, open=1, high=1, low=1, close=2
        )
    assert connection.vendor in ("sqlite", "postgresql")


@pytest.mark.django_db
def test_every_embedded_series_is_stored_with_its_source_and_licence() -> None:
    offers = {offer.spec.symbol: offer for offer in EmbeddedProvider().offers()}
    for symbol in ("SPX", "AAPL", "WTI"):
        services.offer_ingest(offer=offers[symbol], now=NOW, progress=lambda done, total: None)

    crash = selectors.last_bar_get("SPX", until=dt.datetime(2008, 9, 15, 20, tzinfo=dt.UTC))

    assert len(offers) >= 25
    assert all(offer.spec.source and offer.spec.licence for offer in offers.values())
    assert crash.close == 1192.699951
    assert selectors.bars_get("AAPL").exec_price == "CLOSE"
    assert selectors.coverage_get("SPX").n_bars == 5031
