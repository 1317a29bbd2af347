"""Studies, trials and the trial ledger as pages, the API and services read them."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import Avg, Case, Count, Expression, F, IntegerField, Q, QuerySet, When

from elson.common.errors import NotFound
from trading.models import (
    HoldoutLook,
    ParameterSweep,
    Study,
    StudyProposal,
    Trial,
    TrialLedgerEntry,
)
from trading.selectors.experiments import found_by, sorted_by

STATUSES = Study.Status.choices
METHODS = Study.Method.choices
PROPOSAL_STATUSES = StudyProposal.Status.choices
# Reasons of a failure that no request has: the plan's quota does not count these.
OUR_FAULT = ("INTERNAL", "SPACE_CHANGED", "WORKER_LOST")
UNFINISHED = (Study.Status.RUNNING, Study.Status.PAUSED)


def _judged(name: str) -> Expression:
    """Return a figure of the verdict; nothing where there is none or JSON says null."""
    path = f"judgement__{name}"
    return Case(When(Q(judgement__isnull=False) & ~Q(**{path: None}), then=F(path)))


SORTS: dict[str, str | Expression] = {
    "created": "created_at",
    "strategy": "strategy_key",
    "symbol": "instrument__symbol",
    "status": "status",
    "trials": "n_trials",
    # From good to bad: holds up, overfit, nothing ranked.
    "verdict": Case(
        When(judgement__isnull=True, then=None),
        When(judgement__pick=None, then=2),
        When(judgement__is_overfit=True, then=1),
        default=0,
        output_field=IntegerField(),
    ),
    "deflated": _judged("deflated_sharpe"),
    "overfitting": _judged("probability_of_overfitting"),
}
# Columns of the leaderboard people sort by.
TRIAL_SORTS = {
    "number": "number",
    "objective": "objective",
    "in_sample": "in_sample_sharpe",
    "out_of_sample": "out_of_sample_sharpe",
    "gap": "gap",
    "dispersion": "dispersion",
    "trades": "n_trades",
    "drawdown": "max_drawdown",
    "return": "total_return",
}
# What the maps, the ranks and the stable zone are made of.
PLACE = (
    "number", "parameters", "objective", "in_sample_sharpe", "out_of_sample_sharpe", "dispersion",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrialCount:
    """Trials ever made of a strategy on an instrument, and how much their Sharpe ratios spread.

    `sharpe_std` is per bar, 0 for fewer than two trials.
    """

    n_trials: int
    sharpe_std: float


@dataclass(frozen=True, slots=True)
class Span:
    """Closes of the first and the last of some bars."""

    first_at: dt.datetime
    last_at: dt.datetime


@dataclass(frozen=True, slots=True)
class StudyUsage:
    """Searches a person asked for since a moment, and those the clock repeated."""

    n_requested: int
    n_repeated: int


@dataclass(frozen=True, slots=True)
class StudyPace:
    """How fast trials finish, and how long the rest takes; None while nothing can be said."""

    trials_per_second: float | None
    seconds_left: float | None


def trials_counted(
    *, user_id: int, strategy_key: str, instrument_id: int, but: str = ""
) -> TrialCount:
    """Count every backtest, trial and swept combination of this family; nobody can edit them.

    The one whose ledger key is `but` is left out.
    """
    family = {"user_id": user_id, "strategy_key": strategy_key, "instrument_id": instrument_id}
    entries = TrialLedgerEntry.objects.filter(**family).exclude(source_key=but)
    found = entries.aggregate(n=Count("pk"), mean=Avg("bar_sharpe"))
    # SQLite's `StdDev` is Python's, over fractions: a long ledger would take longer than a verdict.
    apart = F("bar_sharpe") - (found["mean"] or 0.0)
    spread = math.sqrt(entries.aggregate(variance=Avg(apart * apart))["variance"] or 0.0)
    groups = [(found["n"], found["mean"] or 0.0, spread)]
    groups += _sweeps_once(family)
    n_trials = sum(n for n, _, _ in groups)
    if n_trials == 0:
        return TrialCount(0, 0.0)
    mean = sum(n * group_mean for n, group_mean, _ in groups) / n_trials
    variance = sum(n * (spread**2 + (m - mean) ** 2) for n, m, spread in groups) / n_trials
    return TrialCount(n_trials, math.sqrt(variance))


def _sweeps_once(family: Mapping[str, Any]) -> list[tuple[int, float, float]]:
    """Return (combinations, mean, spread) of each grid; the same on the same bars is one grid."""
    content = ("data_hash", "cash", "commission_bps", "slippage_bps")
    found = {}
    for row in ParameterSweep.objects.filter(**family).defer("best").order_by("pk"):
        what = [_in_order(row.grid), *(getattr(row, name) for name in content)]
        key = json.dumps(what, sort_keys=True, default=str)
        found[key] = (row.n_combinations, row.sharpe_mean, row.sharpe_spread)
    return list(found.values())


def _in_order(grid: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return a grid as if its values had been asked for in order."""
    return {name: sorted(set(values), key=repr) for name, values in grid.items()}


