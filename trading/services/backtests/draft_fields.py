"""How each field of a request for a backtest is read, and with which sentence it is refused."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from elson.common.formatting import NumberNotUnderstood, parse_decimal
from trading.engine.allocation import AllocationRule

MOST_SYMBOLS = 40
MOST_TAGS = 8
MOST_FOLDS = 20
LONGEST_TAG = 24
LARGEST_BPS = 1_000
LARGEST_CASH = Decimal(10) ** 12
LARGEST_SEED = 2**31 - 1
TRUE_WORDS = frozenset({"1", "true", "on", "yes"})
FALSE_WORDS = frozenset({"", "0", "false", "off", "no"})


class FieldFault(ValueError):
    """One field cannot be read; the text is for the person."""


def _text(limit: int) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        text = str(value).strip()
        if len(text) > limit:
            raise FieldFault(f"{_label(name)} has {len(text)} characters; the limit is {limit}.")
        if any(ord(character) < 32 for character in text):
            raise FieldFault(f"{_label(name)} contains a control character.")
        return text

    return read


def _date(name: str, value: Any) -> dt.date:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value).strip())
    except ValueError:
        raise FieldFault(
            f"{_label(name)} “{value!s:.20}” is not a date; write it like 2008-08-01."
        ) from None


def _decimal(label: str, value: Any) -> Decimal:
    if isinstance(value, bool):
        raise NumberNotUnderstood("NUMBER_INVALID", f"{label} must be a number, not true or false.")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = parse_decimal(str(value))
    if not number.is_finite():
        raise NumberNotUnderstood(
            "NUMBER_INVALID", f"{label} “{value!s:.40}” is not a finite number."
        )
    return number


def _between(low: Decimal | int, high: Decimal | int, unit: str) -> Callable[[str, Any], Decimal]:
    def read(name: str, value: Any) -> Decimal:
        number = _decimal(_label(name), value)
        if not low <= number <= high:
            raise FieldFault(
                f"{_label(name)} {number:,f}{unit} must lie between "
                f"{low:,}{unit} and {high:,}{unit}."
            )
        return number

    return read


def _amount(most: float) -> Callable[[str, Any], float]:
    def read(name: str, value: Any) -> float:
        return float(_between(0, Decimal(str(most)), "")(name, value))

    return read


def _participation(name: str, value: Any) -> float:
    number = float(_decimal(_label(name), value))
    if not 0.0 < number <= 1.0:
        raise FieldFault(f"{_label(name)} {number:g} must lie above 0 and be at most 1.")
    return number


def _positions(name: str, value: Any) -> int:
    number = _between(1, MOST_SYMBOLS, "")(name, value)
    if number != number.to_integral_value():
        raise FieldFault(f"{_label(name)} {number:f} must be a whole number.")
    return int(number)


def _symbols(name: str, value: Any) -> tuple[str, ...]:
    given = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise FieldFault("The instruments must be a list of symbols.")
    found = tuple(dict.fromkeys(_text(24)("symbol", symbol) for symbol in given if symbol))
    if len(found) > MOST_SYMBOLS:
        raise FieldFault(f"{len(found)} instruments are chosen; the limit is {MOST_SYMBOLS}.")
    return found


def weight_read(symbol: str, value: Any) -> float:
    """Read the share of one instrument; raises FieldFault or NumberNotUnderstood."""
    number = float(_decimal(f"Weight of {symbol}", value))
    if not 0.0 < number <= 1.0:
        raise FieldFault(f"Weight of {symbol} {number:g} must lie above 0 and be at most 1.")
    return number


def limit_read(name: str, value: Any) -> float:
    """Read an own limit; raises FieldFault or NumberNotUnderstood."""
    number = float(_decimal(_label(name), value))
    if not 0.0 < number <= LARGEST_CASH:
        raise FieldFault(
            f"{_label(name)} {number:g} must lie above 0 and be at most {LARGEST_CASH:,}."
        )
    return number


def tags_read(name: str, value: Any) -> tuple[str, ...]:
    """Read tags, parted by commas or as a list: lower case, each once, in order."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise FieldFault("Tags must be a list of words.")
    read = _text(LONGEST_TAG)
    found = tuple(dict.fromkeys(" ".join(read("tag", tag).lower().split()) for tag in given))
    found = tuple(tag for tag in found if tag)
    if len(found) > MOST_TAGS:
        raise FieldFault(f"{len(found)} tags are given; the limit is {MOST_TAGS}.")
    if parted := next((tag for tag in found if "," in tag), None):
        raise FieldFault(f"Tag “{parted}” contains a comma, which parts tags.")
    return found


