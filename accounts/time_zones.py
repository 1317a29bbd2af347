"""The time zones a person can choose."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def time_zones() -> frozenset[str]:
    """Return every zone this machine knows; finding them reads hundreds of files."""
    return frozenset(available_timezones())


@cache
def time_zone_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the zones grouped by region for a list to choose from, UTC first."""
    groups: dict[str, list[tuple[str, str]]] = {"": [("UTC", "UTC")]}
    for name in sorted(time_zones()):
        region, _, place = name.partition("/")
        if place and region not in {"Etc", "SystemV"}:
            label = place.replace("_", " ").replace("/", " / ")
            groups.setdefault(region, []).append((name, label))
    return [(region or "General", places) for region, places in groups.items()]
