"""Days, moments and durations as text, with the zone they are told in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

from elson.common.formatting.reader import (
    MINUS,
    MISSING,
    babel_locale,
    current,
    zone_or_none,
)


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
    return format_date(plain, format="medium", locale=babel_locale(current().locale))


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
    return aware.astimezone(zone_or_none(time_zone or current().time_zone) or UTC)


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
    zone = zone_or_none(time_zone) or ZoneInfo("UTC")
    seen: dict[int, str] = {}
    for month in range(1, 13):
        local = datetime(year, month, 1, 12, tzinfo=zone)
        offset = local.utcoffset() or timedelta()
        seen[int(offset.total_seconds() // 60)] = zone_name(local)
    return " ".join(f"{offset}:{name}" for offset, name in sorted(seen.items()))
