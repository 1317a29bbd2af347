"""The Celery application: workers find every app's tasks and the whole schedule here."""

from __future__ import annotations

import os
from typing import Any

import structlog
from celery import Celery, signals

from elson.common.memory import LoadedModules

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


@signals.worker_process_init.connect
def _keep_freed_memory(**_: Any) -> None:
    """Let a pool process keep the memory of one trial for the next."""
    from elson.common.memory import freed_memory_keep

    freed_memory_keep()


@signals.worker_process_init.connect
def _limit_threads(**_: Any) -> None:
    """Let a pool process compute in one thread: there is a process for each core."""
    from elson.common.threads import library_threads_limit

    library_threads_limit()


@signals.task_prerun.connect
def _bind_log(task: Any = None, task_id: str = "", **_: Any) -> None:
    """Carry the id of the request that caused the job into the job's log lines."""
    request_id = (getattr(task.request, "headers", None) or {}).get("request_id") or task_id
    structlog.contextvars.bind_contextvars(request_id=request_id, task=task.name, task_id=task_id)


@signals.task_postrun.connect
def _unbind_log(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()


@signals.task_postrun.connect
def _set_loaded_aside(**_: Any) -> None:
    """Pay between two tasks for what a task has loaded, not in the middle of the next one."""
    _loaded.set_aside()


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
_loaded = LoadedModules()
