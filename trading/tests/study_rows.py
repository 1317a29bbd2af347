"""Studies for the tests of doors: a small search on a seeded walk, waiting or done."""

from __future__ import annotations

import datetime as dt
from typing import Any

from accounts.models import Entitlement, User
from elson.common.models import OutboxEvent
from marketdata.models import Instrument
from trading.models import Study, StudyChunk, Trial
from trading.services.studies import chunks, work
from trading.services.studies.drafts import study_draft_read
from trading.services.studies.drawing import trials_drawn
from trading.services.studies.requests import study_request
from trading.services.studies.setup import setup_of
from trading.services.studies.work import study_work
from trading.tests.backtest_rows import walk_make
from trading.tests.factories import NOW, user_make

ASKED: dict[str, Any] = {
    "strategy_key": "sma_cross",
    "symbol": "WALK",
    "space": {
        "fast": {"low": 3, "high": 12, "step": 3},
        "slow": {"low": 20, "high": 40, "step": 10},
    },
    "method": "grid",
    "n_trials": 12,
    "n_folds": 3,
    "fewest_trades": 1,
    "commission_bps": 5,
}


def member_make(**fields: Any) -> User:
    """A person whose plan has optimizations."""
    user = user_make(**fields)
    for key, value in (("optimize.trials_per_run", 2_000), ("optimize.runs_per_day", 20)):
        Entitlement.objects.create(user=user, key=key, value=value)
    return user


def study_make(user: User, *, now: dt.datetime = NOW, n_bars: int = 500, **asked: Any) -> Study:
    if not Instrument.objects.filter(symbol="WALK").exists():
        walk_make(n_bars)
    return study_request(user=user, draft=study_draft_read({**ASKED, **asked}), now=now)


def study_finish(study: Study, *, now: dt.datetime = NOW) -> Study:
    assert study_work(study_id=study.pk, clock=lambda: now) == "SUCCEEDED"
    return Study.objects.get(pk=study.pk)


def trial_spoil(study: Study, *, number: int) -> None:
    """Give one trial of a study nobody works on parameters that its rules refuse."""
    rows = [dict(moving) for moving in drawn_of(study)]
    rows[number - 1] = {"fast": 0, "slow": 20}
    StudyChunk.objects.filter(study=study).update(parameters=rows)


def drawn_of(study: Study) -> Any:
    space = setup_of(study).space
    return trials_drawn(space, method=study.method, seed=study.seed, n_trials=study.n_trials)


# --- workers --------------------------------------------------------------------------------------

# A lease taken at NOW has run out by then.
LATER = NOW + chunks.LEASE + dt.timedelta(seconds=1)


def turn(study: Study, now: dt.datetime = NOW) -> str:
    """Let one worker do what it finds to do."""
    return study_work(study_id=study.pk, clock=lambda: now)


def n_jobs() -> int:
    """Jobs that were sent to workers."""
    return OutboxEvent.objects.filter(name="trading.study_work").count()


def figures(study: Study) -> list[tuple[Any, ...]]:
    """What two searches that are the same have in common, trial by trial."""
    rows = Trial.objects.filter(study=study).order_by("number")
    return [(row.number, row.parameters, row.objective, row.bar_sharpe) for row in rows]


def part_evaluated(study: Study, n: int, now: dt.datetime = NOW) -> tuple[Any, Any]:
    """Do what a worker does up to the moment it is killed or asked to stop."""
    setup = setup_of(study)
    chunk = chunks.chunk_claim(study=study, size=n, now=now)
    work._draw(study, setup, chunk, ())
    return setup, chunk
