"""What a plan allows: on one day, counted in UTC, and strategies at work at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from accounts.selectors import entitlement_value
from trading.models import Deployment


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningQuota:
    """How many strategies are at work, paused ones too, and how many may be."""

    n_running: int
    at_once: int

    @property
    def n_left(self) -> int:
        """More that may be put to work, never below 0."""
        return max(self.at_once - self.n_running, 0)


def running_quota(*, user: Any, now: dt.datetime) -> RunningQuota:
    """Count what a person has at work, in portfolios that are not put away."""
    at_work = Deployment.objects.filter(portfolio__user=user, portfolio__is_archived=False)
    return RunningQuota(
        n_running=at_work.exclude(status=Deployment.Status.STOPPED).count(),
        at_once=entitlement_value(user, "strategies.running", now=now),
    )


def day_of(now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return the beginning of the day in UTC, and that of the next."""
    midnight = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight, midnight + dt.timedelta(days=1)
