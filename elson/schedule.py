"""Everything that happens by the clock, in one table; UTC, each line with its time in words."""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    # Every 5 seconds: jobs whose writer died before sending them.
    "jobs-sweep": {"task": "common.jobs_sweep", "schedule": 5.0},
    # Every 10 seconds: backtests whose worker died are taken over.
    "backtests-sweep": {"task": "trading.backtests_sweep", "schedule": 10.0},
    # Every 10 seconds: optimizations whose workers died are sent again.
    "studies-sweep": {"task": "trading.studies_sweep", "schedule": 10.0},
    # Every hour: optimizations that are to be repeated and have newer bars.
    "studies-repeat": {"task": "trading.studies_repeat", "schedule": 3600.0},
    # Every 10 seconds: trainings whose worker died are sent again; the first one is asked for.
    "trainings-sweep": {"task": "trading.trainings_sweep", "schedule": 10.0},
    # Every 5 minutes: predictions of models get their outcomes.
    "predictions-resolve": {"task": "trading.predictions_resolve", "schedule": 300.0},
    # Every hour: drift of the models in use is measured.
    "drift-check": {"task": "trading.drift_check", "schedule": 3600.0},
    # Every hour: a challenger is trained where drift or newer prices give a reason.
    "retraining-check": {"task": "trading.retraining_check", "schedule": 3600.0},
    # Every minute: checks of every component open and close incidents.
    "checks-run": {"task": "monitoring.checks_run", "schedule": 60.0},
    # Every hour: rows of jobs sent more than a week ago are deleted.
    "jobs-forget": {"task": "common.jobs_forget", "schedule": 3600.0},
    # Every hour: processes that are long gone are forgotten.
    "heartbeats-forget": {"task": "common.heartbeats_forget", "schedule": 3600.0},
}
