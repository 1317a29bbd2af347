"""Asking for a study, and pausing, resuming, stopping and extending it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q

from accounts.selectors import entitlement_value
from elson.common import jobs
from elson.common.errors import Conflict, DomainError, Forbidden, TooMany
from marketdata.selectors import coverage_get, instrument_get
from trading.engine.errors import EngineError
from trading.engine.search import space_from
from trading.engine.search.judgement import luck_warning
from trading.engine.strategies import strategy_get
from trading.models import Study
from trading.selectors import studies as selectors
from trading.services.backtests.loading import bars_between
from trading.services.bindings import version_to_bind
from trading.services.keys import key_check
from trading.services.quotas import DayQuota, day_of
from trading.services.studies.chunks import chunks_add
from trading.services.studies.drafts import MOST_TRIALS, StudyDraft, StudyInvalid
from trading.services.studies.drawing import trials_drawn
from trading.services.studies.progress import announce
from trading.services.studies.setup import plan_of

if TYPE_CHECKING:
    from accounts.models import User
    from marketdata.models import Instrument

TASK = "trading.study_work"
PER_RUN = "optimize.trials_per_run"
PER_DAY = "optimize.runs_per_day"
DAY_USED_UP = "OPTIMIZATIONS_PER_DAY"
SWEEP_AFTER = dt.timedelta(seconds=30)
MOST_REVIVALS = 5
Status = Study.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyQuota(DayQuota):
    """What a person may still search today, and how far."""

    trials_per_run: int

    @property
    def is_locked(self) -> bool:
        """Tell whether the plan has no searches at all."""
        return self.per_day == 0 or self.trials_per_run == 0


def study_quota(*, user: User, now: dt.datetime, is_repeat: bool = False) -> StudyQuota:
    """Read the limits of a person's plan and what requests, or repeats, used of them today."""
    midnight, resets_at = day_of(now)
    usage = selectors.study_usage(user_id=user.pk, since=midnight)
    return StudyQuota(
        n_used=usage.n_repeated if is_repeat else usage.n_requested,
        per_day=entitlement_value(user, PER_DAY, now=now),
        trials_per_run=entitlement_value(user, PER_RUN, now=now),
        resets_at=resets_at,
    )


@transaction.atomic
def study_request(
    *,
    user: User,
    draft: StudyDraft,
    now: dt.datetime,
    client_key: str = "",
    repeat_of: Study | None = None,
) -> Study:
    """Store a study and enqueue its workers; the same key returns the same.

    Raises KeyReused when the key made another search, StudyInvalid when data or space do not carry
    it, Forbidden when the plan has no searches, TooMany when it allows fewer trials or today's are
    used up. Repeats by the clock are counted apart: as many a day again.
    """
    get_user_model().objects.select_for_update().get(pk=user.pk)
    if client_key and (
        found := selectors.study_find_by_key(user_id=user.pk, client_key=client_key)
    ):
        _check_key(found, draft)
        return found
    quota = study_quota(user=user, now=now, is_repeat=repeat_of is not None)
    _check_open(quota)
    _check_trials(quota, draft.n_trials)
    _check_day(quota)
    instrument, end_date = _covered(draft)
    n_trials = _n_trials(draft)
    study = Study(
        user=user,
        instrument=instrument,
        end_date=end_date,
        end_date_asked=draft.base.end_date,
        n_trials=n_trials,
        n_trials_asked=draft.n_trials,
        client_key=client_key,
        model_version=version_to_bind(draft.base.strategy_key),
        parent=repeat_of,
        lease_expires_at=now + SWEEP_AFTER,
        started_at=now,
        note=draft.base.note,
        **_asked(draft),
    )
    _check_plan(study, draft, instrument)
    study.save()
    chunks_add(study=study, first=1, n_trials=n_trials)
    _send(study, study.n_workers)
    return study


@transaction.atomic
def study_pause(*, study: Study) -> Study:
    """Let no new trial begin; what is being evaluated is written. Twice is the same as once."""
    row, _ = _move(study, Status.PAUSED, {Status.RUNNING})
    return row


@transaction.atomic
def study_resume(*, study: Study, now: dt.datetime) -> Study:
    """Go on where it was paused. Twice is the same as once: no more workers than were asked for."""
    row, is_moved = _move(study, Status.RUNNING, {Status.PAUSED})
    if is_moved:
        _wake(row, now)
    return row


@transaction.atomic
def study_retry(*, study: Study, now: dt.datetime) -> Study:
    """Let one that failed go on with the trials it has not made. Twice is the same as once."""
    row, is_moved = _move(study, Status.RUNNING, {Status.FAILED})
    if is_moved:
        row.error_code, row.error, row.finished_at = "", "", None
        row.save(update_fields=["error_code", "error", "finished_at", "updated_at"])
        _wake(row, now)
    return row


