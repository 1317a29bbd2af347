"""The bars no search has seen: opened once a study, and every look at them remembered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction

from elson.common.errors import Conflict
from marketdata.selectors import instant
from trading.engine.errors import EngineError
from trading.engine.search import Holdout, holdout_run
from trading.engine.search.scoring import n_search_of
from trading.models import HoldoutLook, Study
from trading.selectors.studies import Span, holdout_looks, trial_get
from trading.services.backtests.loading import closes_between
from trading.services.backtests.statistics import plain
from trading.services.studies.progress import announce
from trading.services.studies.setup import StudySetup, setup_of


class HoldoutAlreadyOpened(Conflict):
    """The hold-out was opened before; its result stands."""


class HoldoutTooEarly(Conflict):
    """Trials are still being made."""


@dataclass(frozen=True, slots=True)
class Look:
    """One trial of a study on its held-out bars, judged by all looks at these bars so far."""

    number: int
    parameters: Mapping[str, Any]
    span: Span
    found: Holdout


def holdout_lock(study: Study) -> None:
    """Let one person's looks count each other: call it before the row of the study is locked."""
    get_user_model().objects.select_for_update().get(pk=study.user_id)


@transaction.atomic
def holdout_open(*, study: Study, number: int, now: dt.datetime) -> Study:
    """Run one trial on the bars no search has seen. It opens once; who, when and what is kept.

    Raises HoldoutAlreadyOpened the second time and HoldoutTooEarly while trials are made.
    """
    holdout_lock(study)
    row = (
        Study.objects.select_for_update(of=("self",)).select_related("instrument").get(pk=study.pk)
    )
    if row.holdout_opened_at is not None:
        raise HoldoutAlreadyOpened(
            "HOLDOUT_OPENED",
            f"The hold-out of optimization #{row.pk} was opened on "
            f"{row.holdout_opened_at:%Y-%m-%d} for trial {row.holdout_trial}.",
        )
    if row.status not in (Study.Status.SUCCEEDED, Study.Status.STOPPED):
        raise HoldoutTooEarly(
            "HOLDOUT_TOO_EARLY",
            f"Optimization #{row.pk} is {row.get_status_display().lower()}; stop it or let it end "
            "first.",
        )
    trial = trial_get(row, number)
    try:
        setup = setup_of(row)
        look = look_at(study=row, setup=setup, number=number, moving=trial.parameters)
    except EngineError as error:
        raise Conflict(error.code.upper(), str(error)) from error
    look_store(study=row, look=look, now=now)
    announce(row)
    return row


def look_at(*, study: Study, setup: StudySetup, number: int, moving: Mapping[str, Any]) -> Look:
    """Run a trial over the hold-out; raises what the engine refuses. Whoever shows it stores it."""
    held = setup.bars.closed_at[setup.plan.n_search :]
    span = Span(instant(int(held[0])), instant(int(held[-1])))
    parameters = setup.params(moving)
    before = holdout_looks(
        user_id=study.user_id,
        instrument_id=study.instrument_id,
        span=span,
        idea=(study.strategy_key, parameters),
    )
    found = holdout_run(
        setup.bars, setup.spec, parameters, setup.plan, setup.config, n_looks=before + 1
    )
    return Look(number, parameters, span, found)


def look_store(*, study: Study, look: Look, now: dt.datetime) -> None:
    """Record a look in its study and among all looks; call it under the lock of the study."""
    HoldoutLook.objects.create(
        user_id=study.user_id,
        instrument_id=study.instrument_id,
        timeframe=study.timeframe,
        strategy_key=study.strategy_key,
        parameters=dict(look.parameters),
        source_key=f"study:{study.pk}",
        trial=look.number,
        first_at=look.span.first_at,
        last_at=look.span.last_at,
        created_at=now,
    )
    study.holdout_opened_at = now
    study.holdout_trial = look.number
    study.holdout = plain(asdict(look.found))
    study.save(update_fields=["holdout_opened_at", "holdout_trial", "holdout", "updated_at"])


def looks_before(study: Study) -> int:
    """Count the ideas this person has looked at on any of the bars this study holds out."""
    closes = closes_between(study.instrument, study.timeframe, study.start_date, study.end_date)
    held = closes[n_search_of(len(closes), study.holdout_share) :]
    if not len(held):
        return 0
    span = Span(instant(int(held[0])), instant(int(held[-1])))
    return holdout_looks(user_id=study.user_id, instrument_id=study.instrument_id, span=span)
