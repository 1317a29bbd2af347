"""Market data in a few numbers, for monitoring and staff."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Min

from marketdata.models import ReplaySession


@dataclass(frozen=True)
class ReplayOverview:
    """How many replays run, and when the slowest of them last moved (wall clock)."""

    n_running: int
    oldest_step_at: dt.datetime | None


def replay_overview() -> ReplayOverview:
    """Count the running replays."""
    found = ReplaySession.objects.filter(state=ReplaySession.State.RUNNING).aggregate(
        n=Count("pk"), oldest=Min("advanced_at")
    )
    return ReplayOverview(n_running=found["n"], oldest_step_at=found["oldest"])
