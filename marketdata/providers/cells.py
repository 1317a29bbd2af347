"""Text of one cell to a number or an instant, strictly, with the reason where it is neither."""

from __future__ import annotations

import datetime as dt
import math
import re

import numpy as np

from marketdata.providers.base import FaultList
from marketdata.types import SECONDS_PER_DAY, FloatArray, IntArray

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_STAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)\s?(Z|[+-]\d{2}:?\d{2})?"
)
_AMBIGUOUS = re.compile(r"\d{1,4}[/.]\d{1,2}[/.]\d{1,4}.*")


def floats_fast(texts: tuple[str, ...]) -> FloatArray:
    """Read a column of numbers at once; raises ValueError where one is unusual."""
    joined = "".join(texts)
    # float() also reads "1_000" and digits of other scripts, which are no prices.
    if "_" in joined or not joined.isascii():
        raise ValueError("unusual digits")
    values = np.fromiter(map(float, texts), dtype=np.float64, count=len(texts))
    if not np.isfinite(values).all():
        raise ValueError("not finite")
    return values


def stamps_fast(texts: tuple[str, ...], is_daily: bool) -> IntArray:
    """Read a column of stamps at once, seconds UTC; raises ValueError where one is unusual."""
    if is_daily and all(len(text) == 10 for text in texts):
        ordinals = [dt.date.fromisoformat(text).toordinal() for text in texts]
        if any("W" in text for text in texts):
            raise ValueError("week dates")
        return (np.array(ordinals, dtype=np.int64) - 719_163) * SECONDS_PER_DAY
    if not is_daily and {len(text) for text in texts} in ({19}, {20}, {25}):
        tails = {text[19:] for text in texts}
        if tails <= {"", "Z", "+00:00"} and len(tails) == 1:
            instants = np.array([text[:19] for text in texts], dtype="datetime64[s]")
            return instants.astype(np.int64)
    return np.fromiter((_stamp(t, is_daily) for t in texts), dtype=np.int64, count=len(texts))


def _stamp(text: str, is_daily: bool) -> int:
    """Seconds UTC of a stamp; of the date alone for daily bars. Raises ValueError."""
    text = text.strip()
    if _DATE.fullmatch(text):
        moment = dt.datetime.fromisoformat(text)
    else:
        match = _STAMP.fullmatch(text)
        if match is None:
            raise ValueError("not ISO 8601")
        if is_daily:
            moment = dt.datetime.fromisoformat(match[1])
        else:
            clock = match[2].split(".")[0]
            moment = dt.datetime.fromisoformat(f"{match[1]}T{clock}{match[5] or ''}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return math.floor(moment.timestamp())


def stamp_or_fault(text: str, number: int, is_daily: bool, faults: FaultList) -> int:
    """Read one stamp; a fault is listed and read as 0."""
    try:
        return _stamp(text, is_daily)
    except ValueError as error:
        text = text.strip()
        if _AMBIGUOUS.fullmatch(text):
            reason = "is ambiguous (day or month first?): write YYYY-MM-DD"
        elif not text:
            reason = "is empty"
        elif _is_formula(text):
            reason = "is a formula, not a time"
        elif _STAMP.fullmatch(text) or _DATE.fullmatch(text):
            reason = f"is no time of the calendar: {error}"
        else:
            reason = "is not an ISO 8601 time such as 2020-03-12 or 2020-03-12T15:30:00Z"
        faults.add(number, "timestamp", text, reason)
        return 0


def float_or_fault(text: str, column: str, number: int, faults: FaultList) -> float:
    """Read one number; a fault is listed and read as 0."""
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped) and stripped.isascii():
        value = float(stripped)
        if math.isfinite(value):
            return value
    faults.add(number, column, text, _why_no_number(stripped))
    return 0.0


def _why_no_number(text: str) -> str:
    if not text:
        return "is empty"
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity", "null", "none", "na", "n/a"):
        return "is not a finite number"
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return "has a decimal comma: write a point"
    if _is_formula(text):
        return "is a formula, not a number"
    if _NUMBER.fullmatch(text) and text.isascii():
        return "is too large"
    return "is not a number"


def _is_formula(text: str) -> bool:
    return text[:1] in ("=", "@") or (text[:1] in "+-" and not text[1:2].isdigit())
