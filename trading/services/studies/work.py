"""A worker's turn at a study: claim a chunk, evaluate it, write it, until nothing is left."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from billiard.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet

from elson.common import jobs
from elson.common.errors import Conflict, DomainError
from marketdata.types import BarsError
from trading.engine.errors import EngineError
from trading.engine.search import evaluate, tpe_suggest
from trading.engine.search.sampling import TPE_BEST, TPE_NEWEST, Moving
from trading.models import Study, StudyChunk, Trial
from trading.services.studies.chunks import (
    Chunk,
    TrialOutcome,
    chunk_claim,
    chunk_renew,
    chunk_suggested,
    chunk_write,
)
from trading.services.studies.drawing import trials_drawn
from trading.services.studies.holdout import holdout_lock
from trading.services.studies.progress import announce
from trading.services.studies.renewal import candidate_of, proposal_store
from trading.services.studies.requests import TASK
from trading.services.studies.setup import StudySetup, score_values, setup_of
from trading.services.studies.tried import Tried
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


class Hold:
    """Keeps the lease of a chunk while its trials are evaluated, bar by bar where a run tells."""

    def __init__(self, study: Study, chunk: Chunk, clock: Clock) -> None:
        self.chunk = chunk
        self.slowest_seconds = 0.0
        self._study, self._clock = study, clock
        self._began_at = self._looked_at = clock()
        self._is_held = self._is_running = True

    def within(self, phase: str, share: float) -> None:
        """Renew while a trial runs; called every few hundred bars."""
        self._look(self._clock())

    def after_trial(self) -> bool:
        """Renew between two trials; False when no further one is to begin."""
        now = self._clock()
        self.slowest_seconds = max(self.slowest_seconds, (now - self._began_at).total_seconds())
        self._began_at = now
        self._look(now)
        return self._is_held and self._is_running

    def _look(self, now: dt.datetime) -> None:
        if not self._is_held or now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        mine = Study.objects.filter(pk=self._study.pk, status=Status.RUNNING)
        self._is_running = mine.exists()
        self._is_held = chunk_renew(study=self._study, chunk=self.chunk, now=now)


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
    is_tpe = study.method == Study.Method.TPE
    size = TPE_CHUNK if is_tpe else FIRST_CHUNK
    drawn: Sequence[Moving] = ()
    tried = Tried(study, setup.space)
    is_idle = True
    while True:
        now = clock()
        if now - began > TURN:
            jobs.enqueue(TASK, study_id=study.pk)
            return CONTINUES
        n_sharing = 1 if is_tpe else study.n_workers
        chunk = chunk_claim(study=study, size=size, now=now, n_sharing=n_sharing)
        # All workers together speak about once a second.
        if now - announced_at >= LOOK_EVERY * study.n_workers:
            announce(study)
            announced_at = now
        if chunk is None:
            # Sent for nothing but the verdict: whoever should have given it fell silent.
            return _turn_end(study, setup, clock, is_last=is_idle)
        if not chunk.parameters:
            try:
                if is_tpe:
                    _suggest(study, setup, chunk, tried)
                else:
                    drawn = _draw(study, setup, chunk, drawn)
            except (EngineError, DomainError) as error:
                return _fail(study, clock(), code=error.code, error=str(error))
        hold = Hold(study, chunk, clock)
        outcomes = _evaluated(setup, hold)
        ended = clock()
        is_idle = False
        n_written = chunk_write(
            study=study,
            chunk=chunk,
            outcomes=outcomes,
            n_bars=setup.plan.n_search - setup.plan.start,
            now=ended,
            slowest_seconds=hold.slowest_seconds,
        )
        if n_written and study.n_done >= study.n_trials:
            return _turn_end(study, setup, clock, is_last=True)
        if not is_tpe:
            size = _next_size(len(outcomes), (ended - now).total_seconds())


def _next_size(n_done: int, seconds: float) -> int:
    wanted = int(n_done * CHUNK_SECONDS / max(seconds, 1e-3))
    return min(max(wanted, 1), LARGEST_CHUNK)


def _draw(
    study: Study, setup: StudySetup, chunk: Chunk, drawn: Sequence[Moving]
) -> Sequence[Moving]:
    """Give a chunk its parameters; return what was drawn so far, for the next one."""
    if chunk.last > len(drawn):
        drawn = _drawn(study, setup)
    chunk.parameters = list(drawn[chunk.first - 1 : chunk.last])
    return drawn


def _drawn(study: Study, setup: StudySetup) -> Sequence[Moving]:
    """Draw every combination, or refuse when the numbers would not mean what they meant before.

    The newest trial stands for all before it: what moves one of them moves the later ones too.
    """
    drawn = trials_drawn(setup.space, method=study.method, seed=study.seed, n_trials=study.n_trials)
    newest = Trial.objects.filter(study=study).order_by("-number").values("number", "parameters")
    is_same = len(drawn) == study.n_trials
    for trial in newest[:1]:
        is_same = is_same and drawn[trial["number"] - 1] == trial["parameters"]
    if not is_same:
        raise Conflict(
            "SPACE_CHANGED",
            f"The rules of {study.strategy_key} have changed since optimization #{study.pk} was "
            "asked for: its trials would be other combinations; ask for it again.",
        )
    return drawn


def _evaluated(setup: StudySetup, hold: Hold) -> Sequence[TrialOutcome]:
    """Evaluate in order; stop early when the study stops or the lease is gone."""
    told = replace(setup, config=replace(setup.config, progress=hold.within))
    outcomes: list[TrialOutcome] = []
    for number, moving in enumerate(hold.chunk.parameters, start=hold.chunk.first):
        outcomes.append(_outcome(told, number, moving))
        if not hold.after_trial():
            break
    return outcomes


def _outcome(setup: StudySetup, number: int, moving: Mapping[str, Any]) -> TrialOutcome:
    try:
        score = evaluate(
            setup.search_bars, setup.spec, setup.params(moving), setup.plan, setup.config
        )
    except EngineError as error:
        return TrialOutcome(number, moving, {}, error=str(error))
    except SoftTimeLimitExceeded:
        text = "It took longer than a worker may spend on it."
        return TrialOutcome(number, moving, {}, error=text)
    except DatabaseError:
        raise
    except Exception:
        reference = uuid.uuid4().hex[:12]
        logger.exception("trial_failed", trial=number, reference=reference)
        text = f"Elson made a mistake while running this; the reference is {reference}."
        return TrialOutcome(number, moving, {}, error=text)
    key = setup.evaluation.key(setup.params(moving))
    return TrialOutcome(number, moving, score_values(score), key=key)


def _suggest(study: Study, setup: StudySetup, chunk: Chunk, tried: Tried) -> None:
    """Ask the sampler for the chunk."""
    others = StudyChunk.objects.filter(study=study).exclude(lease_key=chunk.key)
    asked = others.order_by("first").values_list("parameters", flat=True)
    # Running trials are read before finished ones: what finishes in between is in both.
    running = [moving for parameters in asked for moving in parameters]
    tried.read(running)
    found = tpe_suggest(
        setup.space,
        seed=study.seed + chunk.first,
        n_trials=chunk.n_trials,
        known=_known(Trial.objects.filter(study=study, status=Trial.Status.DONE), tried),
        running=running,
        tried=tried,
    )
    chunk_suggested(study=study, chunk=chunk, parameters=found)


def _known(done: QuerySet[Trial], tried: Tried) -> list[tuple[Moving, float]]:
    """Read what the sampler looks at: bounded, so that a late trial costs what an early one did."""
    rows = done.values_list("number", "objective")
    best = rows.filter(objective__isnull=False).order_by("-objective", "number")[:TPE_BEST]
    newest = rows.order_by("-number")[:TPE_NEWEST]
    found = dict(sorted((*best, *newest)))
    movings = tried.movings(found)
    return [
        (movings[number], BROKEN if objective is None else objective)
        for number, objective in found.items()
    ]


def _turn_end(study: Study, setup: StudySetup, clock: Clock, *, is_last: bool) -> str:
    """Find nothing to take: another worker's chunks are left, or the verdict, or it was halted."""
    if study.status == Status.STOPPED:
        announce(study)
        return _judged(study, setup)
    if study.status == Status.RUNNING and is_last and study.n_done >= study.n_trials:
        return _finish(study, setup, clock)
    announce(study)
    return NOTHING_TO_DO


