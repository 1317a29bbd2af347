"""Judging a study by everything its trials showed and everything ever tried."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from trading.engine.search import Judgement, judge
from trading.engine.search.judgement import ScoredTrial
from trading.models import Study, Trial
from trading.selectors.studies import trials_counted
from trading.services.backtests.statistics import plain
from trading.services.studies.setup import SCORED, StudySetup, scored_of


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
