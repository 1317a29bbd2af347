from __future__ import annotations

from elson.celery import app
from elson.schedule import SCHEDULE


def test_every_scheduled_job_is_a_registered_task():
    app.autodiscover_tasks(force=True)
    app.autodiscover_tasks(["elson.common"], force=True)

    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)
