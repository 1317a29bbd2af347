"""Judging a study, and opening its hold-out, once."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any

from django.db import transaction

from elson.common.errors import Conflict
from trading.engine.errors import EngineError
from trading.engine.search import Judgement, holdout_run, judge
from trading.engine.search.judgement import ScoredTrial
from trading.models import Study, Trial
from trading.selectors.studies import trial_get, trials_counted
from trading.services.backtests.statistics import plain
from trading.services.studies.progress import announce
from trading.services.studies.setup import SCORED, StudySetup, scored_of, setup_of


class HoldoutAlreadyOpened(Conflict):
    """The hold-out was opened before; its result stands."""


class HoldoutTooEarly(Conflict):
    """Trials are still being made."""


def study_judge(*, study: Study, setup: StudySetup) -> dict[str, Any]:
    """Judge the finished trials with everything ever tried of this family; plain JSON."""
    found = judgement_of(study=study, setup=setup)
    return {**plain(asdict(found)), "n_done": study.n_done}


def judgement_of(*, study: Study, setup: StudySetup) -> Judgement:
    """Judge the finished trials as they stand now."""
    counted = trials_counted(
        user_id=study.user_id,
        strategy_key=study.strategy_key,
        instrument_id=study.instrument_id,
    )
    return judge(
        setup.space,
        setup.plan,
        trials_scored(study),
        bars_per_year=setup.bars.bars_per_year,
        n_trials_counted=counted.n_trials,
        sharpe_std=counted.sharpe_std,
        returns_of=setup.returns_of,
    )


def trials_scored(study: Study) -> list[ScoredTrial]:
    """Read all finished trials of a study."""
    rows = Trial.objects.filter(study=study, status=Trial.Status.DONE).order_by("number")
    return [scored_of(row) for row in rows.values_list(*SCORED).iterator(chunk_size=2_000)]


@transaction.atomic
def holdout_open(*, study: Study, number: int, now: dt.datetime) -> Study:
    """Run one trial on the bars no search has seen. It opens once; who, when and what is kept.

    Raises HoldoutAlreadyOpened the second time and HoldoutTooEarly while trials are made.
    """
    row = (
        Study.objects.select_for_update(of=("self",)).select_related("instrument").get(pk=study.pk)
    )
    if row.holdout_opened_at is not None:
        raise HoldoutAlreadyOpened(
            "HOLDOUT_OPENED",
            f"The hold-out of study #{row.pk} was opened on {row.holdout_opened_at:%Y-%m-%d} "
            f"for trial {row.holdout_trial}.",
        )
    if row.status not in (Study.Status.SUCCEEDED, Study.Status.STOPPED):
        raise HoldoutTooEarly(
            "HOLDOUT_TOO_EARLY", f"Study #{row.pk} is {row.status}; stop it or let it end first."
        )
    trial = trial_get(row, number)
    setup = setup_of(row)
    try:
        found = holdout_run(
            setup.bars, setup.spec, setup.params(trial.parameters), setup.plan, setup.config
        )
    except EngineError as error:
        raise Conflict(error.code.upper(), str(error)) from error
    row.holdout_opened_at = now
    row.holdout_trial = number
    row.holdout = plain(asdict(found))
    row.save(update_fields=["holdout_opened_at", "holdout_trial", "holdout", "updated_at"])
    announce(row)
    return row
