"""What staff may do to what belongs to somebody else: by the owner's services, with a reason.

Each act is one call of a service that the product has anyway, and a row that says who, when, why,
and from which state to which.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import models, transaction

from accounts.staff import staff_check
from elson.common.errors import Conflict, DomainError, NotFound
from trading.models import (
    Backtest,
    Deployment,
    DeploymentEvent,
    DriftReport,
    ModelPerformance,
    StaffAct,
    Study,
)
from trading.services.backtests.requests import backtest_cancel
from trading.services.backtests.retries import backtest_retry
from trading.services.deployments import deployment_pause, deployment_resume, deployment_stop
from trading.services.portfolios import portfolio_lock
from trading.services.studies.requests import study_pause, study_resume, study_retry, study_stop

if TYPE_CHECKING:
    from accounts.models import User

LONGEST_REASON = 300
# What the owner reads beside what was done.
BY_STAFF = "by staff"
Event = DeploymentEvent.Kind
Run = Callable[[Any, dt.datetime], Any]


class ActRefused(Conflict):
    """The state of the row does not allow the act."""


class ActReasonInvalid(DomainError):
    """An act without a reason, or with one that is too long."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act: its button, what it means, the states it is for, and the service it calls."""

    label: str
    meaning: str
    states: tuple[str, ...]
    run: Run


def _seen(row: Any, now: dt.datetime) -> Any:
    """Change nothing: that somebody looked is the whole act."""
    return row


BACKTEST_ACTS = {
    "cancel": Act(
        "Cancel the run",
        "A waiting run ends at once, a running one at its next chunk; what it found is lost.",
        ("QUEUED", "RUNNING"),
        lambda row, now: backtest_cancel(backtest=row, now=now),
    ),
    "retry": Act(
        "Queue again",
        "The same run begins again, at its place; its owner’s quota counts it once.",
        ("FAILED",),
        lambda row, now: backtest_retry(backtest=row, now=now),
    ),
}
STUDY_ACTS = {
    "pause": Act(
        "Pause",
        "No new trial begins; what is being evaluated is written. It can go on later.",
        ("RUNNING",),
        lambda row, now: study_pause(study=row),
    ),
    "resume": Act(
        "Resume",
        "It goes on where it was paused.",
        ("PAUSED",),
        lambda row, now: study_resume(study=row, now=now),
    ),
    "cancel": Act(
        "Cancel the search",
        "It ends with the trials that are done, and these are judged. Its owner can extend it.",
        ("RUNNING", "PAUSED"),
        lambda row, now: study_stop(study=row, now=now),
    ),
    "retry": Act(
        "Queue again",
        "It goes on with the trials it has not made; its owner’s quota counts it once.",
        ("FAILED",),
        lambda row, now: study_retry(study=row, now=now),
    ),
}
DEPLOYMENT_ACTS = {
    "pause": Act(
        "Pause",
        "It enters and increases nothing; exits, stops and targets go on. Its owner sees it paused "
        "and can resume it.",
        ("RUNNING", "ERROR"),
        lambda row, now: deployment_pause(deployment=row, note=BY_STAFF),
    ),
    "resume": Act(
        "Resume",
        "It may enter again from the next bar on. Only what staff paused: a pause of the owner is "
        "the owner’s to end.",
        ("PAUSED",),
        lambda row, now: deployment_resume(deployment=row, note=BY_STAFF),
    ),
    "requeue": Act(
        "Queue again",
        "After an error it decides again from the next bar on; not where its owner had paused it.",
        ("ERROR",),
        lambda row, now: deployment_resume(deployment=row, note=BY_STAFF),
    ),
    "halt": Act(
        "Halt",
        "It ends for good at once; what it holds is left to its owner, unprotected.",
        ("RUNNING", "PAUSED", "ERROR"),
        lambda row, now: deployment_stop(deployment=row, note=BY_STAFF, now=now),
    ),
}
SEEN_ACT = "Nothing changes but the list: it says who looked at it and what they think."
ACTS: dict[type[models.Model], dict[str, Act]] = {
    Backtest: BACKTEST_ACTS,
    Study: STUDY_ACTS,
    Deployment: DEPLOYMENT_ACTS,
    DriftReport: {
        "acknowledge": Act("Acknowledge", SEEN_ACT, ("WARNING", "CRITICAL"), _seen),
    },
    ModelPerformance: {"acknowledge": Act("Acknowledge", SEEN_ACT, ("MISSED",), _seen)},
}


