"""Which version decides: every change of state is checked, recorded, and safe to repeat."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from elson.common.errors import Conflict, DomainError
from trading.engine.learning.features import GATE_FEATURES
from trading.models import ModelApproval, ModelTraining, ModelTransition, ModelVersion
from trading.services.models.gates import gates_passed

if TYPE_CHECKING:
    from accounts.models import User

State = ModelVersion.State
BY_THE_CLOCK = (ModelTraining.Trigger.AGE, ModelTraining.Trigger.DRIFT)
_ALLOWED = {
    State.CANDIDATE: {State.SHADOW, State.RETIRED},
    State.SHADOW: {State.ACTIVE, State.RETIRED},
    State.ACTIVE: {State.RETIRED},
    State.RETIRED: {State.ACTIVE},
}


class TransitionRefused(Conflict):
    """A version cannot change its state like that; says what is missing."""


class ReasonMissing(DomainError):
    """A change of state without a reason."""


@transaction.atomic
def version_shadow(
    *, version: ModelVersion, actor: User | None, reason: str, now: dt.datetime
) -> ModelVersion:
    """Let a candidate predict beside the active version without a say; again changes nothing."""
    return _moved(version, State.SHADOW, actor=actor, reason=reason, now=now)


@transaction.atomic
def version_promote(
    *, version: ModelVersion, actor: User | None, reason: str, now: dt.datetime
) -> ModelVersion:
    """Let a shadow decide; the version that decided so far retires. Again changes nothing.

    Raises TransitionRefused unless it is a shadow, looks at what the rule computes, passed every
    gate, and passed them against the version that decides now. Where two people are required the
    first call records a wish and returns the version unchanged; the second, by another person,
    promotes.
    """
    champion = _lock_line(version.strategy_key)
    row = _lock(version)
    if row.state == State.ACTIVE:
        return row
    _check(row, State.ACTIVE, reason)
    if row.state == State.RETIRED:
        raise TransitionRefused("MODEL_RETIRED", f"{row} is retired; roll back to it instead.")
    _check_features(row)
    _check_gates(row, champion)
    approver = _approver(row, actor, reason, now)
    if approver is None and settings.MODEL_PROMOTION_NEEDS_TWO:
        return row
    if champion is not None:
        _move(champion, State.RETIRED, actor=actor, reason=f"replaced by {row}", now=now)
    return _move(row, State.ACTIVE, actor=actor, approver=approver, reason=reason, now=now)


@transaction.atomic
def version_retire(
    *, version: ModelVersion, actor: User | None, reason: str, now: dt.datetime
) -> ModelVersion:
    """Take a version out of use; without an active one the rules decide alone."""
    return _moved(version, State.RETIRED, actor=actor, reason=reason, now=now)


@transaction.atomic
def version_rollback(
    *, version: ModelVersion, actor: User | None, reason: str, now: dt.datetime
) -> ModelVersion:
    """Take the decision from a version and give it back to the one that decided before.

    Its gates were passed then. Where another version decides by now nothing changes, so a second
    click does not undo the first; where none does, the last that did is brought back. Raises
    TransitionRefused when no other version was ever active, or when that one looks at what the
    rule no longer computes. One person suffices: going back must
    be quick.
    """
    strategy_key = version.strategy_key
    active = _lock_line(strategy_key)
    if active is not None and active.pk != version.pk:
        return active
    before = _decided_before(strategy_key, active)
    if before is None:
        raise TransitionRefused(
            "NO_MODEL_BEFORE", f"No other model of {strategy_key} was active before."
        )
    row = _lock(before)
    _check(row, State.ACTIVE, reason)
    _check_features(row)
    if active is not None:
        text = f"rolled back to {row}: {reason}"
        _move(active, State.RETIRED, actor=actor, reason=text[:300], now=now)
    return _move(row, State.ACTIVE, actor=actor, reason=reason, now=now)


@transaction.atomic
def version_first_activate(*, version: ModelVersion, now: dt.datetime) -> ModelVersion:
    """Put the very first version of a strategy to work when it passed its gates.

    Nobody needs to approve it: it only refuses trades the rules alone would have made. Where a
    version was active before, or a gate failed, it stays what it is.
    """
    row = _lock(version)
    was_active = ModelTransition.objects.filter(
        version__strategy_key=row.strategy_key, to_state=State.ACTIVE
    ).exists()
    if was_active or row.state not in (State.CANDIDATE, State.SHADOW):
        return row
    if row.state == State.CANDIDATE:
        row = _move(row, State.SHADOW, actor=None, reason="first model of the strategy", now=now)
    if not gates_passed(row.gates):
        return row
    return _move(row, State.ACTIVE, actor=None, reason="first model, every gate passed", now=now)


@transaction.atomic
def version_challenge(*, version: ModelVersion, now: dt.datetime) -> ModelVersion:
    """Let a version trained by the clock predict, and retire the challenger it replaces."""
    earlier = ModelVersion.objects.filter(
        strategy_key=version.strategy_key, state=State.SHADOW, training__trigger__in=BY_THE_CLOCK
    )
    for row in earlier.exclude(pk=version.pk):
        version_retire(version=row, actor=None, reason=f"challenger replaced by {version}", now=now)
    return version_shadow(version=version, actor=None, reason=version.note, now=now)


def _lock(version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.select_for_update().get(pk=version.pk)


def _lock_line(strategy_key: str) -> ModelVersion | None:
    """Lock all versions of a strategy, in one order, and return the one that decides.

    First of all locks: two people who change the active version wait for each other.
    """
    rows = ModelVersion.objects.select_for_update().filter(strategy_key=strategy_key)
    return next((row for row in rows.order_by("pk") if row.state == State.ACTIVE), None)


def _moved(
    version: ModelVersion, to_state: str, *, actor: User | None, reason: str, now: dt.datetime
) -> ModelVersion:
    """Lock, check and move; where it is there already nothing changes."""
    row = _lock(version)
    if row.state == to_state:
        return row
    _check(row, to_state, reason)
    return _move(row, to_state, actor=actor, reason=reason, now=now)


def _check(row: ModelVersion, wanted: str, reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("REASON_MISSING", "Say why, in a few words.", field="reason")
    if wanted not in _ALLOWED[State(row.state)]:
        raise TransitionRefused(
            "TRANSITION_REFUSED",
            f"{row} is {row.state}; it cannot become {wanted}.",
        )


def _check_features(row: ModelVersion) -> None:
    """Refuse a version that could only be left out: the rule would decide alone in its name."""
    gone = sorted(set(row.features) - set(GATE_FEATURES))
    if gone:
        raise TransitionRefused(
            "MODEL_FEATURES_GONE",
            f"{row} looks at {', '.join(gone)}, which the rule no longer computes. Train it again.",
        )


def _check_gates(row: ModelVersion, champion: ModelVersion | None) -> None:
    failed = [gate["text"] for gate in row.gates if not gate["is_passed"]]
    if failed or not row.gates:
        text = "; ".join(failed) or "it was never measured"
        raise TransitionRefused("GATES_FAILED", f"{row} did not pass its gates: {text}.")
    compared = row.gates[0].get("champion")
    if compared != (champion.number if champion else None):
        raise TransitionRefused(
            "GATES_STALE",
            f"{row} was compared with model {compared or 'none'}, but "
            f"{champion or 'no model'} decides now. Train it again.",
        )


def _approver(row: ModelVersion, actor: User | None, reason: str, now: dt.datetime) -> User | None:
    """Record this person's wish; return another who wished the same since the last change."""
    if actor is None:
        return None
    last = row.transitions.order_by("-created_at", "-pk").first()
    wishes = ModelApproval.objects.filter(version=row)
    if last is not None:
        wishes = wishes.filter(created_at__gte=last.created_at)
    if not wishes.filter(user=actor).exists():
        ModelApproval.objects.create(version=row, user=actor, reason=reason[:300], created_at=now)
    other = wishes.exclude(user=actor).select_related("user").order_by("created_at").first()
    return other.user if other else None


