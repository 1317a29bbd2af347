"""Numbers as people type them, read in their own format."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from elson.common.errors import DomainError
from elson.common.formatting.numbers import number
from elson.common.formatting.reader import MINUS, current, symbols, use

# More do not fit the column of a row number.
WHOLE_DIGITS: Final = 18


class NumberNotUnderstood(DomainError):
    """The text is not one number in the reader's number format."""


def parse_decimal(text: str, locale: str | None = None) -> Decimal:
    """Read a number typed by a person in this locale or with a dot; refuse what has two readings.

    `1.234,50` and `1234.5` are clear to a German reader, `1.234` is not: it may be either
    one and a bit or one thousand, so the sentence asks.
    """
    code = (locale or current().locale).replace("_", "-")
    decimal_symbol, group = symbols(code)
    cleaned = _plain(text)
    if not cleaned:
        raise NumberNotUnderstood("NUMBER_MISSING", "Enter a number.")
    sign, digits = ("-", cleaned[1:]) if cleaned[0] == "-" else ("", cleaned.removeprefix("+"))
    if not re.fullmatch(r"[0-9.,]*[0-9][0-9.,]*", digits):
        raise _not_a_number(text, code)
    return Decimal(sign + _decimal_digits(text, digits, decimal_symbol, group, code))


def parse_whole(text: str) -> int | None:
    """Read a number as addresses and hidden fields carry it: 1 to 18 plain digits; else None."""
    is_whole = text.isascii() and text.isdigit() and len(text) <= WHOLE_DIGITS
    return int(text) if is_whole else None


def number_sample(locale: str) -> str:
    """One number in this locale's format, shown when something typed was not understood."""
    with use(locale, current().time_zone):
        return number(Decimal("1234.5"), 2)


def _decimal_digits(text: str, digits: str, decimal_symbol: str, group: str, locale: str) -> str:
    """Digits with a dot as the decimal mark, or the sentence that asks for a clearer number."""
    dots, commas = digits.count("."), digits.count(",")
    if dots and commas:
        mark = max(".", ",", key=digits.rfind)
        return _grouped(text, digits, mark, "," if mark == "." else ".", locale)
    mark = "." if dots else "," if commas else ""
    if not mark:
        return digits
    if dots + commas > 1:
        return _grouped(text, digits, "", mark, locale)
    whole, fraction = digits.split(mark)
    if mark == group and mark != decimal_symbol:
        if len(fraction) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0"):
            if mark == ",":
                return whole + fraction
            raise NumberNotUnderstood(
                "NUMBER_AMBIGUOUS", _ambiguous(whole, fraction, text, locale), value=text
            )
        if mark == ",":
            raise _not_a_number(text, locale)
    return f"{whole or '0'}.{fraction}" if fraction else whole


def _grouped(text: str, digits: str, mark: str, group: str, locale: str) -> str:
    whole, _, fraction = digits.partition(mark) if mark else (digits, "", "")
    grouped = re.fullmatch(rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+", whole)
    if not grouped or not (fraction.isdigit() or not fraction):
        raise _not_a_number(text, locale)
    return whole.replace(group, "") + (f".{fraction}" if fraction else "")


def _not_a_number(text: str, locale: str) -> NumberNotUnderstood:
    return NumberNotUnderstood(
        "NUMBER_INVALID",
        f"“{text.strip()[:40]}” is not a number; write it like {number_sample(locale)}.",
        value=text[:40],
    )


def _ambiguous(whole: str, fraction: str, text: str, locale: str) -> str:
    with use(locale, current().time_zone):
        small = number(Decimal(f"{whole}.{fraction}"), len(fraction))
    return f"“{text.strip()}” can be read in two ways; write {whole}{fraction} or {small}."


def _plain(text: str) -> str:
    """Ordinary minus, no spaces or apostrophes between digits, full-width digits made plain."""
    out = text.strip().replace(MINUS, "-").replace("\uff0e", ".").replace("\uff0c", ",")
    out = re.sub(r"(?<=\d)[\s\u00a0\u202f'’](?=\d)", "", out)
    return "".join(str(int(c)) if c.isdigit() and not c.isascii() else c for c in out)
