"""Incidents: opened by the first failing check, resolved by the first passing one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import structlog
from django.db import IntegrityError, transaction

from monitoring.checks import Finding, readiness_check
from monitoring.models import Incident
from monitoring.selectors import outbox_overview, replay_overview

logger = structlog.get_logger(__name__)
_OUTBOX_LATE = dt.timedelta(seconds=60)
_REPLAY_LATE = dt.timedelta(seconds=90)


def checks_run(*, now: dt.datetime) -> list[Finding]:
    """Look at everything once; open an incident for what fails, resolve those that pass again."""
    findings = [*readiness_check(now=now).findings, *_queue_findings(now)]
    incidents_update(findings=findings, now=now)
    return findings


def incidents_update(*, findings: Iterable[Finding], now: dt.datetime) -> None:
    """Bring the incidents in line with what was found; a second call changes nothing."""
    for finding in findings:
        if finding.is_ok:
            _resolve(finding, now)
        else:
            _open(finding, now)


def _open(finding: Finding, now: dt.datetime) -> None:
    try:
        with transaction.atomic():
            incident, is_new = Incident.objects.get_or_create(
                check_key=finding.key,
                state=Incident.State.OPEN,
                defaults={"title": finding.title, "detail": finding.detail, "opened_at": now},
            )
    except IntegrityError:  # another process opened it in the same moment
        return
    if is_new:
        logger.error("incident_opened", check=finding.key, detail=finding.detail)
    elif incident.detail != finding.detail:
        incident.detail = finding.detail
        incident.save(update_fields=["detail", "updated_at"])


def _resolve(finding: Finding, now: dt.datetime) -> None:
    n_resolved = Incident.objects.filter(check_key=finding.key, state=Incident.State.OPEN).update(
        state=Incident.State.RESOLVED, resolved_at=now, updated_at=now
    )
    if n_resolved:
        logger.info("incident_resolved", check=finding.key)


def _queue_findings(now: dt.datetime) -> list[Finding]:
    outbox = outbox_overview()
    late = outbox.oldest_at is not None and now - outbox.oldest_at > _OUTBOX_LATE
    replays = replay_overview()
    stuck = replays.oldest_step_at is not None and now - replays.oldest_step_at > _REPLAY_LATE
    return [
        Finding(
            "outbox", "Jobs reach the queue", not late,
            detail=f"{outbox.n_waiting} wait, the oldest since {outbox.oldest_at}" if late else "",
        ),
        Finding(
            "replays", "Replays move", not stuck,
            detail=f"the slowest last moved at {replays.oldest_step_at}" if stuck else "",
        ),
    ]  # fmt: skip
