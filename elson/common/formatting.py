"""Numbers, money and time as people read them, equal to Intl in the browser.

One set of rules for every page: the minus is U+2212, a missing value is an em dash, zero has no
sign, prices never use an exponent. Each function takes the raw value and returns text; the markup
around it is made in templatetags/formats.py. static/js/common/format.js mirrors this file for
streamed values, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from math import isfinite, sqrt
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import (
    format_currency,
    format_decimal,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
)

from elson.common.errors import DomainError

ABBREVIATIONS = {"atr", "rsi", "sma"}
MISSING: Final = "—"
MASKED: Final = "•••••"
MINUS: Final = "\u2212"
DEFAULT_LOCALE: Final = "en-US"
DEFAULT_TIME_ZONE: Final = "UTC"
LOCALES: Final = ("en-US", "en-GB", "de-DE", "fr-FR", "ja-JP")
# More do not fit the column of a row number.
WHOLE_DIGITS: Final = 18

# Powers of ten and what stands for them, as browsers write them.
COMPACT: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    "en-US": ((3, "K"), (6, "M"), (9, "B"), (12, "T")),
    "en-GB": ((3, "k"), (6, "m"), (9, "bn"), (12, "tn")),
    "de-DE": ((6, "\u00a0Mio."), (9, "\u00a0Mrd."), (12, "\u00a0Bio.")),
    "fr-FR": ((3, "\u00a0k"), (6, "\u00a0M"), (9, "\u00a0Md"), (12, "\u00a0Bn")),
    "ja-JP": ((4, "万"), (8, "億"), (12, "兆")),
}

Number = Decimal | float | int | None


class NumberNotUnderstood(DomainError):
    """The text is not one number in the reader's number format."""


@dataclass(frozen=True)
class Format:
    """How the current reader wants numbers and times written."""

    locale: str = DEFAULT_LOCALE
    time_zone: str = DEFAULT_TIME_ZONE


DEFAULT_FORMAT: Final = Format()
_active: ContextVar[Format] = ContextVar("elson_format", default=DEFAULT_FORMAT)


def activate(locale: str = DEFAULT_LOCALE, time_zone: str = DEFAULT_TIME_ZONE) -> None:
    """Use this number format and time zone in the current request; unknown names fall back."""
    known = locale.replace("_", "-")
    _active.set(
        Format(
            locale=known if known in LOCALES else DEFAULT_LOCALE,
            time_zone=time_zone if _zone_or_none(time_zone) else DEFAULT_TIME_ZONE,
        )
    )


def deactivate() -> None:
    """Return to en-US and UTC."""
    _active.set(DEFAULT_FORMAT)


def current() -> Format:
    """Return the number format and time zone in use."""
    return _active.get()


@contextmanager
def use(locale: str = DEFAULT_LOCALE, time_zone: str = DEFAULT_TIME_ZONE) -> Iterator[Format]:
    """Activate for the length of a with block."""
    before = _active.get()
    activate(locale, time_zone)
    try:
        yield _active.get()
    finally:
        _active.set(before)


# ------------------------------------------------------------------ numbers


def number(value: Number, places: int = 2) -> str:
    """Plain decimal with a fixed number of places: `1,234.50`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    return _minus(_fixed(_round(exact, places), places))


def money(value: Number, currency: str = "USD", places: int = 2) -> str:
    """Amount with the currency symbol where the locale puts it: `$100,000.00`, `100.000,00 $`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, places)
    pattern = _currency_pattern(current().locale, places)
    text = format_currency(
        abs(rounded),
        currency,
        format=pattern,
        locale=_babel(current().locale),
        currency_digits=False,
        decimal_quantization=False,
    )
    return MINUS + text if rounded < 0 else text


def signed_money(value: Number, currency: str = "USD", places: int = 2) -> str:
    """Profit or change: always signed, zero without a sign: `+$1,204.10`, `−$7.00`, `$0.00`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, places)
    return _sign(rounded) + money(abs(rounded), currency, places)


def percent(value: Number, places: int = 2) -> str:
    """Fraction as percent: 0.204 with one place is `20.4%`, `20,4 %`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact * 100, places)
    text = format_percent(
        abs(rounded) / 100,
        format=_percent_pattern(current().locale, places),
        locale=_babel(current().locale),
        decimal_quantization=False,
    )
    return MINUS + text if rounded < 0 else text


def signed_percent(value: Number, places: int = 2) -> str:
    """Return as percent, always signed; zero without a sign."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact * 100, places)
    return _sign(rounded) + percent(abs(rounded) / 100, places)


def signed_number(value: Number, places: int = 2) -> str:
    """Plain decimal, always signed; zero without a sign."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, places)
    return _sign(rounded) + number(abs(rounded), places)


