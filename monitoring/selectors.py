"""What monitoring shows: the state of every part, incidents, numbers for graphs and staff."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Max, Min, Q

from accounts.models import User
from elson.common.models import Heartbeat, OutboxEvent
from marketdata.selectors.overview import ReplayOverview, replay_overview
from monitoring.models import Incident
from trading.selectors.overview import TradingOverview, trading_overview

INCIDENT_DAYS = 90


@dataclass(frozen=True)
class OutboxOverview:
    """Jobs written and not yet sent."""

    n_waiting: int
    oldest_at: dt.datetime | None


@dataclass(frozen=True)
class Today:
    """The platform since midnight UTC, for the staff index."""

    n_signups: int
    n_users: int
    trading: TradingOverview
    replays: ReplayOverview
    outbox: OutboxOverview
    incidents: list[Incident]


def today_get(*, now: dt.datetime) -> Today:
    """Read the staff index in a handful of queries."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    people = User.objects.filter(is_demo=False).aggregate(
        total=Count("pk"), today=Count("pk", filter=Q(date_joined__gte=midnight))
    )
    return Today(
        n_signups=people["today"],
        n_users=people["total"],
        trading=trading_overview(since=midnight),
        replays=replay_overview(),
        outbox=outbox_overview(),
        incidents=incident_open_list(),
    )


def outbox_overview() -> OutboxOverview:
    """Count the jobs that wait to be sent."""
    waiting = OutboxEvent.objects.filter(sent_at__isnull=True).aggregate(
        n=Count("pk"), oldest=Min("created_at")
    )
    return OutboxOverview(n_waiting=waiting["n"], oldest_at=waiting["oldest"])


def heartbeat_newest() -> dict[str, dt.datetime]:
    """Return component → when any process of it last gave a sign of life."""
    rows = Heartbeat.objects.values("component").annotate(newest=Max("beaten_at"))
    return {row["component"]: row["newest"] for row in rows.order_by("component")}


def incident_open_list() -> list[Incident]:
    """Return what is wrong now, oldest first."""
    return list(Incident.objects.filter(state=Incident.State.OPEN).order_by("opened_at"))


def incident_recent_list(*, now: dt.datetime) -> list[Incident]:
    """Return what was wrong in the last 90 days and is not any more, newest first."""
    since = now - dt.timedelta(days=INCIDENT_DAYS)
    resolved = Incident.objects.filter(state=Incident.State.RESOLVED, resolved_at__gte=since)
    return list(resolved.order_by("-resolved_at")[:20])