def _decided_before(strategy_key: str, active: ModelVersion | None) -> ModelVersion | None:
    """Return the version to go back to: the one before in the line of those not rolled back.

    So a second step back goes further back. Where nothing older is left the one that was rolled
    back comes again: a step back can be taken back.
    """
    chosen = ModelTransition.objects.filter(
        version__strategy_key=strategy_key, to_state=State.ACTIVE
    )
    versions = [move.version for move in chosen.select_related("version").order_by("pk")]
    line: list[ModelVersion] = []
    for version in versions:
        if version in line:
            del line[line.index(version) + 1 :]
        else:
            line.append(version)
    others = [item for item in line if item != active] or [v for v in versions if v != active]
    return others[-1] if others else None


def _move(
    row: ModelVersion,
    to_state: str,
    *,
    actor: User | None,
    reason: str,
    now: dt.datetime,
    approver: User | None = None,
) -> ModelVersion:
    values: dict[str, Any] = {"state": to_state}
    if to_state == State.ACTIVE:
        values |= {"activated_at": now, "retired_at": None}
    elif to_state == State.RETIRED:
        values["retired_at"] = now
    ModelTransition.objects.create(
        version=row,
        from_state=row.state,
        to_state=to_state,
        actor=actor,
        approver=approver,
        reason=reason[:300],
        gates=row.gates,
        created_at=now,
    )
    ModelVersion.objects.filter(pk=row.pk).update(**values)
    for name, value in values.items():
        setattr(row, name, value)
    return row