def price(value: Number, tick: Number = None) -> str:
    """Price with the decimals of the instrument's tick, 2 to 8, never an exponent."""
    return number(value, price_places(tick))


def price_places(tick: Number = None) -> int:
    """How many decimals a price with this tick shows: at least 2, at most 8."""
    exact = _exact(tick)
    if exact is None or exact <= 0:
        return 2
    exponent = exact.normalize().as_tuple().exponent
    return min(8, max(2, -exponent if isinstance(exponent, int) else 2))


def quantity(value: Number, precision: int = 8) -> str:
    """Units held or ordered: up to the given precision, trailing zeros cut."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    rounded = _round(exact, precision)
    places = max(0, -_exponent(rounded.normalize()))
    return _minus(_fixed(rounded, places))


def ratio(value: Number, places: int = 2) -> str:
    """Sharpe and its kind."""
    return number(value, places)


def basis_points(value: Number, places: int = 1) -> str:
    """Cost already counted in basis points: `7.2 bp`."""
    text = number(value, places)
    return text if text == MISSING else f"{text}\u00a0bp"


def probability(value: Number) -> str:
    """Probability with two places that never claims certainty: `<0.01`, `0.78`, `>0.99`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    if exact < Decimal("0.01"):
        return "<" + number(Decimal("0.01"))
    if exact > Decimal("0.99"):
        return ">" + number(Decimal("0.99"))
    return number(exact)


