"""Elson's own gauges for Prometheus, read from the rows when somebody asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import structlog
from django.db import DatabaseError
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from monitoring.selectors import heartbeat_newest, today_get

logger = structlog.get_logger(__name__)


class ElsonCollector(Collector):
    """Queues, replays, incidents and the age of each component's last sign of life."""

    def __init__(self, clock: Callable[[], dt.datetime]) -> None:
        self._clock = clock

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing in advance: registering must not touch the database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read the gauges; without a database only that fact is told."""
        now = self._clock()
        try:
            today, beats = today_get(now=now), heartbeat_newest()
        except DatabaseError as error:
            logger.warning("metrics_without_database", error=str(error))
            yield GaugeMetricFamily("elson_database_up", "1 when the database answers", value=0)
            return
        for name, text, value in (
            ("database_up", "1 when the database answers", 1),
            ("outbox_waiting", "jobs written and not yet sent", today.outbox.n_waiting),
            ("replays_running", "replays that move", today.replays.n_running),
            ("backtests_queued", "backtests that wait", today.trading.n_backtests_queued),
            ("backtests_running", "backtests at work", today.trading.n_backtests_running),
            ("backtests_failed_today", "failed since midnight", today.trading.n_backtests_failed),
            ("deployments_running", "strategies at work", today.trading.n_deployments_running),
            ("incidents_open", "incidents that are open", len(today.incidents)),
            ("signups_today", "people who signed up since midnight UTC", today.n_signups),
        ):
            yield GaugeMetricFamily(f"elson_{name}", text, value=value)
        ages = GaugeMetricFamily(
            "elson_heartbeat_age_seconds", "seconds since the last beat", labels=["component"]
        )
        for component, beaten_at in beats.items():
            ages.add_metric([component.lower()], (now - beaten_at).total_seconds())
        yield ages
