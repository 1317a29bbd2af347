"""Telling everybody who watches a study where it stands; the rows are the truth."""

from __future__ import annotations

from typing import Any

from trading import broadcast
from trading.models import Study
from trading.selectors.studies import study_pace


def announce(study: Study) -> None:
    """Send the progress once the transaction commits."""
    broadcast.study_progress(study_id=study.pk, values=progress_values(study))


def progress_values(study: Study) -> dict[str, Any]:
    """Return what the page, the socket and the API show of a study's progress."""
    pace = study_pace(study)
    is_running = study.status == Study.Status.RUNNING
    return {
        "id": study.pk,
        "status": str(study.status),
        "n_trials": study.n_trials,
        "n_done": study.n_done,
        "n_failed": study.n_failed,
        "progress": round(study.n_done / study.n_trials, 4) if study.n_trials else 0.0,
        "trials_per_second": pace.trials_per_second if is_running else None,
        "seconds_left": pace.seconds_left if is_running else None,
        "is_judged": study.judgement is not None,
        "error": study.error or None,
    }