def holdout_looks(
    *,
    user_id: int,
    instrument_id: int,
    span: Span,
    idea: tuple[str, Mapping[str, Any]] | None = None,
) -> int:
    """Count the ideas this person has looked at on held-out bars of this span, also on some of it.

    An idea is a strategy with its parameters; `idea` itself is not counted.
    """
    rows = HoldoutLook.objects.filter(
        user_id=user_id,
        instrument_id=instrument_id,
        first_at__lte=span.last_at,
        last_at__gte=span.first_at,
    )
    looked = {_idea_text(*row) for row in rows.values_list("strategy_key", "parameters")}
    return len(looked - {_idea_text(*idea)} if idea else looked)


def _idea_text(strategy_key: str, parameters: Mapping[str, Any]) -> str:
    return json.dumps([strategy_key, dict(parameters)], sort_keys=True)


def study_list(
    *,
    user_id: int,
    search: str = "",
    status: str = "",
    sort: str = "-created",
    repeat_of: int | None = None,
) -> QuerySet[Study]:
    """Return a person's studies with their instrument, filtered and sorted."""
    rows = Study.objects.filter(user_id=user_id).select_related("instrument").defer("space")
    if status in Study.Status.values:
        rows = rows.filter(status=status)
    if repeat_of is not None:
        rows = rows.filter(parent_id=repeat_of)
    return sorted_by(found_by(rows, search), sort, SORTS)


def study_get(*, user_id: int, study_id: int) -> Study:
    """Return one study of this person; raises NotFound for unknown and for foreign ones."""
    found = (
        Study.objects.filter(user_id=user_id, pk=study_id)
        .select_related("instrument__venue", "parent", "repeats_for", "model_version")
        .first()
    )
    if found is None:
        raise NotFound("optimization", f"#{study_id}")
    return found


def study_find_by_key(*, user_id: int, client_key: str) -> Study | None:
    """Return the study an earlier request with this Idempotency-Key made."""
    return Study.objects.filter(user_id=user_id, client_key=client_key).first()


def study_usage(*, user_id: int, since: dt.datetime) -> StudyUsage:
    """Count what the quota counts since then.

    One that failed is free only where the platform, not what was asked for, is at fault.
    """
    rows = Study.objects.filter(user_id=user_id, created_at__gte=since)
    found = rows.exclude(error_code__in=OUR_FAULT).aggregate(
        requested=Count("pk", filter=Q(parent=None)), all=Count("pk")
    )
    return StudyUsage(found["requested"], found["all"] - found["requested"])


def study_pace(study: Study, *, n_recent: int = 50) -> StudyPace:
    """Measure the pace over the newest finished trials."""
    # By number, not by time: the index gives the newest without looking at all of them.
    recent = Trial.objects.filter(study=study, status=Trial.Status.DONE).order_by("-number")
    moments = [at for at in recent.values_list("finished_at", flat=True)[:n_recent] if at]
    seconds = (max(moments) - min(moments)).total_seconds() if len(moments) > 1 else 0.0
    if seconds <= 0.0:
        return StudyPace(None, None)
    pace = (len(moments) - 1) / seconds
    return StudyPace(pace, (study.n_trials - study.n_done) / pace)


