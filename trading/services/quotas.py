"""What a plan allows on one day, counted in UTC."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DayQuota:
    """What was used of a day's allowance, and when the next begins."""

    n_used: int
    per_day: int
    resets_at: dt.datetime

    @property
    def n_left(self) -> int:
        """Left today, never below 0."""
        return max(self.per_day - self.n_used, 0)


def day_of(now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return the beginning of the day in UTC, and that of the next."""
    midnight = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight, midnight + dt.timedelta(days=1)
