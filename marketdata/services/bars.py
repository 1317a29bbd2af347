"""Storing bars: one file is one transaction, stored or refused as a whole."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from django.db import connection, transaction

from marketdata.models import BarSeries, IngestRun, Instrument
from marketdata.providers.base import (
    FaultList,
    InstrumentSpec,
    Progress,
    RawBars,
    SeriesOffer,
    daily_closes,
)
from marketdata.selectors.columns import columns_read, instant
from marketdata.services.instruments import instrument_ensure
from marketdata.types import IntArray, bars_per_year_estimate, gap_seconds_allowed

Mode = Literal["all", "skip"]
NANOSECONDS = 1_000_000_000
MAX_GAPS_KEPT = 50
COPY_ROWS = 100_000
# The same price once written with the rounding of 32-bit floats is the same price.
SAME_RATIO = 1e-7
_COLUMNS = ("open", "high", "low", "close", "volume")


def offer_ingest(
    *, offer: SeriesOffer, now: dt.datetime, mode: Mode = "all", progress: Progress
) -> IngestRun:
    """Load and store what a source offers; the same content a second time is only recognized."""
    sha256 = offer.sha256()
    unchanged = ingest_unchanged(
        symbol=offer.spec.symbol, timeframe=offer.timeframe, source=offer.source, sha256=sha256
    )
    if unchanged is not None:
        return unchanged
    return bars_ingest(
        spec=offer.spec, timeframe=offer.timeframe, raw=offer.load(progress), source=offer.source,
        sha256=sha256, now=now, mode=mode,
    )  # fmt: skip


def ingest_unchanged(*, symbol: str, timeframe: str, source: str, sha256: str) -> IngestRun | None:
    """Record that this very content is stored already; None when it is not."""
    stored = (
        IngestRun.objects.filter(
            sha256=sha256, timeframe=timeframe, instrument__symbol=symbol,
            status=IngestRun.Status.STORED, n_faults=0,
        )
        .order_by("-id")
        .first()
    )  # fmt: skip
    if stored is None:
        return None
    return IngestRun.objects.create(
        source=source[:160], sha256=sha256, instrument=stored.instrument, timeframe=timeframe,
        status=IngestRun.Status.UNCHANGED, n_rows=stored.n_rows, n_gaps=stored.n_gaps,
    )  # fmt: skip


def bars_ingest(
    *,
    spec: InstrumentSpec,
    timeframe: str,
    raw: RawBars,
    source: str,
    sha256: str = "",
    now: dt.datetime,
    mode: Mode = "all",
) -> IngestRun:
    """Store a checked file's bars in one transaction, or refuse them all and say why.

    1. faults in the file refuse it (mode `skip`: the faulty rows are left out and listed)
    2. bars that are stored already with the same values are left as they are
    3. a bar that is stored with other values refuses the file: nothing is ever overwritten
    4. new bars are written, coverage and gaps are counted

    Raises nothing for bad data: the returned run says STORED, UNCHANGED or REFUSED.
    """
    faults = raw.faults
    if (faults.n and mode == "all") or not len(raw):
        return _refused(spec, timeframe, source, sha256, raw, faults)
    with transaction.atomic():
        instrument = instrument_ensure(spec=spec)
        series = _series_locked(instrument, timeframe)
        closed_at = _closes_of(raw, timeframe, instrument)
        is_new = _compare_with_stored(raw, closed_at, series, faults, mode)
        if is_new is not None:
            return _stored(instrument, series, raw, closed_at, is_new, source, sha256, faults)
        transaction.set_rollback(True)
    return _refused(spec, timeframe, source, sha256, raw, faults)


def _series_locked(instrument: Instrument, timeframe: str) -> BarSeries:
    BarSeries.objects.get_or_create(instrument=instrument, timeframe=timeframe)
    return BarSeries.objects.select_for_update().get(instrument=instrument, timeframe=timeframe)


def _closes_of(raw: RawBars, timeframe: str, instrument: Instrument) -> IntArray:
    """Close times in nanoseconds; daily bars close with the session of their date."""
    if timeframe != "1d":
        return raw.stamps * NANOSECONDS
    venue = instrument.venue
    return daily_closes(raw.stamps, venue.time_zone, venue.session_close) * NANOSECONDS


def _compare_with_stored(
    raw: RawBars, closed_at: IntArray, series: BarSeries, faults: FaultList, mode: Mode
) -> Any | None:
    """Mask of the bars that are new; None when one is stored with other values."""
    is_new = np.ones(len(raw), dtype=bool)
    if series.n_bars == 0:
        return is_new
    stored = columns_read(
        series.instrument_id, series.timeframe,
        since=instant(int(closed_at[0])), until=instant(int(closed_at[-1])),
    )  # fmt: skip
    _, ours, theirs = np.intersect1d(closed_at, stored[0], assume_unique=True, return_indices=True)
    is_new[ours] = False
    n_before = faults.n
    differs_already = np.zeros(ours.shape[0], dtype=bool)
    for name, column in zip(_COLUMNS, stored[1:], strict=True):
        offered, kept = getattr(raw, name)[ours], column[theirs]
        differs = ~np.isclose(offered, kept, rtol=SAME_RATIO, atol=0.0) & ~differs_already
        differs_already |= differs
        for k in np.flatnonzero(differs).tolist():
            i = int(ours[k])
            faults.add(
                int(raw.rows[i]), name, f"{offered[k]:.12g}",
                f"differs from the stored {kept[k]:.12g} of {instant(int(closed_at[i])):%Y-%m-%d}; "
                "stored bars are never overwritten: give another --symbol to keep both",
            )  # fmt: skip
    faults.listed.sort(key=lambda fault: fault.row or 0)
    return None if faults.n > n_before and mode == "all" else is_new


def _stored(
    instrument: Instrument,
    series: BarSeries,
    raw: RawBars,
    closed_at: IntArray,
    is_new: Any,
    source: str,
    sha256: str,
    faults: FaultList,
) -> IngestRun:
    n_stored = int(is_new.sum())
    if n_stored:
        _bars_write(instrument.pk, series.timeframe, raw, closed_at, np.flatnonzero(is_new))
        _series_count(series, instrument, closed_at)
    return IngestRun.objects.create(
        source=source[:160], sha256=sha256, instrument=instrument, timeframe=series.timeframe,
        status=IngestRun.Status.STORED if n_stored else IngestRun.Status.UNCHANGED,
        n_rows=raw.n_rows, n_stored=n_stored, n_gaps=series.n_gaps,
        faults=[fault.as_dict() for fault in faults.listed], n_faults=faults.n,
    )  # fmt: skip


def _refused(
    spec: InstrumentSpec, timeframe: str, source: str, sha256: str, raw: RawBars, faults: FaultList
) -> IngestRun:
    if not faults.n:
        faults.add(None, None, "", "holds no bar")
    return IngestRun.objects.create(
        source=source[:160], sha256=sha256, timeframe=timeframe,
        instrument=Instrument.objects.filter(symbol=spec.symbol).first(),
        status=IngestRun.Status.REFUSED, n_rows=raw.n_rows,
        faults=[fault.as_dict() for fault in faults.listed], n_faults=faults.n,
    )  # fmt: skip


def _series_count(series: BarSeries, instrument: Instrument, closed_at: IntArray) -> None:
    """Bring the series row up to date; all close times are needed only when there were some."""
    if series.n_bars:
        closed_at = columns_read(series.instrument_id, series.timeframe)[0]
    venue = instrument.venue
    allowed = gap_seconds_allowed(series.timeframe, venue.bars_per_year) * NANOSECONDS
    distances = np.diff(closed_at)
    before = np.flatnonzero(distances > allowed)
    longest = before[np.argsort(-distances[before], kind="stable")[:MAX_GAPS_KEPT]]
    series.n_bars = closed_at.shape[0]
    series.first_at, series.last_at = instant(int(closed_at[0])), instant(int(closed_at[-1]))
    series.n_gaps = before.shape[0]
    series.gaps = [
        [instant(int(closed_at[i])).isoformat(), instant(int(closed_at[i + 1])).isoformat()]
        for i in np.sort(longest).tolist()
    ]
    series.bars_per_year = (
        venue.bars_per_year if series.timeframe == "1d" else bars_per_year_estimate(closed_at)
    )
    series.version = uuid.uuid4()
    series.save()


# --- columns to rows ----------------------------------------------------------------------------


def _bars_write(
    instrument_id: int, timeframe: str, raw: RawBars, closed_at: IntArray, keep: IntArray
) -> None:
    write = _write_postgres if connection.vendor == "postgresql" else _write_sqlite
    for start in range(0, keep.shape[0], COPY_ROWS):
        write(instrument_id, timeframe, raw, closed_at, keep[start : start + COPY_ROWS])
    if keep.shape[0] >= COPY_ROWS and connection.vendor == "postgresql":
        # Until its statistics are fresh, PostgreSQL would sort the whole series for its newest bar.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE marketdata_bar")


def _write_sqlite(
    instrument_id: int, timeframe: str, raw: RawBars, closed_at: IntArray, keep: IntArray
) -> None:
    times = np.datetime_as_string((closed_at[keep] // NANOSECONDS).astype("datetime64[s]"))

    def rows() -> Iterator[tuple[object, ...]]:
        columns = [getattr(raw, name)[keep].tolist() for name in _COLUMNS]
        for text, *values in zip(times.tolist(), *columns, strict=True):
            yield (instrument_id, timeframe, text.replace("T", " "), *values)

    with connection.cursor() as cursor:
        # Django's own executemany rewrites each row's placeholders; the driver's does not need it.
        cursor.cursor.executemany(
            "INSERT INTO marketdata_bar (instrument_id, timeframe, closed_at, open, high, low, "
            "close, volume) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            rows(),
        )


def _write_postgres(
    instrument_id: int, timeframe: str, raw: RawBars, closed_at: IntArray, keep: IntArray
) -> None:
    """Send PostgreSQL's binary COPY: about ten times the speed of INSERT."""
    code = timeframe.encode()
    layout: list[tuple[Any, ...]] = [
        ("n", ">i2"),
        ("l_instrument", ">i4"), ("instrument", ">i8"),
        ("l_timeframe", ">i4"), ("timeframe", f"S{len(code)}"),
        ("l_closed_at", ">i4"), ("closed_at", ">i8"),
    ]  # fmt: skip
    for name in _COLUMNS:
        layout += [(f"l_{name}", ">i4"), (name, ">f8")]
    rows = np.zeros(keep.shape[0], dtype=np.dtype(layout))
    rows["n"] = 3 + len(_COLUMNS)
    for name in ("instrument", "closed_at", *_COLUMNS):
        rows[f"l_{name}"] = 8
    rows["instrument"], rows["l_timeframe"], rows["timeframe"] = instrument_id, len(code), code
    # PostgreSQL counts microseconds from the year 2000.
    rows["closed_at"] = closed_at[keep] // 1000 - 946_684_800_000_000
    for name in _COLUMNS:
        rows[name] = getattr(raw, name)[keep]
    stream = io.BytesIO(b"PGCOPY\n\xff\r\n\x00" + bytes(8) + rows.tobytes() + b"\xff\xff")
    with connection.cursor() as cursor:
        cursor.cursor.copy_expert(
            "COPY marketdata_bar (instrument_id, timeframe, closed_at, open, high, low, close, "
            "volume) FROM STDIN (FORMAT BINARY)",
            stream,
        )
