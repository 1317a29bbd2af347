"""Every broken file is refused with the place and the reason; a good one is read exactly."""

from __future__ import annotations

import datetime as dt
import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.providers.base import RawBars
from marketdata.providers.files import bars_read
from marketdata.tests.factories import NOW

HEADER = "timestamp,open,high,low,close,volume\n"
GOOD = HEADER + "2020-03-12,10,12,9,11,100\n2020-03-13,11,13,10.5,12,0\n"


def read(path: Path, content: str | bytes, **options: object) -> RawBars:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    options.setdefault("is_daily", True)
    return bars_read(path, now=NOW, **options)  # type: ignore[arg-type]


def test_bars_read_gives_every_column_of_a_good_file(tmp_path: Path) -> None:
    raw = read(tmp_path / "a.csv", GOOD)

    assert raw.faults.n == 0
    assert raw.close.tolist() == [11, 12]
    assert raw.volume.tolist() == [100, 0]
    assert raw.rows.tolist() == [2, 3]
    assert raw.stamps.tolist() == [1583971200, 1584057600]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        gzip.compress(GOOD.encode()),
        GOOD.replace("timestamp", "Date").encode(),
        (GOOD + "2020-03-13,11,13,10.5,12,0\n").encode(),
        GOOD.replace("\n2020", '\n"2020')
        .replace("12,10,", '12","10",')
        .replace("13,11", '13",11')
        .encode(),
        b"volume,note,close,low,high,open,timestamp\n100,x,11,9,12,10,2020-03-12\n0,y,12,10.5,13,11,2020-03-13",
    ],
    ids=[
        "bom",
        "crlf",
        "gzip",
        "date",
        "equal duplicate",
        "quotes",
        "column order, no last newline",
    ],
)
def test_bars_read_reads_the_same_bars_however_they_are_written(
    tmp_path: Path, content: bytes
) -> None:
    raw = read(tmp_path / "a.csv", content)

    assert [str(fault) for fault in raw.faults.listed] == []
    assert raw.close.tolist() == [11, 12]


WHOLE_FILE = [
    (b"", "is empty"),
    (b"PK\x03\x04rest of a workbook", "ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0old workbook", "old Excel workbook"),
    (GOOD.encode("utf-16"), "UTF-16"),
    (GOOD.encode().replace(b"11,13", b"\x00\x00"), "NUL bytes"),
    (GOOD.encode().replace(b"11,13", b"\xff\xfe,3"), "not UTF-8"),
    (gzip.compress(GOOD.encode())[:-12], "cut-off .gz"),
    (b"PAR1....", "ending .parquet"),
    (b"timestamp;open;high;low;close;volume\n", "by semicolons"),
    (b"timestamp,open,high,low,close\n2020-03-12,1,1,1,1\n", "no column volume"),
    (b"timestamp,open,high,low,close,volume,Close\n", "column close 2 times"),
    (b"a," * 300 + b"\n", "301 columns"),
    (b"a" * 100_000, "line longer than"),
    (HEADER.encode(), "no row below its header"),
]