def usual_trial_seconds(*, strategy_key: str, timeframe: str) -> float | None:
    """Return the time between two trials in the newest searches of these rules, middle one.

    None until a search has made two trials.
    """
    newest = Study.objects.filter(strategy_key=strategy_key, timeframe=timeframe, n_done__gt=1)
    paces = [study_pace(study).trials_per_second for study in newest.order_by("-pk")[:5]]
    known = [1.0 / pace for pace in paces if pace]
    return median(known) if known else None


def trial_list(
    study: Study, *, sort: str = "-objective", best_percent: float = 100.0, failed: bool = False
) -> QuerySet[Any]:
    """Return the finished trials of a study, best first; unranked ones stand at the end."""
    status = Trial.Status.FAILED if failed else Trial.Status.DONE
    # Folds and blocks are some kilobytes a trial, and only the judgement reads them.
    rows = (
        Trial.objects.filter(study=study, status=status)
        .defer("folds", "blocks")
        .annotate(gap=F("in_sample_sharpe") - F("out_of_sample_sharpe"))
    )
    if best_percent < 100.0:
        n_kept = max(math.ceil(study.n_done * best_percent / 100.0), 1)
        ranked = rows.filter(objective__isnull=False).order_by("-objective", "number")
        # As numbers: PostgreSQL, which has no figures of a table just written, would join by loops.
        rows = rows.filter(pk__in=list(ranked.values_list("pk", flat=True)[:n_kept]))
    column = F(TRIAL_SORTS.get(sort.lstrip("-"), "objective"))
    order = column.desc(nulls_last=True) if sort.startswith("-") else column.asc(nulls_last=True)
    return rows.order_by(order, "number")


def trials_ranked(study: Study) -> list[Any]:
    """Return what places every ranked trial among all of them, best first.

    A few values of each, not rows: a search has thousands, and its page shows some dozen.
    """
    rows = Trial.objects.filter(
        study=study, status=Trial.Status.DONE, objective__isnull=False
    ).order_by("-objective", "number")
    return list(rows.values_list(*PLACE, named=True))


def trial_get(study: Study, number: int) -> Trial:
    """Return one finished trial; raises NotFound for one that is not there or not done."""
    found = Trial.objects.filter(study=study, number=number, status=Trial.Status.DONE).first()
    if found is None:
        raise NotFound("finished trial", number)
    return found


def best_so_far(study: Study) -> list[tuple[int, float]]:
    """Return (number, best objective up to it) at every trial that improved on those before."""
    steps: list[tuple[int, float]] = []
    for number, value in (
        Trial.objects.filter(study=study, objective__isnull=False)
        .order_by("number")
        .values_list("number", "objective")
        .iterator()
    ):
        if value is not None and (not steps or value > steps[-1][1]):
            steps.append((number, value))
    return steps


def repeats_list(*, user_id: int) -> QuerySet[Study]:
    """Return the searches of this person that are made again by the clock, newest first."""
    return study_list(user_id=user_id).exclude(repeats_at=None).select_related("repeats_for")


def proposal_list(*, user_id: int, status: str = "") -> QuerySet[StudyProposal]:
    """Return what repeated searches found for this person, newest first; of one status or all."""
    rows = StudyProposal.objects.filter(study__user_id=user_id)
    if status:
        rows = rows.filter(status=status)
    known = ("study__instrument", "strategy", "champion", "version")
    return rows.select_related(*known).defer("study__space").order_by("-pk")


def proposals_open(*, user_id: int) -> QuerySet[StudyProposal]:
    """Return what repeated searches offer this person, newest first."""
    return proposal_list(user_id=user_id, status=StudyProposal.Status.OFFERED)


def proposal_of(study: Study) -> StudyProposal | None:
    """Return what this repeated search proposed or withheld; None where it proposed nothing."""
    known = ("strategy", "champion", "version")
    return StudyProposal.objects.filter(study=study).select_related(*known).first()


def proposal_get(*, user_id: int, proposal_id: int) -> StudyProposal:
    """Return one proposal to this person; raises NotFound otherwise."""
    found = proposal_list(user_id=user_id).filter(pk=proposal_id).first()
    if found is None:
        raise NotFound("proposal", proposal_id)
    return found
