"""Columns of stored bars: read from the table, kept in memory while they are wanted again."""

from __future__ import annotations

import datetime as dt
import io
import threading
import uuid
from collections import OrderedDict
from typing import Any

import numpy as np
from django.db import connection

from marketdata.models import BarSeries
from marketdata.types import FloatArray, IntArray

NANOSECONDS = 1_000_000_000
# Series up to this length are read whole and kept; longer ones are read by the window asked for.
CACHED_BARS_PER_SERIES = 300_000
CACHED_BARS_TOTAL = 2_000_000
FETCH_ROWS = 50_000
_COLUMNS = ("open", "high", "low", "close", "volume")

Columns = tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]

_kept: OrderedDict[uuid.UUID, Columns] = OrderedDict()
_lock = threading.Lock()


def instant(nanoseconds: int) -> dt.datetime:
    """Aware UTC datetime of nanoseconds since 1970."""
    seconds, rest = divmod(int(nanoseconds), NANOSECONDS)
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).replace(microsecond=rest // 1000)


def nanoseconds(moment: dt.datetime) -> int:
    """Nanoseconds since 1970 of an aware datetime."""
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1000


def columns_window(
    series: BarSeries,
    *,
    until: dt.datetime | None = None,
    since: dt.datetime | None = None,
    limit: int | None = None,
) -> Columns:
    """Columns of the bars that closed from `since` to `until`; `limit` keeps the newest."""
    if series.n_bars > CACHED_BARS_PER_SERIES:
        return columns_read(series.instrument_id, series.timeframe, until, since, limit)
    columns = _whole(series)
    closed_at = columns[0]
    start, stop = 0, closed_at.shape[0]
    if until is not None:
        stop = int(np.searchsorted(closed_at, nanoseconds(until), side="right"))
    if since is not None:
        start = int(np.searchsorted(closed_at, nanoseconds(since), side="left"))
    if limit is not None:
        start = max(start, stop - limit)
    return tuple(column[start : max(start, stop)] for column in columns)  # type: ignore[return-value]


def columns_next(series: BarSeries, after_ns: int) -> Columns:
    """Columns of the one bar that closed first after `after_ns`; empty at the end of the data."""
    if series.n_bars > CACHED_BARS_PER_SERIES:
        after = instant(after_ns + 1000)
        return columns_read(series.instrument_id, series.timeframe, since=after, n_first=1)
    columns = _whole(series)
    i = int(np.searchsorted(columns[0], after_ns, side="right"))
    return tuple(column[i : i + 1] for column in columns)  # type: ignore[return-value]


def _whole(series: BarSeries) -> Columns:
    key = series.version
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    columns = columns_read(series.instrument_id, series.timeframe)
    if columns[0].shape[0] != series.n_bars:
        return columns  # an import committed in between: true, but not of this version
    for column in columns:
        column.flags.writeable = False
    with _lock:
        _kept[key] = columns
        total = sum(kept[0].shape[0] for kept in _kept.values())
        while total > CACHED_BARS_TOTAL and len(_kept) > 1:
            _, dropped = _kept.popitem(last=False)
            total -= dropped[0].shape[0]
    return columns


def columns_forget() -> None:
    """Empty the memory of read columns."""
    with _lock:
        _kept.clear()


# --- rows to columns ----------------------------------------------------------------------------


def columns_read(
    instrument_id: int,
    timeframe: str,
    until: dt.datetime | None = None,
    since: dt.datetime | None = None,
    limit: int | None = None,
    n_first: int | None = None,
) -> Columns:
    """Read columns straight from the table, oldest first; rows never become Python objects."""
    is_postgres = connection.vendor == "postgresql"
    clauses = ["instrument_id = %s", "timeframe = %s"]
    values: list[Any] = [int(instrument_id), str(timeframe)]
    for moment, mark in ((until, "<="), (since, ">=")):
        if moment is not None:
            clauses.append(f"closed_at {mark} %s")
            values.append(connection.ops.adapt_datetimefield_value(moment))
    where = " AND ".join(clauses)
    tail = "ORDER BY closed_at" if n_first is None else f"ORDER BY closed_at LIMIT {int(n_first)}"
    if limit is not None:
        tail = f"ORDER BY closed_at DESC LIMIT {int(limit)}"
    read = _read_postgres if is_postgres else _read_sqlite
    columns = read(where, values, tail)
    return tuple(np.ascontiguousarray(c[::-1]) for c in columns) if limit is not None else columns  # type: ignore[return-value]


def _read_sqlite(where: str, values: list[Any], tail: str) -> Columns:
    # Only constants of this module are put into the text; every value is a parameter.
    sql = (
        "SELECT CAST(strftime('%%s', closed_at) AS INTEGER), open, high, low, close, volume "  # noqa: S608
        f"FROM marketdata_bar WHERE {where} {tail}"
    )
    parts: list[Any] = []
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        while rows := cursor.fetchmany(FETCH_ROWS):
            parts.append(np.array(rows, dtype=np.float64))
    table = np.concatenate(parts) if parts else np.empty((0, 6))
    closed_at = table[:, 0].astype(np.int64) * NANOSECONDS
    return (closed_at, *(np.ascontiguousarray(table[:, i]) for i in range(1, 6)))  # type: ignore[return-value]


# One row of PostgreSQL's binary COPY: a field count, then each field's length and value.
_COPY_ROW = np.dtype(
    [("n", ">i2"), ("l0", ">i4"), ("closed_at", ">i8")]
    + [item for name in _COLUMNS for item in ((f"l_{name}", ">i4"), (name, ">f8"))]
)
_COPY_HEADER_BYTES = 19
_COPY_TRAILER_BYTES = 2
_POSTGRES_EPOCH_US = 946_684_800_000_000


def _read_postgres(where: str, values: list[Any], tail: str) -> Columns:
    connection.ensure_connection()
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        query = cursor.cursor.mogrify(
            f"SELECT closed_at, open, high, low, close, volume FROM marketdata_bar "  # noqa: S608
            f"WHERE {where} {tail}",
            values,
        ).decode()
        cursor.cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT BINARY)", buffer)
    content = buffer.getbuffer()[_COPY_HEADER_BYTES:-_COPY_TRAILER_BYTES]
    rows = np.frombuffer(content, dtype=_COPY_ROW)
    closed_at = (rows["closed_at"].astype(np.int64) + _POSTGRES_EPOCH_US) * 1000
    return (closed_at, *(rows[name].astype(np.float64) for name in _COLUMNS))  # type: ignore[return-value]