@pytest.mark.parametrize(("content", "reason"), WHOLE_FILE, ids=[r for _, r in WHOLE_FILE])
def test_bars_read_refuses_a_file_that_is_no_table_of_bars(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    raw = read(tmp_path / "a.csv", content)

    assert len(raw) == 0
    assert reason in str(raw.faults.listed[0])


ROWS = [
    ("2020-03-16,x,12,9,11,1", "open", "x", "is not a number"),
    ("2020-03-16,,12,9,11,1", "open", "", "is empty"),
    ("2020-03-16,10,nan,9,11,1", "high", "nan", "is not a finite number"),
    ("2020-03-16,10,12,9,11,inf", "volume", "inf", "is not a finite number"),
    ("2020-03-16,10,1e400,9,11,1", "high", "1e400", "is too large"),
    ('2020-03-16,"10,5",12,9,11,1', "open", "10,5", "has a decimal comma: write a point"),
    ("2020-03-16,1_0,12,9,11,1", "open", "1_0", "is not a number"),
    ("2020-03-16,\uff110,12,9,11,1", "open", "\uff110", "is not a number"),
    ("2020-03-16,=cmd|'x',12,9,11,1", "open", "=cmd|'x'", "is a formula, not a number"),
    ("2020-03-16,0,12,0,11,1", "open", "0", "must be above 0"),
    ("2020-03-16,10,12,-9,11,1", "low", "-9", "must be above 0"),
    ("2020-03-16,10,12,9,11,-1", "volume", "-1", "must not be negative"),
    ("2020-03-16,10,8,9,9.5,1", "high", "8", "lies below the low of the same row"),
    ("2020-03-16,10,12,9,12.5,1", "high", "12", "lies below the open or the close"),
    ("2020-03-16,10,12,10.5,11,1", "low", "10.5", "lies above the open or the close"),
    ("2030-01-01,10,12,9,11,1", "timestamp", "2030-01-01", "lies in the future"),
    ("1899-12-29,10,12,9,11,1", "timestamp", "1899-12-29", "lies before the year 1900"),
    ("03/04/05,10,12,9,11,1", "timestamp", "03/04/05", "is ambiguous"),
    ("16.03.2020,10,12,9,11,1", "timestamp", "16.03.2020", "is ambiguous"),
    ("2020-02-30,10,12,9,11,1", "timestamp", "2020-02-30", "is no time of the calendar"),
    ("2020-W12-1,10,12,9,11,1", "timestamp", "2020-W12-1", "is not an ISO 8601 time"),
    ("1584316800,10,12,9,11,1", "timestamp", "1584316800", "is not an ISO 8601 time"),
    ("2020-03-13,11,13,10.5,12.5,0", "timestamp", "2020-03-13", "repeats row 3 with other values"),
    ("2020-03-11,10,12,9,11,1", "timestamp", "2020-03-11", "rows must be oldest first"),
    ("2020-03-16,10,12", None, "2020-03-16,10,12", "has 3 columns where the header has 6"),
    ("2020-03-16,10,12,9,11,1,extra", None, "2020-03-16,10,12,9,11,1,extra", "has 7 columns"),
]


@pytest.mark.parametrize(("row", "column", "value", "reason"), ROWS, ids=[r[0] for r in ROWS])
def test_bars_read_names_row_column_value_and_reason(
    tmp_path: Path, row: str, column: str | None, value: str, reason: str
) -> None:
    raw = read(tmp_path / "a.csv", GOOD + row + "\n")

    assert raw.faults.n == 1
    fault = raw.faults.listed[0]
    assert (fault.row, fault.column, fault.value) == (4, column, value)
    assert reason in fault.reason
    assert len(raw) == 2


def test_bars_read_counts_lines_like_an_editor_when_some_are_blank(tmp_path: Path) -> None:
    raw = read(tmp_path / "a.csv", GOOD.replace("\n2020-03-13", "\n\n\n2020-03-13") + "x,1,1,1,1,1")

    assert raw.rows.tolist() == [2, 5]
    assert raw.faults.listed[0].row == 6


def test_bars_read_lists_a_hundred_faults_and_counts_the_rest(tmp_path: Path) -> None:
    raw = read(tmp_path / "a.csv", HEADER + "2020-03-12,x,1,1,1,1\n" * 150)

    assert len(raw.faults.listed) == 100
    assert raw.faults.n == 150


def test_bars_read_cuts_shown_values_to_eighty_characters(tmp_path: Path) -> None:
    raw = read(tmp_path / "a.csv", GOOD + f"2020-03-16,{'9' * 500}x,1,1,1,1\n")

    assert len(raw.faults.listed[0].value) == 80


def test_bars_read_refuses_a_newest_first_file_in_one_sentence(tmp_path: Path) -> None:
    lines = GOOD.splitlines()
    raw = read(tmp_path / "a.csv", "\n".join([lines[0], lines[2], lines[1]]))

    assert raw.faults.n == 1
    assert "newest first" in raw.faults.listed[0].reason


def test_bars_read_refuses_a_file_of_two_symbols(tmp_path: Path) -> None:
    content = "symbol," + HEADER + "SPX,2020-03-12,10,12,9,11,1\nNDX,2020-03-13,10,12,9,11,1\n"
    raw = read(tmp_path / "a.csv", content)

    assert raw.symbol == "SPX"
    assert (raw.faults.listed[0].row, raw.faults.listed[0].value) == (3, "NDX")


@pytest.mark.parametrize(
    "text",
    ["2020-03-12T14:00:00", "2020-03-12 14:00", "2020-03-12T14:00:00Z", "2020-03-12T10:00:00-04:00",
     "2020-03-12T14:00:00.000+0000"],
)  # fmt: skip
def test_bars_read_takes_naive_intraday_times_as_utc_and_converts_others(
    tmp_path: Path, text: str
) -> None:
    raw = read(
        tmp_path / "a.csv", f"{HEADER}{text},10,12,9,11,1\n", is_daily=False, shift_seconds=3600
    )

    assert raw.stamps.tolist() == [int(dt.datetime(2020, 3, 12, 15, tzinfo=dt.UTC).timestamp())]


def test_bars_read_keeps_the_written_date_of_daily_bars(tmp_path: Path) -> None:
    raw = read(tmp_path / "a.csv", HEADER + "2020-03-12T23:00:00-08:00,10,12,9,11,1\n")

    assert raw.stamps.tolist() == [1583971200]


def test_bars_read_stops_unpacking_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketdata.providers.files.MAX_TEXT_BYTES", 1_000_000)
    path = tmp_path / "bomb.csv.gz"
    bomb = gzip.compress(HEADER.encode() + b"2020-03-12,1,1,1,1,1\n" * 400_000)

    tracemalloc.start()
    raw = read(path, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "unpacks to more than" in str(raw.faults.listed[0])
    assert peak < 30_000_000


def test_bars_read_reads_parquet_like_csv(tmp_path: Path) -> None:
    times = pa.array(np.array(["2020-03-12", "2020-03-13"], dtype="datetime64[ns]"))
    table = {"timestamp": times} | {
        name: pa.array([value, value + 1.0])
        for name, value in {
            "open": 10.0,
            "high": 12.0,
            "low": 9.0,
            "close": 11.0,
            "volume": 0.0,
        }.items()
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")

    raw = bars_read(tmp_path / "a.parquet", is_daily=True, now=NOW)

    assert raw.faults.n == 0
    assert raw.stamps.tolist() == [1583971200, 1584057600]
    assert raw.close.tolist() == [11, 12]


def test_bars_read_names_the_bad_row_of_a_parquet_file(tmp_path: Path) -> None:
    table = {"timestamp": ["2020-03-12", "2020-03-13"]} | {
        name: pa.array([1.0, None if name == "close" else 1.0])
        for name in ("open", "high", "low", "close", "volume")
    }
    pq.write_table(pa.table(table), tmp_path / "a.parquet")

    raw = bars_read(tmp_path / "a.parquet", is_daily=True, now=NOW)

    assert str(raw.faults.listed[0]) == "row 2: close '' is empty"


def test_bars_read_refuses_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    raw = read(tmp_path / "a.parquet", "PAR1 but then nothing of it")

    assert "not a readable Parquet file" in str(raw.faults.listed[0])


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD)), st.binary(min_size=0, max_size=4)), max_size=4)
)
def test_bars_read_never_crashes_and_never_lets_a_bad_bar_through(
    tmp_path: Path, edits: list[tuple[int, bytes]]
) -> None:
    content = GOOD.encode()
    for place, piece in edits:
        content = content[:place] + piece + content[place + len(piece) :]

    raw = read(tmp_path / "a.csv", content)

    assert np.all(raw.high >= np.maximum(raw.open, raw.close))
    assert np.all((raw.low > 0) & (raw.low <= np.minimum(raw.open, raw.close)))
    assert np.all(np.diff(raw.stamps) > 0)
    assert raw.faults.n > 0 or len(raw) + raw.n_duplicates == raw.n_rows
