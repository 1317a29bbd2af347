"""Bars of a file for a backtest without a database; the checks are those of `import_bars`."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

from elson.common.errors import DomainError
from marketdata.providers.base import RawBars
from marketdata.providers.files import bars_read, is_bars_file, stem_of
from marketdata.types import SECONDS_PER_DAY, Bars, bars_per_year_estimate

# Daily series trade about 252 days a year, or every day.
EVERY_DAY_FROM = 300
END_OF_DAY = SECONDS_PER_DAY - 1
STEP_NAMES = ((90, "1m"), (450, "5m"), (2_000, "15m"), (3 * 3_600, "1h"))


class FileRefused(DomainError):
    """A file cannot be used; the sentence names the row, the column and what stands there."""

    title = "The file cannot be used"


def bars_from_file(
    *,
    path: Path,
    symbol: str = "",
    timeframe: str = "",
    exec_price: str = "OPEN",
    start: dt.date | None = None,
    end: dt.date | None = None,
    now: dt.datetime,
) -> Bars:
    """Read a CSV or Parquet file as bars; raises FileRefused for the first thing wrong with it.

    Without a timeframe the distance between rows decides. Daily rows close as their date ends.
    """
    if not path.is_file():
        raise FileRefused("FILE_MISSING", f"There is no file {path}.", field="data")
    if not is_bars_file(path):
        raise FileRefused(
            "FILE_KIND", f"{path.name} is neither .csv, .csv.gz nor .parquet.", field="data"
        )
    raw = _read(path, is_daily=timeframe == "1d", now=now)
    if not timeframe:
        timeframe = _timeframe_of(raw)
        if timeframe == "1d":
            raw = _read(path, is_daily=True, now=now)
    stamps = raw.stamps + END_OF_DAY if timeframe == "1d" else raw.stamps
    keep = _within(stamps, start, end)
    if not keep.any():
        raise FileRefused(
            "SPAN_EMPTY",
            f"{path.name} has no bar between {start or 'its start'} and {end or 'its end'}.",
        )
    closed_at = stamps[keep] * 10**9
    return Bars(
        symbol=symbol or raw.symbol or stem_of(path),
        timeframe=timeframe,
        closed_at=closed_at,
        open=raw.open[keep],
        high=raw.high[keep],
        low=raw.low[keep],
        close=raw.close[keep],
        volume=raw.volume[keep],
        # Over the whole file, so that a shorter span is annualized like the whole.
        bars_per_year=_bars_per_year(stamps * 10**9, timeframe),
        exec_price="CLOSE" if exec_price == "CLOSE" else "OPEN",
    )


def _read(path: Path, *, is_daily: bool, now: dt.datetime) -> RawBars:
    raw = bars_read(path, is_daily=is_daily, now=now)
    if raw.faults.n:
        first, more = raw.faults.listed[0], raw.faults.n - 1
        rest = f" (and {more:,} more fault{'s' if more > 1 else ''})" if more else ""
        raise FileRefused(
            "FILE_FAULTY", f"{path.name}: {first}{rest}.", field="data", faults=[first.as_dict()]
        )
    return raw


def _timeframe_of(raw: RawBars) -> str:
    if len(raw) < 2:
        return "1d"
    step = float(np.median(np.diff(raw.stamps)))
    return next((name for limit, name in STEP_NAMES if step < limit), "1d")


def _within(stamps: np.ndarray, start: dt.date | None, end: dt.date | None) -> np.ndarray:
    keep = np.ones(stamps.shape[0], dtype=bool)
    if start is not None:
        keep &= stamps >= _midnight(start)
    if end is not None:
        keep &= stamps < _midnight(end) + SECONDS_PER_DAY
    return keep


def _midnight(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC).timestamp())


def _bars_per_year(closed_at: np.ndarray, timeframe: str) -> float:
    estimate = bars_per_year_estimate(closed_at)
    if timeframe != "1d":
        return estimate
    return 365.0 if estimate > EVERY_DAY_FROM else 252.0