@transaction.atomic
def study_stop(*, study: Study, now: dt.datetime) -> Study:
    """End it with the trials that are done; a worker judges them. It can be extended later.

    Twice is the same as once.
    """
    row, is_moved = _move(study, Status.STOPPED, {Status.RUNNING, Status.PAUSED})
    if is_moved:
        row.finished_at, row.lease_expires_at, row.n_revivals = now, now + SWEEP_AFTER, 0
        row.save(update_fields=["finished_at", "lease_expires_at", "n_revivals", "updated_at"])
        _send(row, 1)
    return row


@transaction.atomic
def study_extend(*, study: Study, n_trials: int, now: dt.datetime) -> Study:
    """Go on until there are so many trials in all; the order of the first ones stays.

    Twice is the same as once: with as many as there are nothing changes. Raises StudyInvalid for
    fewer, Conflict once the hold-out was opened or the space is exhausted, TooMany over the plan.
    """
    row = Study.objects.select_for_update(of=("self",)).get(pk=study.pk)
    if n_trials == row.n_trials:
        return row
    if row.holdout_opened_at is not None:
        raise Conflict(
            "HOLDOUT_OPENED",
            f"The hold-out of optimization #{row.pk} was opened; more trials would be chosen "
            "by it.",
        )
    quota = study_quota(user=row.user, now=now)
    if not row.n_trials < n_trials <= MOST_TRIALS:
        text = f"{n_trials:,} trials must lie between the {row.n_trials:,} there are"
        raise StudyInvalid({"n_trials": f"{text} and {MOST_TRIALS:,}."})
    _check_trials(quota, n_trials)
    n_added = _n_added(row, n_trials)
    if n_added < 1:
        raise Conflict(
            "SPACE_EXHAUSTED", f"Every combination of optimization #{row.pk} has been tried."
        )
    chunks_add(study=row, first=row.n_trials + 1, n_trials=n_added)
    was_running = row.status == Status.RUNNING
    row.n_trials += n_added
    row.status = Status.RUNNING
    row.finished_at = None
    row.judgement = None
    row.error_code = row.error = ""
    row.save(
        update_fields=[
            "n_trials", "status", "finished_at", "judgement", "error_code", "error", "updated_at"
        ]
    )  # fmt: skip
    if not was_running:
        _wake(row, now)
    return row


def studies_sweep(*, now: dt.datetime) -> int:
    """Send studies again whose workers fell silent, or never judged them; return how many."""
    is_unjudged = Q(status=Status.STOPPED, judgement__isnull=True)
    due = Study.objects.filter(Q(status=Status.RUNNING) | is_unjudged, lease_expires_at__lt=now)
    return sum(_revive(row, now) for row in due.order_by("pk")[:200])


def study_warning(*, user: User, draft: StudyDraft) -> str:
    """Say before the start what luck alone will show, counting everything tried so far."""
    instrument, end_date = _covered(draft)
    counted = selectors.trials_counted(
        user_id=user.pk, strategy_key=draft.base.strategy_key, instrument_id=instrument.pk
    )
    n_bars = bars_between(instrument, draft.base.timeframe, draft.base.start_date, end_date)
    n_search = max(int(n_bars * (1.0 - draft.holdout_share)), 1)
    per_year = coverage_get(instrument, draft.base.timeframe).bars_per_year
    return luck_warning(counted.n_trials + draft.n_trials, n_search, per_year)


def _check_key(found: Study, draft: StudyDraft) -> None:
    """Compare with what was asked for, not with what became of it."""
    asked = _asked(draft)
    stored = {name: getattr(found, name) for name in asked} | {"symbol": found.instrument.symbol}
    wanted = asked | {"symbol": draft.base.symbol}
    if found.n_trials_asked is not None:
        stored |= {"trials": found.n_trials_asked, "end date": found.end_date_asked}
        wanted |= {"trials": draft.n_trials, "end date": draft.base.end_date}
    key_check(f"optimization #{found.pk}", stored=stored, wanted=wanted)


def _asked(draft: StudyDraft) -> dict[str, Any]:
    base = draft.base
    return {
        "strategy_key": base.strategy_key,
        "timeframe": base.timeframe,
        "start_date": base.start_date,
        "space": draft.space.to_dict(),
        "fixed": dict(draft.space.fixed),
        "method": draft.method,
        "n_folds": draft.n_folds,
        "holdout_share": draft.holdout_share,
        "dispersion_weight": draft.dispersion_weight,
        "fewest_trades": draft.fewest_trades,
        "deepest_drawdown": draft.deepest_drawdown,
        "cash": base.cash,
        "commission_bps": base.commission_bps,
        "slippage_bps": base.slippage_bps,
        "has_regime_costs": base.has_regime_costs,
        "has_usual_slippage": base.has_usual_slippage,
        "seed": base.seed,
        "n_workers": draft.n_workers,
    }