def _finish(study: Study, setup: StudySetup, clock: Clock) -> str:
    """Judge a study whose trials are all done, and end it together with what it proposes."""
    judgement = study_judge(study=study, setup=setup)
    candidate = candidate_of(study=study, setup=setup, judgement=judgement)
    now = clock()
    with transaction.atomic():
        if candidate is not None:
            holdout_lock(study)
        # Trials may have been added while it was judged; then it goes on instead.
        mine = Study.objects.filter(pk=study.pk, status=Status.RUNNING, n_done=F("n_trials"))
        ended = mine.update(status=Status.SUCCEEDED, finished_at=now, judgement=judgement)
        study.refresh_from_db()
        if ended and candidate is not None:
            proposal_store(study=study, setup=setup, candidate=candidate, now=now)
    announce(study)
    if not ended and study.status == Status.RUNNING:
        jobs.enqueue(TASK, study_id=study.pk)
    return str(study.status)


def _judged(study: Study, setup: StudySetup) -> str:
    """Judge a study that was stopped with the trials it has."""
    study.refresh_from_db()
    if study.judgement is None or study.judgement.get("n_done") != study.n_done:
        judgement = study_judge(study=study, setup=setup)
        # A worker that wrote trials meanwhile judges them too; its verdict is not to be replaced.
        Study.objects.filter(pk=study.pk, n_done=judgement["n_done"]).exclude(
            status=Status.RUNNING
        ).update(judgement=judgement)
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
