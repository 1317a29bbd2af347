"""A worker's turn at a study: claim a chunk, evaluate it, write it, until nothing is left."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError
from django.db.models import F, QuerySet

from elson.common import jobs
from elson.common.errors import DomainError
from marketdata.types import BarsError
from trading.engine.errors import EngineError
from trading.engine.search import evaluate, tpe_suggest
from trading.engine.search.sampling import TPE_BEST, TPE_NEWEST
from trading.models import Study, Trial
from trading.services.studies.chunks import (
    Chunk,
    TrialOutcome,
    chunk_claim,
    chunk_renew,
    chunk_write,
    parameters_write,
)
from trading.services.studies.progress import announce
from trading.services.studies.renewal import proposal_consider
from trading.services.studies.requests import TASK
from trading.services.studies.setup import StudySetup, score_values, setup_of
from trading.services.studies.verdict import study_judge

logger = structlog.get_logger(__name__)
Clock = Callable[[], dt.datetime]
Status = Study.Status

NOTHING_TO_DO = "NOTHING_TO_DO"
CONTINUES = "CONTINUES"
# A worker hands the study back after this long, so that other people's jobs get their turn.
TURN = dt.timedelta(seconds=45)
# A chunk should last about this long: short enough to lose, long enough that writing is cheap.
CHUNK_SECONDS = 1.0
FIRST_CHUNK = 2
LARGEST_CHUNK = 200
# TPE learns between chunks; a fixed size makes one worker's study repeatable.
TPE_CHUNK = 5
# What the sampler is told of a trial that breaks a constraint: worse than any that does not.
BROKEN = -10.0
LOOK_EVERY = dt.timedelta(seconds=1)


def study_work(*, study_id: int, clock: Clock) -> str:
    """Work on a study for a while; return how the turn ended. Calling it again changes nothing.

    A database that is away is not caught: the leases lapse and the sweeper sends the study again.
    """
    related = ("instrument", "user", "model_version")
    study = Study.objects.select_related(*related).filter(pk=study_id).first()
    if study is None or study.status in (Status.PAUSED, Status.FAILED):
        return NOTHING_TO_DO
    try:
        setup = setup_of(study)
    except (EngineError, BarsError, DomainError) as error:
        return _fail(study, clock(), code=error.code, error=str(error))
    if study.status != Status.RUNNING:
        return _judged(study, setup)
    return _turn(study, setup, clock)


def _turn(study: Study, setup: StudySetup, clock: Clock) -> str:
    began = announced_at = clock()
    size = TPE_CHUNK if study.method == Study.Method.TPE else FIRST_CHUNK
    while True:
        now = clock()
        if now - began > TURN:
            jobs.enqueue(TASK, study_id=study.pk)
            return CONTINUES
        chunk = chunk_claim(study=study, size=size, now=now)
        if chunk is None:
            return _finish(study, setup, clock())
        outcomes = _evaluated(study, setup, chunk, clock)
        ended = clock()
        chunk_write(
            study=study,
            chunk=chunk,
            outcomes=outcomes,
            n_bars=setup.plan.n_search - setup.plan.start,
            now=ended,
        )
        study.refresh_from_db(fields=["status", "n_done", "n_failed", "n_trials", "judgement"])
        # All workers together speak about once a second.
        if ended - announced_at >= LOOK_EVERY * study.n_workers:
            announce(study)
            announced_at = ended
        if study.status != Status.RUNNING:
            announce(study)
            return _judged(study, setup) if study.status == Status.STOPPED else NOTHING_TO_DO
        if study.method != Study.Method.TPE:
            size = _next_size(len(outcomes), (ended - now).total_seconds())


def _next_size(n_done: int, seconds: float) -> int:
    wanted = int(n_done * CHUNK_SECONDS / max(seconds, 1e-3))
    return min(max(wanted, 1), LARGEST_CHUNK)


def _evaluated(
    study: Study, setup: StudySetup, chunk: Chunk, clock: Clock
) -> Sequence[TrialOutcome]:
    """Evaluate in order; stop early when the study stops or the lease is gone."""
    if study.method == Study.Method.TPE:
        _suggest(study, setup, chunk)
    outcomes: list[TrialOutcome] = []
    looked_at = clock()
    for trial in chunk.trials:
        outcomes.append(_outcome(setup, trial))
        now = clock()
        if now - looked_at < LOOK_EVERY:
            continue
        looked_at = now
        is_running = Study.objects.filter(pk=study.pk, status=Status.RUNNING).exists()
        if not is_running or not chunk_renew(study=study, chunk=chunk, now=now):
            break
    return outcomes


def _outcome(setup: StudySetup, trial: Trial) -> TrialOutcome:
    try:
        params = setup.params(trial.parameters)
        score = evaluate(setup.search_bars, setup.spec, params, setup.plan, setup.config)
    except EngineError as error:
        return TrialOutcome(trial.number, {}, error=str(error))
    except SoftTimeLimitExceeded:
        return TrialOutcome(trial.number, {}, error="It took longer than a worker may spend on it.")
    except DatabaseError:
        raise
    except Exception:
        reference = uuid.uuid4().hex[:12]
        logger.exception("trial_failed", trial_id=trial.pk, reference=reference)
        text = f"Elson made a mistake while running this; the reference is {reference}."
        return TrialOutcome(trial.number, {}, error=text)
    return TrialOutcome(trial.number, score_values(score))


def _suggest(study: Study, setup: StudySetup, chunk: Chunk) -> None:
    """Ask the sampler for those of the chunk that have no parameters yet."""
    empty = [trial for trial in chunk.trials if not trial.parameters]
    if not empty:
        return
    trials = Trial.objects.filter(study=study)
    running = trials.filter(status=Trial.Status.RUNNING).exclude(lease_key=chunk.key)
    asked = running.order_by("number").values_list("parameters", flat=True)
    found = tpe_suggest(
        setup.space,
        seed=study.seed + empty[0].number,
        n_trials=len(empty),
        known=_known(trials.filter(status=Trial.Status.DONE)),
        running=[one for one in asked if one],
    )
    for trial, moving in zip(empty, found, strict=True):
        trial.parameters = moving
    parameters_write(study=study, chunk=chunk)


def _known(done: QuerySet[Trial]) -> list[tuple[dict[str, Any], float]]:
    """Read what the sampler looks at: bounded, so that a late trial costs what an early one did."""
    # Columns, not rows: parsing what each trial showed in every fold would cost more than asking.
    rows = done.values_list("number", "parameters", "objective")
    best = rows.filter(objective__isnull=False).order_by("-objective", "number")[:TPE_BEST]
    newest = rows.order_by("-number")[:TPE_NEWEST]
    found = {number: (parameters, objective) for number, parameters, objective in (*best, *newest)}
    return [
        (parameters, BROKEN if objective is None else objective)
        for _, (parameters, objective) in sorted(found.items())
    ]


def _finish(study: Study, setup: StudySetup, now: dt.datetime) -> str:
    """End the study when every trial is done; otherwise others still hold some."""
    study.refresh_from_db(fields=["status", "n_done", "n_failed", "n_trials"])
    if study.status != Status.RUNNING or study.n_done < study.n_trials:
        announce(study)
        return NOTHING_TO_DO
    judgement = study_judge(study=study, setup=setup)
    # Trials may have been added while it was judged; then it goes on instead.
    ended = Study.objects.filter(pk=study.pk, status=Status.RUNNING, n_done=F("n_trials")).update(
        status=Status.SUCCEEDED, finished_at=now, judgement=judgement
    )
    study.refresh_from_db()
    announce(study)
    if not ended and study.status == Status.RUNNING:
        jobs.enqueue(TASK, study_id=study.pk)
    if ended and study.parent_id is not None:
        proposal_consider(study=study, setup=setup, now=now)
    return str(study.status)


def _judged(study: Study, setup: StudySetup) -> str:
    """Judge a study that was stopped with the trials it has."""
    study.refresh_from_db()
    if study.judgement is None or study.judgement.get("n_done") != study.n_done:
        judgement = study_judge(study=study, setup=setup)
        Study.objects.filter(pk=study.pk).exclude(status=Status.RUNNING).update(judgement=judgement)
        study.refresh_from_db()
        announce(study)
    return str(study.status)


def _fail(study: Study, now: dt.datetime, *, code: str, error: str) -> str:
    changed = Study.objects.filter(pk=study.pk, status=Status.RUNNING).update(
        status=Status.FAILED, finished_at=now, error_code=code[:60], error=error
    )
    study.refresh_from_db()
    if changed:
        announce(study)
    return str(study.status)
