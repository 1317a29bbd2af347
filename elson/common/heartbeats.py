"""Signs of life: every long-running process writes one row, monitoring reads them."""

from __future__ import annotations

import datetime as dt
import os
import socket
from typing import Any

from elson.common.models import Component, Heartbeat

# A process is thought dead after three missed beats.
BEAT_SECONDS = 5
DEAD_AFTER_SECONDS = 3 * BEAT_SECONDS


def process_name() -> str:
    """Name of this process in its heartbeat: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"[-80:]


def heartbeat_beat(*, component: Component, now: dt.datetime, detail: dict[str, Any]) -> None:
    """Say that this process is alive at `now`."""
    Heartbeat.objects.update_or_create(
        component=component,
        process=process_name(),
        defaults={"beaten_at": now, "detail": detail},
    )


def heartbeat_end(*, component: Component) -> None:
    """Take this process's row away: it stops on purpose."""
    Heartbeat.objects.filter(component=component, process=process_name()).delete()


def heartbeats_forget(*, now: dt.datetime) -> int:
    """Remove processes that have been silent for a day; return how many."""
    deleted, _ = Heartbeat.objects.filter(beaten_at__lt=now - dt.timedelta(days=1)).delete()
    return deleted
