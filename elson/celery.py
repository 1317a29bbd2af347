"""The Celery application: workers find every app's tasks and the whole schedule here."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elson.settings.development")

app = Celery("elson")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["elson.common"])


@signals.worker_process_init.connect
@signals.beat_embedded_init.connect
def _die_with_worker(**_: Any) -> None:
    """Let no pool or beat process outlive a worker that was killed outright."""
    from elson.serving.processes import die_with_parent

    die_with_parent()


@signals.worker_ready.connect
def _begin_heartbeat(**_: Any) -> None:
    from elson.common.beats import HeartbeatThread
    from elson.common.models import Component

    _beats.append(HeartbeatThread(Component.WORKER))
    _beats[-1].start()


@signals.worker_shutting_down.connect
def _end_heartbeat(**_: Any) -> None:
    for beat in _beats:
        beat.stop()


_beats: list[Any] = []
