"""Bars out of CSV and Parquet files: every row checked, nothing repaired silently.

INPUT   a path; `timestamp,open,high,low,close,volume` in any order, other columns are ignored
OUTPUT  `RawBars` with at most a hundred faults listed (row, column, value, reason) and their count
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from marketdata.providers.base import Progress, ProviderRejected, RawBars
from marketdata.providers.cells import (
    float_or_fault,
    floats_fast,
    stamp_or_fault,
    stamps_fast,
)
from marketdata.providers.rows import COLUMNS, Reading, Texts
from marketdata.types import SECONDS_PER_DAY, FloatArray, IntArray

TIMESTAMP_NAMES = ("timestamp", "datetime", "date", "time")
SUFFIXES = (".csv", ".csv.gz", ".parquet")
CHUNK_ROWS = 50_000
MAX_LINE_CHARS = 64 * 1024
# A compressed file may say little and mean much: reading stops here, whatever the file claims.
MAX_TEXT_BYTES = 1024**3
MAX_COLUMNS = 200
_WITHOUT_PROGRESS: Progress = lambda done, total: None  # noqa: E731  a name is all it needs


def is_bars_file(path: Path) -> bool:
    """Tell whether the name is one this module reads."""
    return path.name.lower().endswith(SUFFIXES)


def stem_of(path: Path) -> str:
    """File name without its endings: `SPX.csv.gz` is SPX."""
    name = path.name
    for suffix in (".gz", ".csv", ".parquet"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


def file_sha256(path: Path) -> str:
    """Hash of the file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_joined(sha256: str, extra: str) -> str:
    """Hash of a file and of how it is to be read; the file's own where there is nothing to add."""
    return hashlib.sha256(f"{sha256} {extra}".encode()).hexdigest() if extra else sha256


def bars_read(
    path: Path,
    *,
    is_daily: bool,
    now: dt.datetime,
    shift_seconds: int = 0,
    progress: Progress = _WITHOUT_PROGRESS,
) -> RawBars:
    """Read and check one file.

    `shift_seconds` is added to every intraday stamp: the length of a bar where the file stamps
    opens. A naive intraday time is taken as UTC. Faulty rows are left out of the columns and
    listed; what makes the whole file unreadable is a fault without a row.
    """
    reading = Reading(is_daily=is_daily, latest=int(now.timestamp()), shift=shift_seconds)
    try:
        if path.name.lower().endswith(".parquet"):
            _read_parquet(path, reading, progress)
        else:
            _read_csv(path, reading, progress)
    except ProviderRejected as error:
        reading.faults.add(None, None, path.name, str(error))
    except OSError as error:
        reading.faults.add(None, None, path.name, f"cannot be read: {error.strerror or error}")
    return reading.finish()


# --- CSV ----------------------------------------------------------------------------------------


def _read_csv(path: Path, reading: Reading, progress: Progress) -> None:
    size = path.stat().st_size
    with path.open("rb") as raw_stream:
        head = raw_stream.read(4)
        raw_stream.seek(0)
        _refuse_other_formats(head)
        is_gzip = head[:2] == b"\x1f\x8b"
        stream: Any = gzip.GzipFile(fileobj=raw_stream) if is_gzip else raw_stream
        try:
            lines = _lines(stream, lambda: progress(raw_stream.tell(), size))
            _read_rows(csv.reader(lines, strict=True), reading)
        except UnicodeDecodeError as error:
            raise ProviderRejected(
                f"is not UTF-8 text (byte {error.object[error.start]:#04x}): save it as CSV UTF-8"
            ) from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ProviderRejected("is a damaged or cut-off .gz file") from error
    progress(size, size)


def _refuse_other_formats(head: bytes) -> None:
    if head[:4] == b"PK\x03\x04":
        raise ProviderRejected(
            "is a ZIP archive or an Excel workbook, not CSV: export the sheet as CSV UTF-8"
        )
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise ProviderRejected("is UTF-16 text: save it as CSV UTF-8")
    if head[:4] == b"PAR1":
        raise ProviderRejected("is a Parquet file: give it the ending .parquet")
    if head[:4] == b"\xd0\xcf\x11\xe0":
        raise ProviderRejected("is an old Excel workbook, not CSV: export the sheet as CSV UTF-8")
    if not head:
        raise ProviderRejected("is empty")