def _allocation(name: str, value: Any) -> str:
    known = [str(rule) for rule in AllocationRule]
    if value not in known:
        raise FieldFault(f"Allocation “{value!s:.20}” is unknown; it is one of {', '.join(known)}.")
    return str(value)


def _bps(name: str, value: Any) -> float:
    return float(_between(0, LARGEST_BPS, " bp")(name, value))


def _share(name: str, value: Any) -> float:
    number = float(_decimal(_label(name), value))
    if not math.isfinite(number) or not (number == 0.0 or 0.1 <= number <= 0.9):
        raise FieldFault(f"{_label(name)} {number:g} must be 0 or lie between 0.1 and 0.9.")
    return number


def _seed(name: str, value: Any) -> int:
    number = _between(0, LARGEST_SEED, "")(name, value)
    if number != number.to_integral_value():
        raise FieldFault(f"{_label(name)} {number:f} must be a whole number.")
    return int(number)


def _folds(name: str, value: Any) -> int:
    number = _decimal(_label(name), value)
    if number != number.to_integral_value() or not (number == 0 or 2 <= number <= MOST_FOLDS):
        raise FieldFault(f"{_label(name)} {number:f} must be 0 or lie between 2 and {MOST_FOLDS}.")
    return int(number)


def _flag(name: str, value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise FieldFault(f"{_label(name)} “{value!s:.20}” must be true or false.")
    return word in TRUE_WORDS


def _timeframe(name: str, value: Any) -> str:
    known = ("1m", "5m", "15m", "1h", "1d")
    if value not in known:
        raise FieldFault(
            f"{_label(name)} “{value!s:.10}” is unknown; it is one of {', '.join(known)}."
        )
    return str(value)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " ").capitalize())


_LABELS = {
    "cash": "Starting cash",
    "commission_bps": "Commission",
    "slippage_bps": "Slippage",
    "spread_bps": "Half spread",
    "range_share": "Share of the bar's range",
    "impact": "Impact",
    "borrow_bps_per_day": "Borrow a day",
    "financing_bps_per_year": "Financing a year",
    "max_participation": "Share of the volume",
    "max_positions": "Positions at once",
    "gross_cap": "Invested at most",
    "out_of_sample_share": "Out-of-sample share",
    "out_of_sample_from": "Out of sample from",
    "walk_forward_folds": "Walk-forward folds",
    "start_date": "Start",
    "end_date": "End",
}
READERS: dict[str, Callable[[str, Any], Any]] = {
    "symbol": _text(24),
    "timeframe": _timeframe,
    "start_date": _date,
    "end_date": _date,
    "cash": _between(1, LARGEST_CASH, ""),
    "commission_bps": _bps,
    "slippage_bps": _bps,
    "has_regime_costs": _flag,
    "spread_bps": _bps,
    "commission_per_unit": _amount(1_000),
    "commission_minimum": _amount(100_000),
    "range_share": _amount(1),
    "impact": _amount(10),
    "has_usual_slippage": _flag,
    "borrow_bps_per_day": _bps,
    "financing_bps_per_year": _amount(10_000),
    "max_participation": _participation,
    "carries_rest": _flag,
    "symbols": _symbols,
    "allocation": _allocation,
    "max_positions": _positions,
    "gross_cap": _amount(1),
    "is_free_confirmed": _flag,
    "out_of_sample_share": _share,
    "out_of_sample_from": _date,
    "walk_forward_folds": _folds,
    "benchmark": _text(24),
    "seed": _seed,
    "note": _text(200),
    "tags": tags_read,
}