def _n_trials(draft: StudyDraft) -> int:
    """Count the combinations there are to try, at most as many as were asked for."""
    try:
        drawn = trials_drawn(
            draft.space, method=draft.method, seed=draft.base.seed, n_trials=draft.n_trials
        )
    except EngineError as error:
        raise StudyInvalid({"space": str(error)}) from error
    if draft.method == Study.Method.GRID and len(drawn) > draft.n_trials:
        raise StudyInvalid(
            {
                "n_trials": f"The grid has {len(drawn):,} combinations and {draft.n_trials:,} "
                "trials were asked for; allow more trials, use larger steps, or random."
            }
        )
    return len(drawn) or draft.n_trials


def _n_added(study: Study, total: int) -> int:
    if study.method == Study.Method.GRID:
        return 0
    space = space_from(strategy_get(study.strategy_key), study.space, study.fixed)
    drawn = trials_drawn(space, method=study.method, seed=study.seed, n_trials=total)
    return (len(drawn) or total) - study.n_trials


def _covered(draft: StudyDraft) -> tuple[Instrument, dt.date]:
    base = draft.base
    try:
        instrument = instrument_get(base.symbol)
        coverage = coverage_get(instrument, base.timeframe)
    except DomainError as error:
        raise StudyInvalid({error.field or "symbol": error.message}) from error
    last = coverage.last_at.date()
    return instrument, min(base.end_date or last, last)


def _check_plan(study: Study, draft: StudyDraft, instrument: Instrument) -> None:
    n_bars = bars_between(instrument, study.timeframe, study.start_date, study.end_date)
    try:
        plan_of(study, n_bars, draft.space)
    except EngineError as error:
        raise StudyInvalid({"start_date": str(error)}) from error


def _check_open(quota: StudyQuota) -> None:
    if quota.is_locked:
        raise Forbidden(
            "PLAN_WITHOUT_OPTIMIZATION",
            "Your plan has no optimization; Plus has 3 a day with 100 trials each.",
        )


def _check_day(quota: StudyQuota) -> None:
    if quota.n_used >= quota.per_day:
        raise TooMany(
            DAY_USED_UP,
            f"You started {quota.n_used} of {quota.per_day} optimizations today; "
            f"more from {quota.resets_at:%H:%M} UTC.",
            used=quota.n_used,
            limit=quota.per_day,
            resets_at=quota.resets_at.isoformat(),
        )


def _check_trials(quota: StudyQuota, n_trials: int) -> None:
    if n_trials > quota.trials_per_run:
        raise TooMany(
            "TRIALS_PER_RUN",
            f"{n_trials:,} trials are more than the {quota.trials_per_run:,} your plan allows "
            "in one optimization.",
            field="n_trials",
            used=n_trials,
            limit=quota.trials_per_run,
        )


def _move(study: Study, status: str, allowed: set[Any]) -> tuple[Study, bool]:
    """Return the row in its state, and whether it was this call that brought it there."""
    changed = Study.objects.filter(pk=study.pk, status__in=allowed).update(status=status)
    row = Study.objects.select_related("instrument").get(pk=study.pk)
    if not changed and row.status != status:
        now, wanted = (Study.Status(one).label.lower() for one in (row.status, status))
        raise Conflict(
            "STUDY_STATE", f"Optimization #{row.pk} is {now} and cannot become {wanted}."
        )
    announce(row)
    return row, bool(changed)


def _wake(study: Study, now: dt.datetime) -> None:
    Study.objects.filter(pk=study.pk).update(lease_expires_at=now + SWEEP_AFTER, n_revivals=0)
    _send(study, study.n_workers)


def _send(study: Study, n_jobs: int) -> None:
    for _ in range(n_jobs):
        jobs.enqueue(TASK, study_id=study.pk)


@transaction.atomic
def _revive(row: Study, now: dt.datetime) -> bool:
    mine = Study.objects.filter(pk=row.pk, status=row.status, lease_expires_at=row.lease_expires_at)
    if row.n_revivals >= MOST_REVIVALS:
        changed = mine.update(
            status=Status.FAILED,
            finished_at=now,
            error_code="WORKER_LOST",
            error=f"The workers stopped {MOST_REVIVALS} times in a row without finishing a trial.",
        )
        if changed:
            announce(Study.objects.get(pk=row.pk))
        return False
    wait = SWEEP_AFTER * 2**row.n_revivals
    if not mine.update(lease_expires_at=now + wait, n_revivals=row.n_revivals + 1):
        return False
    _send(row, row.n_workers if row.status == Status.RUNNING else 1)
    return True