def _lines(stream: io.BufferedIOBase, tick: Callable[[], None]) -> Iterator[str]:
    """Yield text lines; no line, and no file, grows without bound in memory."""
    buffered = io.BufferedReader(stream, 1 << 20) if isinstance(stream, gzip.GzipFile) else stream
    n_bytes = 0
    first = True
    while line := buffered.readline(MAX_LINE_CHARS + 1):
        n_bytes += len(line)
        if len(line) > MAX_LINE_CHARS:
            raise ProviderRejected(f"has a line longer than {MAX_LINE_CHARS:,} characters")
        if n_bytes > MAX_TEXT_BYTES:
            raise ProviderRejected(f"unpacks to more than {MAX_TEXT_BYTES >> 20:,} MB of text")
        if b"\x00" in line:
            raise ProviderRejected("holds NUL bytes: it is not UTF-8 text")
        text = line.decode("utf-8-sig" if first else "utf-8")
        first = False
        yield text
        if n_bytes & 0xFFFFF < len(line):  # about once a megabyte
            tick()


def _read_rows(reader: Any, reading: Reading) -> None:
    try:
        header = next(reader, None)
        if header is None:
            raise ProviderRejected("is empty")
        places = _places_of(header, reading)
        width = len(header)
        rows: list[list[str]] = []
        numbers: list[int] = []
        for row in reader:
            if not row:
                continue
            rows.append(row)
            numbers.append(reader.line_num)
            if len(rows) == CHUNK_ROWS:
                _take_text(rows, numbers, places, width, reading)
                rows, numbers = [], []
        if rows:
            _take_text(rows, numbers, places, width, reading)
    except csv.Error as error:
        reading.faults.add(reader.line_num, None, "", f"is not readable as CSV: {error}")


def _places_of(header: list[str], reading: Reading) -> dict[str, int]:
    """Position of each wanted column; raises ProviderRejected naming what is missing or double."""
    if len(header) > MAX_COLUMNS:
        raise ProviderRejected(f"has {len(header):,} columns; at most {MAX_COLUMNS} are read")
    names = [name.strip().lower() for name in header]
    if len(names) == 1:
        for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in names[0]:
                raise ProviderRejected(f"separates its columns by {word}: use commas")
    stamp = next((name for name in TIMESTAMP_NAMES if name in names), None)
    wanted = {"timestamp": stamp} | {name: name for name in COLUMNS[1:]}
    missing = [name for name, found in wanted.items() if found not in names]
    if missing:
        raise ProviderRejected(
            f"has no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}, "
            f"found {', '.join(names)[:80]}"
        )
    double = [found for found in wanted.values() if names.count(str(found)) > 1]
    if double:
        raise ProviderRejected(f"has the column {double[0]} {names.count(str(double[0]))} times")
    places = {name: names.index(str(found)) for name, found in wanted.items()}
    if "symbol" in names:
        places["symbol"] = names.index("symbol")
    used = set(places.values())
    reading.ignored = tuple(name for i, name in enumerate(header) if i not in used)
    return places


def _take_text(
    rows: list[list[str]], numbers: list[int], places: dict[str, int], width: int, reading: Reading
) -> None:
    """Turn a chunk of text rows into numbers: all at once, or one by one where that fails."""
    reading.n_rows += len(rows)
    try:
        columns = _columns_of(rows, width)
        values = [floats_fast(columns[places[name]]) for name in COLUMNS[1:]]
        stamps = stamps_fast(columns[places["timestamp"]], reading.is_daily)
        if "symbol" in places:
            _one_symbol(columns[places["symbol"]], numbers, reading)
    except ValueError:
        rows, numbers, stamps, values = _take_slowly(rows, numbers, places, width, reading)
    texts = Texts(lambda i, name: rows[i][places[name]])
    reading.add(np.array(numbers, dtype=np.int64), stamps, values, texts)


def _columns_of(rows: list[list[str]], width: int) -> list[tuple[str, ...]]:
    if any(len(row) != width for row in rows):
        raise ValueError("another number of columns than the header")
    return list(zip(*rows, strict=True))


