"""How the current reader wants numbers and times written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.numbers import get_decimal_symbol, get_group_symbol

MISSING: Final = "—"
MASKED: Final = "•••••"
MINUS: Final = "\u2212"
DEFAULT_LOCALE: Final = "en-US"
DEFAULT_TIME_ZONE: Final = "UTC"
LOCALES: Final = ("en-US", "en-GB", "de-DE", "fr-FR", "ja-JP")


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
            time_zone=time_zone if zone_or_none(time_zone) else DEFAULT_TIME_ZONE,
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


@lru_cache(maxsize=64)
def babel_locale(locale: str) -> Locale:
    try:
        return Locale.parse(locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_US")


@lru_cache(maxsize=64)
def symbols(locale: str) -> tuple[str, str]:
    found = babel_locale(locale)
    return get_decimal_symbol(found), get_group_symbol(found)


@lru_cache(maxsize=512)
def zone_or_none(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
