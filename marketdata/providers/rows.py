"""Which rows are bars: possible prices, in order, never two at one time.

INPUT   chunks of columns whose cells are numbers already
OUTPUT  `RawBars`, with every row that is no bar left out and listed
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np

from marketdata.providers.base import FaultList, RawBars
from marketdata.types import SECONDS_PER_DAY, FloatArray, IntArray

PRICES = ("open", "high", "low", "close")
COLUMNS = ("timestamp", *PRICES, "volume")
OLDEST_YEAR = 1900
OLDEST = int(dt.datetime(OLDEST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp())


class Texts:
    """Gives back the text of a cell for a fault; built only for the chunk at hand."""

    def __init__(self, value: Callable[[int, str], str]) -> None:
        self.value = value


class Reading:
    """Collects checked chunks of one file."""

    def __init__(self, *, is_daily: bool, latest: int, shift: int) -> None:
        self.is_daily = is_daily
        self.latest = latest
        self.shift = 0 if is_daily else shift
        self.faults = FaultList()
        self.n_rows = 0
        self.symbol = ""
        self.ignored: tuple[str, ...] = ()
        self.parts: dict[str, list[Any]] = {name: [] for name in ("rows", "stamps", *COLUMNS[1:])}

    def add(self, rows: IntArray, stamps: IntArray, values: list[FloatArray], texts: Texts) -> None:
        """Take a chunk whose cells are numbers; list and leave out the rows that are no bars."""
        good = _rows_that_are_bars(rows, stamps, values, texts, self)
        if not good.all():
            rows, stamps, values = rows[good], stamps[good], [column[good] for column in values]
        for parts, column in zip(
            self.parts.values(), (rows, stamps + self.shift, *values), strict=True
        ):
            parts.append(column)

    def finish(self) -> RawBars:
        """Join the chunks, drop equal repetitions, refuse what is out of order."""
        columns: dict[str, Any] = {}
        for name, parts in self.parts.items():
            dtype = np.int64 if name in ("rows", "stamps") else np.float64
            columns[name] = np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
            parts.clear()  # column by column: millions of rows are never held twice
        raw = RawBars(
            **columns, faults=self.faults, n_rows=self.n_rows, ignored_columns=self.ignored,
            symbol=self.symbol,
        )  # fmt: skip
        if self.n_rows == 0 and self.faults.n == 0:
            self.faults.add(None, None, "", "holds no row below its header")
        _check_order(raw, self.is_daily)
        self.faults.listed.sort(key=lambda fault: fault.row or 0)
        return raw


def _rows_that_are_bars(
    rows: IntArray, stamps: IntArray, values: list[FloatArray], texts: Texts, reading: Reading
) -> Any:
    """Mask of the rows that can be bars; the others are listed with what is wrong."""
    open_, high, low, close, volume = values
    columns = dict(zip(COLUMNS[1:], values, strict=True))
    good = np.ones(rows.shape[0], dtype=bool)

    def fault(mask: Any, column: str, reason: str) -> None:
        for i in np.flatnonzero(mask & good).tolist():
            reading.faults.add(int(rows[i]), column, texts.value(i, column), reason)
        good[mask] = False

    for name, column in columns.items():
        fault(~np.isfinite(column), name, "is not a finite number")
    for name in PRICES:
        fault(~(columns[name] > 0), name, "must be above 0")
    fault(volume < 0, "volume", "must not be negative")
    fault(high < low, "high", "lies below the low of the same row")
    fault(high < np.maximum(open_, close), "high", "lies below the open or the close")
    fault(low > np.minimum(open_, close), "low", "lies above the open or the close")
    fault(stamps + reading.shift > reading.latest, "timestamp", "lies in the future")
    fault(stamps < OLDEST, "timestamp", f"lies before the year {OLDEST_YEAR}")
    return good


def _check_order(raw: RawBars, is_daily: bool) -> None:
    """List rows out of order or in conflict; drop a row that repeats an earlier one exactly."""
    if is_daily:
        raw.stamps = raw.stamps // SECONDS_PER_DAY * SECONDS_PER_DAY
    step = np.diff(raw.stamps)
    if (step > 0).all():
        return
    if (step < 0).any() and (step <= 0).all():
        raw.faults.add(
            int(raw.rows[1]), "timestamp", _iso(raw.stamps[1]),
            "comes before the row above: the file is newest first",
        )  # fmt: skip
        raw.take(np.empty(0, dtype=np.int64))
        return
    latest = np.maximum.accumulate(raw.stamps)
    late = np.flatnonzero(np.concatenate(([False], raw.stamps[1:] <= latest[:-1])))
    first_at = _first_positions(raw.stamps, late)
    for i in late.tolist():
        _judge_late_row(raw, i, first_at[int(raw.stamps[i])])
    keep = np.ones(len(raw), dtype=bool)
    keep[late] = False
    raw.take(np.flatnonzero(keep))


def _first_positions(stamps: IntArray, late: IntArray) -> dict[int, int]:
    found: dict[int, int] = {}
    for i in np.flatnonzero(np.isin(stamps, stamps[late])).tolist():
        found.setdefault(int(stamps[i]), i)
    return found


def _judge_late_row(raw: RawBars, i: int, twin: int) -> None:
    """Tell a harmless repetition from a conflict and from a row out of order."""
    columns = (raw.open, raw.high, raw.low, raw.close, raw.volume)
    if twin == i:
        reason = "comes before the row above: rows must be oldest first"
    elif all(column[i] == column[twin] for column in columns):
        raw.n_duplicates += 1
        return
    else:
        reason = f"repeats row {int(raw.rows[twin])} with other values"
    raw.faults.add(int(raw.rows[i]), "timestamp", _iso(raw.stamps[i]), reason)


def _iso(stamp: Any) -> str:
    moment = dt.datetime.fromtimestamp(int(stamp), tz=dt.UTC)
    return moment.date().isoformat() if int(stamp) % SECONDS_PER_DAY == 0 else moment.isoformat()