def state_of(row: Any) -> str:
    """Return the word that says whether an act is for this row."""
    if isinstance(row, ModelPerformance):
        return "MET" if row.is_met else "MISSED"
    return str(row.light if isinstance(row, DriftReport) else row.status)


@transaction.atomic
def staff_act(
    *, model: type[models.Model], name: str, row_id: int, actor: User, reason: str, now: dt.datetime
) -> StaffAct:
    """Do it and keep who did it and why: both or neither.

    Raises Forbidden without the permission to change such rows, ActReasonInvalid, NotFound,
    ActRefused where the state does not allow it, and what the service raises.
    """
    act, kind = ACTS[model][name], str(model._meta.model_name)
    staff_check(actor, f"trading.change_{kind}", f"{act.label.lower()} a {kind}")
    words = _reason(reason)
    row = _locked(model, row_id)
    if row is None:
        raise NotFound(str(model._meta.verbose_name), f"#{row_id}")
    before = state_of(row)
    if before not in act.states:
        allowed = " or ".join(act.states)
        raise ActRefused("ACT_REFUSED", f"{row} is {before}; {act.label.lower()} is for {allowed}.")
    if model is Deployment and name in ("resume", "requeue"):
        _check_ours(row_id, is_paused=name == "resume")
    return StaffAct.objects.create(
        actor=actor,
        act=name,
        kind=kind,
        row_id=row_id,
        row=str(row)[:160],
        reason=words,
        before=before,
        after=state_of(act.run(row, now)),
        created_at=now,
    )


def _locked(model: type[models.Model], row_id: int) -> Any:
    """Return the row under the locks its service takes, None without one.

    What is judged here is what the service finds: nobody acts in between. A portfolio comes before
    its deployments, as everywhere.
    """
    if model is Deployment:
        owners = Deployment.objects.filter(pk=row_id).values_list("portfolio_id", flat=True)
        for portfolio_id in owners:
            portfolio_lock(portfolio_id)
    return model._default_manager.select_for_update(of=("self",)).filter(pk=row_id).first()


def _reason(text: str) -> str:
    words = text.strip()
    if not words:
        raise ActReasonInvalid("REASON_MISSING", "Say why, in a few words.", field="reason")
    if "\0" in words:
        message = "The reason holds a NUL character, which no text has."
        raise ActReasonInvalid("REASON_INVALID", message, field="reason")
    if len(words) > LONGEST_REASON:
        raise ActReasonInvalid(
            "REASON_TOO_LONG",
            f"The reason has {len(words)} characters; the limit is {LONGEST_REASON}.",
            field="reason",
        )
    return words


def _check_ours(deployment_id: int, *, is_paused: bool) -> None:
    """Refuse to end a pause that its owner chose: it is their money that would trade.

    What the owner said last counts, also where staff or an error came after it.
    """
    entering = DeploymentEvent.objects.filter(
        deployment_id=deployment_id, kind__in=[Event.STARTED, Event.PAUSED, Event.RUNNING]
    )
    said = entering.exclude(note=BY_STAFF).order_by("-pk").values_list("kind", flat=True).first()
    # A pause from before events were kept is the owner's.
    if said == Event.PAUSED or (is_paused and not entering.exists()):
        raise ActRefused(
            "PAUSED_BY_OWNER", f"Deployment {deployment_id} was paused by its owner, not by staff."
        )