def label_of(name: str) -> str:
    """Words for a name in code: `stop_atr` is `Stop ATR`."""
    words = [word.upper() if word in ABBREVIATIONS else word for word in name.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def share(value: Number) -> str:
    """Share of cases counted, as a percentage that never claims certainty: `<0.1%`, `11.3%`."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    if exact < Decimal("0.001"):
        return "<" + percent(Decimal("0.001"), 1)
    if exact > Decimal("0.999"):
        return ">" + percent(Decimal("0.999"), 1)
    return percent(exact, 1)


def big(value: Number, places: int = 1) -> str:
    """Compact size for tiles and axes: `1.2M`, `1,2 Mio.`; below 1,000 the plain number."""
    exact = _exact(value)
    if exact is None:
        return MISSING
    if abs(exact) < 1000:
        return quantity(exact, places)
    steps = COMPACT[current().locale]
    largest = next((i for i in reversed(range(len(steps))) if abs(exact) >= 10 ** steps[i][0]), -1)
    # Rounding may reach the next step: 999,950 is 1M, not 1000K.
    for i in range(largest, len(steps)):
        exponent, suffix = steps[i] if i >= 0 else (0, "")
        scaled = _round(exact.scaleb(-exponent), places)
        is_last = i + 1 >= len(steps)
        if is_last or abs(scaled).scaleb(exponent) < 10 ** steps[i + 1][0]:
            break
    text = quantity(scaled, places)
    return (
        text if abs(scaled) >= 10_000 else text.replace(_symbols(current().locale)[1], "")
    ) + suffix


def win_rate(wins: int | None, n: int | None) -> str:
    """Share of winners with the 95 % Wilson interval: `56% (42–69), n=48`; too few below 10."""
    if wins is None or not n:
        return MISSING
    if n < 10:
        return too_few(n)
    low, high = wilson_interval(wins, n)
    share = percent(Decimal(wins) / n, 0)
    return f"{share} ({number(low * 100, 0)}–{number(high * 100, 0)}), n={number(n, 0)}"


def wilson_interval(wins: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval of a proportion, as fractions in [0, 1]."""
    share = wins / n
    denominator = 1 + z * z / n
    middle = (share + z * z / (2 * n)) / denominator
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / denominator
    return max(0.0, middle - half), min(1.0, middle + half)


def too_few(n: int) -> str:
    """Say that a statistic has too little data."""
    return f"too few ({n})"


# ------------------------------------------------------------------ time


def duration(value: timedelta | float | int | None) -> str:
    """Two units, `3 d 4 h`; under an hour minutes and seconds, `00:41`."""
    if value is None:
        return MISSING
    total = value.total_seconds() if isinstance(value, timedelta) else float(value)
    sign = MINUS if total < 0 else ""
    seconds = int(abs(total))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{sign}{days} d {hours} h" if hours else f"{sign}{days} d"
    if hours:
        return f"{sign}{hours} h {minutes} min" if minutes else f"{sign}{hours} h"
    return f"{sign}{minutes:02d}:{seconds:02d}"


def day(value: date | datetime | None, style: str = "iso") -> str:
    """Calendar date, never shifted by a zone: `2020-03-12`, or with style="medium" the locale's."""
    if value is None:
        return MISSING
    plain = value.date() if isinstance(value, datetime) else value
    if style == "iso":
        return plain.isoformat()
    return format_date(plain, format="medium", locale=_babel(current().locale))


def when(value: datetime | None, time_zone: str | None = None, *, seconds: bool = False) -> str:
    """Moment with its zone: `Mar 12, 2020, 15:42 EST`."""
    if value is None:
        return MISSING
    local = localize(value, time_zone)
    return f"{day(local, 'medium')}, {clock(value, time_zone, seconds=seconds)}"


def clock(value: datetime | None, time_zone: str | None = None, *, seconds: bool = True) -> str:
    """Time of day with its zone: `15:42:10 EST`."""
    if value is None:
        return MISSING
    local = localize(value, time_zone)
    return (
        f"{local:%H:%M:%S} {zone_name(local)}" if seconds else f"{local:%H:%M} {zone_name(local)}"
    )


def ago(value: datetime | None, now: datetime, time_zone: str | None = None) -> str:
    """`2 min ago` within the hour, the moment itself before that."""
    if value is None:
        return MISSING
    seconds = int((now - value).total_seconds())
    if 0 <= seconds < 60:
        return "just now" if seconds < 5 else f"{seconds} s ago"
    if 60 <= seconds < 3600:
        return f"{seconds // 60} min ago"
    return when(value, time_zone)


def localize(value: datetime, time_zone: str | None = None) -> datetime:
    """Move to the given or the active zone; naive values are taken as UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(_zone_or_none(time_zone or current().time_zone) or UTC)


def zone_name(local: datetime) -> str:
    """Abbreviation where the zone has one (`EST`), else the offset (`UTC+03:00`)."""
    name = local.tzname() or ""
    if name.isalpha():
        return name
    offset = local.utcoffset() or timedelta()
    minutes = int(offset.total_seconds() // 60)
    return f"UTC{'+' if minutes >= 0 else MINUS}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def zone_names(time_zone: str, year: int) -> str:
    """Offsets in minutes and their names over a year, for the browser: `-300:EST -240:EDT`."""
    zone = _zone_or_none(time_zone) or ZoneInfo("UTC")
    seen: dict[int, str] = {}
    for month in range(1, 13):
        local = datetime(year, month, 1, 12, tzinfo=zone)
        offset = local.utcoffset() or timedelta()
        seen[int(offset.total_seconds() // 60)] = zone_name(local)
    return " ".join(f"{offset}:{name}" for offset, name in sorted(seen.items()))


# ------------------------------------------------------------------ input


def parse_decimal(text: str, locale: str | None = None) -> Decimal:
    """Read a number typed by a person in this locale or with a dot; refuse what has two readings.

    `1.234,50` and `1234.5` are clear to a German reader, `1.234` is not: it may be either
    one and a bit or one thousand, so the sentence asks.
    """
    code = (locale or current().locale).replace("_", "-")
    decimal_symbol, group = _symbols(code)
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


# ------------------------------------------------------------------ floor


def _exact(value: Number) -> Decimal | None:
    """Convert to Decimal; floats by their shortest text, NaN and infinity as missing."""
    if value is None:
        return None
    if isinstance(value, float):
        return Decimal(repr(value)) if isfinite(value) else None
    try:
        exact = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return exact if exact.is_finite() else None


def _round(value: Decimal, places: int) -> Decimal:
    # Half away from zero, which is what Intl.NumberFormat does ("halfExpand").
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return rounded if rounded else abs(rounded)


def _fixed(value: Decimal, places: int) -> str:
    pattern = "#,##0" + ("." + "0" * places if places else "")
    return format_decimal(
        value, format=pattern, locale=_babel(current().locale), decimal_quantization=False
    )


def _sign(rounded: Decimal) -> str:
    return "+" if rounded > 0 else MINUS if rounded < 0 else ""


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


@lru_cache(maxsize=64)
def _babel(locale: str) -> Locale:
    try:
        return Locale.parse(locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_US")


@lru_cache(maxsize=64)
def _symbols(locale: str) -> tuple[str, str]:
    found = _babel(locale)
    return get_decimal_symbol(found), get_group_symbol(found)


@lru_cache(maxsize=256)
def _currency_pattern(locale: str, places: int) -> str:
    standard = _babel(locale).currency_formats["standard"].pattern.split(";")[0]
    return re.sub(r"0\.00", "0" + ("." + "0" * places if places else ""), standard)


@lru_cache(maxsize=256)
def _percent_pattern(locale: str, places: int) -> str:
    standard = _babel(locale).percent_formats[None].pattern.split(";")[0]
    return re.sub(r"0(?=[^0]*$)", "0" + ("." + "0" * places if places else ""), standard, count=1)


@lru_cache(maxsize=512)
def _zone_or_none(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