def _take_slowly(
    rows: list[list[str]], numbers: list[int], places: dict[str, int], width: int, reading: Reading
) -> tuple[list[list[str]], list[int], IntArray, list[FloatArray]]:
    """Read a chunk cell by cell, listing every fault; return the rows without one."""
    kept: list[tuple[list[str], int, int, list[float]]] = []
    for row, number in zip(rows, numbers, strict=True):
        n_faults = reading.faults.n
        if len(row) != width:
            reading.faults.add(
                number, None, ",".join(row), f"has {len(row)} columns where the header has {width}"
            )
            continue
        stamp = stamp_or_fault(row[places["timestamp"]], number, reading.is_daily, reading.faults)
        values = [
            float_or_fault(row[places[name]], name, number, reading.faults) for name in COLUMNS[1:]
        ]
        if reading.faults.n == n_faults:
            kept.append((row, number, stamp, values))
    if "symbol" in places:
        symbols = tuple(row[places["symbol"]] for row, *_ in kept)
        with_fault = _one_symbol_or_fault(symbols, [number for _, number, *_ in kept], reading)
        kept = [entry for i, entry in enumerate(kept) if i not in with_fault]
    matrix = np.array([values for *_, values in kept], dtype=np.float64).reshape(len(kept), 5)
    return (
        [row for row, *_ in kept],
        [number for _, number, *_ in kept],
        np.array([stamp for *_, stamp, _ in kept], dtype=np.int64),
        [np.ascontiguousarray(matrix[:, i]) for i in range(5)],
    )


def _one_symbol(symbols: tuple[str, ...], numbers: list[int], reading: Reading) -> None:
    reading.symbol = reading.symbol or symbols[0].strip()
    if any(symbol.strip() != reading.symbol for symbol in set(symbols)):
        raise ValueError("mixed symbols")


def _one_symbol_or_fault(
    symbols: tuple[str, ...], numbers: list[int], reading: Reading
) -> set[int]:
    reading.symbol = reading.symbol or (symbols[0].strip() if symbols else "")
    wrong = {i for i, symbol in enumerate(symbols) if symbol.strip() != reading.symbol}
    for i in sorted(wrong):
        reading.faults.add(
            numbers[i], "symbol", symbols[i], f"differs from {reading.symbol}: one file, one symbol"
        )
    return wrong


# --- Parquet ------------------------------------------------------------------------------------


def _read_parquet(path: Path, reading: Reading, progress: Progress) -> None:
    # Imported here: half a second that no other command should pay.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            total = file.metadata.num_rows
            places = _places_of(list(file.schema_arrow.names), reading)
            names = [file.schema_arrow.names[i] for i in places.values()]
            for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=names):
                table = {want: batch.column(batch.schema.get_field_index(name))
                         for want, name in zip(places, names, strict=True)}  # fmt: skip
                _take_columns(table, reading)
                progress(reading.n_rows, total)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise ProviderRejected(f"is not a readable Parquet file: {reason:.120}") from error


def _take_columns(table: dict[str, Any], reading: Reading) -> None:
    """Take one batch; texts and dates go the way of CSV, numbers and instants straight."""
    import pyarrow as pa

    n = len(table["timestamp"])
    numbers = list(range(reading.n_rows + 1, reading.n_rows + n + 1))
    kinds = [table[name].type for name in COLUMNS[1:]]
    stamp = table["timestamp"]
    is_plain = all(
        (pa.types.is_floating(kind) or pa.types.is_integer(kind)) and table[name].null_count == 0
        for kind, name in zip(kinds, COLUMNS[1:], strict=True)
    )
    if (
        not is_plain
        or not pa.types.is_timestamp(stamp.type)
        or stamp.null_count
        or "symbol" in table
    ):
        rows = [list(row) for row in zip(*(_texts_of(table[name]) for name in table), strict=True)]
        places = {name: i for i, name in enumerate(table)}
        _take_text(rows, numbers, places, len(table), reading)
        return
    reading.n_rows += n
    stamps = stamp.cast(pa.timestamp("s", tz=stamp.type.tz), safe=False).cast(pa.int64()).to_numpy()
    if reading.is_daily:
        stamps = stamps // SECONDS_PER_DAY * SECONDS_PER_DAY
    values = [
        np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)
        for name in COLUMNS[1:]
    ]
    texts = Texts(lambda i, name: str(table[name][i].as_py()))
    reading.add(np.array(numbers, dtype=np.int64), stamps, values, texts)


def _texts_of(column: Any) -> list[str]:
    return ["" if value is None else str(value) for value in column.to_pylist()]
