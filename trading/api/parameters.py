"""Query parameters: known ones read, anything else refused by name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import overload

from rest_framework.request import Request

from elson.common.api import BadRequest, moment_of
from elson.common.formatting import parse_whole

PAGING = ("cursor", "page_size")


def parameters_known(request: Request, *names: str) -> None:
    """Raise BadRequest for the first parameter nobody reads."""
    for name in request.query_params:
        if name not in names:
            raise BadRequest(
                "UNKNOWN_PARAMETER",
                f"There is no parameter {name[:80]!r} here; there are {', '.join(sorted(names))}.",
                field=name[:80],
            )


def choice_read(request: Request, name: str, offered: Collection[str]) -> str:
    """Read one of the offered values, "" when it is not given."""
    value = request.query_params.get(name, "")
    if value and value not in offered:
        shown = ", ".join(item for item in offered if item)
        raise BadRequest(
            f"INVALID_{name.upper()}", f"{name} {value[:40]!r} is not one of {shown}.", field=name
        )
    return value


@overload
def count_read(request: Request, name: str, *, default: int, most: int) -> int: ...
@overload
def count_read(request: Request, name: str, *, most: int) -> int | None: ...
def count_read(request: Request, name: str, *, default: int | None = None, most: int) -> int | None:
    """Read a number from 1 up; more than `most` is `most`."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    number = parse_whole(text)
    if not number:
        raise BadRequest(
            f"INVALID_{name.upper()}", f"{name} {text[:20]!r} is not a number of 1 or more.",
            field=name,
        )  # fmt: skip
    return min(number, most)


def offset_read(request: Request, name: str) -> int:
    """Read how many rows to leave out, 0 unless given."""
    text = request.query_params.get(name, "")
    number = parse_whole(text) if text else 0
    if number is None:
        raise BadRequest(
            f"INVALID_{name.upper()}", f"{name} {text[:20]!r} is not a number of 0 or more.",
            field=name,
        )  # fmt: skip
    return number


def ids_read(request: Request, name: str, *, fewest: int, most: int) -> list[int]:
    """Read numbers parted by commas, each once; their count must lie within the bounds."""
    parts = [part.strip() for part in request.query_params.get(name, "").split(",")]
    numbers = [parse_whole(part) for part in parts]
    found = list(dict.fromkeys(number for number in numbers if number is not None))
    if None in numbers or not fewest <= len(found) <= most:
        raise BadRequest(
            f"INVALID_{name.upper()}",
            f"{name} must be {fewest} to {most} different numbers parted by commas.",
            field=name,
        )
    return found


def day_read(request: Request, name: str) -> dt.date:
    """Read a day that must be given, like 2015-01-31."""
    text = request.query_params.get(name, "")
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(
            f"INVALID_{name.upper()}", f"{name} {text[:20]!r} is not a day like 2015-01-31.",
            field=name,
        ) from error  # fmt: skip


def moment_read(request: Request, name: str) -> dt.datetime | None:
    """Read an ISO 8601 time that may be left out, None then."""
    text = request.query_params.get(name, "")
    return moment_of(text, name) if text else None
