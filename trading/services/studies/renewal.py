"""Searching again on newer bars, and offering what passes every gate; a person decides.

Nothing here touches what runs: an accepted proposal is one more version, open positions keep the
parameters they were opened with.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction

from elson.common.errors import Conflict, DomainError
from marketdata.selectors import coverage_get
from trading.engine.errors import EngineError
from trading.engine.search import SearchPlan, evaluate, holdout_run, space_from
from trading.engine.search.judgement import BAD_PBO, GOOD_DEFLATED
from trading.engine.strategies import strategy_get
from trading.models import Strategy, StrategyVersion, Study, StudyProposal
from trading.selectors.studies import trial_get
from trading.services.backtests.drafts import BacktestDraft
from trading.services.backtests.statistics import plain
from trading.services.quotas import day_of
from trading.services.strategies import version_create
from trading.services.studies.adoption import newest_version, parameters_of
from trading.services.studies.drafts import StudyDraft
from trading.services.studies.holdout import look_at, look_store
from trading.services.studies.requests import DAY_USED_UP, study_request
from trading.services.studies.setup import StudySetup

logger = structlog.get_logger(__name__)
Status = StudyProposal.Status
Gate = dict[str, Any]
HOLDOUT = "hold-out Sharpe ratio"
CLOSED = "looked at only when all others are met"
LONGEST_REASON = 300


class ReasonTooLong(DomainError):
    """More words than a proposal keeps."""


@transaction.atomic
def repeats_schedule(
    *, study: Study, strategy: Strategy | None, every_days: int | None, now: dt.datetime
) -> Study:
    """Repeat a search every so many days for a strategy, or never again with None."""
    row = Study.objects.select_for_update(of=("self",)).get(pk=study.pk)
    if every_days is not None:
        if not 1 <= every_days <= 366:
            raise DomainError(
                "REPEATS_OUT_OF_RANGE", f"{every_days} days must lie between 1 and 366.",
                field="every_days",
            )  # fmt: skip
        if strategy is None or (strategy.user_id, strategy.key) != (row.user_id, row.strategy_key):
            raise Conflict(
                "STRATEGY_MISMATCH",
                f"Choose one of your strategies that follows {row.strategy_key}.",
            )
    row.repeats_every_days = every_days
    row.repeats_for = strategy if every_days else None
    row.repeats_at = now + dt.timedelta(days=every_days) if every_days else None
    row.save(update_fields=["repeats_every_days", "repeats_for", "repeats_at", "updated_at"])
    return row


def studies_repeat(*, now: dt.datetime) -> int:
    """Start the searches that are due and have newer bars; return how many."""
    due = Study.objects.filter(repeats_at__lte=now, user__is_active=True)
    due = due.select_related("instrument", "user").order_by("repeats_at", "pk")
    return sum(_repeat(study, now) for study in due[:50])


@transaction.atomic
def _repeat(study: Study, now: dt.datetime) -> bool:
    """Claim the date by moving it, then search on everything there is by now."""
    days = dt.timedelta(days=study.repeats_every_days or 1)
    mine = Study.objects.filter(pk=study.pk, repeats_at=study.repeats_at)
    if not mine.update(repeats_at=now + days):
        return False
    try:
        last = coverage_get(study.instrument, study.timeframe).last_at.date()
        newest = study.repeats.order_by("-pk").values_list("end_date", flat=True).first()
        if last <= max(newest or study.end_date, study.end_date):
            return False
        study_request(user=study.user, draft=_draft_of(study, last), now=now, repeat_of=study)
    except (DomainError, EngineError) as error:
        # One that cannot be repeated must not keep those behind it from their turn.
        logger.warning("study_not_repeated", study_id=study.pk, code=error.code)
        if error.code == DAY_USED_UP:
            Study.objects.filter(pk=study.pk).update(repeats_at=day_of(now)[1])
        return False
    return True


def _draft_of(study: Study, end_date: dt.date) -> StudyDraft:
    base = BacktestDraft(
        strategy_key=study.strategy_key,
        symbol=study.instrument.symbol,
        parameters={},
        timeframe=study.timeframe,
        start_date=study.start_date,
        end_date=end_date,
        cash=study.cash,
        commission_bps=study.commission_bps,
        slippage_bps=study.slippage_bps,
        has_regime_costs=study.has_regime_costs,
        has_usual_slippage=study.has_usual_slippage,
        is_free_confirmed=True,
        seed=study.seed,
        note=f"repeat of #{study.pk}",
    )
    return StudyDraft(
        base=base,
        space=space_from(strategy_get(study.strategy_key), study.space, study.fixed),
        method=study.method,
        n_trials=study.n_trials,
        n_folds=study.n_folds,
        holdout_share=study.holdout_share,
        dispersion_weight=study.dispersion_weight,
        fewest_trades=study.fewest_trades,
        deepest_drawdown=study.deepest_drawdown,
        n_workers=study.n_workers,
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a repeated search would propose, and the gates that need no look at the hold-out."""

    strategy: Strategy
    champion: StrategyVersion
    number: int
    parameters: dict[str, Any]
    gates: list[Gate]


def candidate_of(
    *, study: Study, setup: StudySetup, judgement: Mapping[str, Any]
) -> Candidate | None:
    """Put a repeated search's pick before the gates of the search span.

    None where nothing was ranked or nobody asked for proposals. Nothing is stored: see
    `proposal_store`.
    """
    strategy = study.parent.repeats_for if study.parent else None
    number = judgement["pick"]
    if strategy is None or number is None:
        return None
    champion = newest_version(strategy)
    parameters = parameters_of(study, number)
    gates = [
        _gate("parameters differ", float(parameters != champion.parameters), ">= 1",
              parameters != champion.parameters),
        *_luck_gates(judgement),
        _score_gate(study, setup, number, dict(champion.parameters)),
    ]  # fmt: skip
    return Candidate(strategy, champion, number, parameters, gates)


def proposal_store(
    *, study: Study, setup: StudySetup, candidate: Candidate, now: dt.datetime
) -> StudyProposal:
    """Open the hold-out if every other gate is met, and store the proposal with what it showed.

    Call it in the transaction that ends the search, after `holdout_lock`: a search that ended has
    its proposal, and nobody looks at the hold-out in between. OFFERED, or WITHHELD with the gates
    it missed. One that was extended is proposed anew; its hold-out is closed still.
    """
    is_met = all(gate["is_met"] for gate in candidate.gates)
    last = _holdout_gate(study, setup, candidate, now) if is_met else _gate(HOLDOUT, None, CLOSED)
    made, _ = StudyProposal.objects.update_or_create(
        study=study,
        defaults={
            "strategy": candidate.strategy,
            "champion": candidate.champion,
            "parameters": candidate.parameters,
            "gates": plain([*candidate.gates, last]),
            "status": Status.OFFERED if is_met and last["is_met"] else Status.WITHHELD,
        },
    )
    return made


def _luck_gates(judgement: Mapping[str, Any]) -> list[Gate]:
    deflated, pbo = judgement["deflated_sharpe"], judgement["probability_of_overfitting"]
    return [
        _gate("deflated Sharpe ratio", deflated, f">= {GOOD_DEFLATED}",
              deflated is not None and deflated >= GOOD_DEFLATED),
        _gate("probability of overfitting", pbo, f"< {BAD_PBO}",
              pbo is not None and pbo < BAD_PBO),
    ]  # fmt: skip


def _score_gate(study: Study, setup: StudySetup, number: int, champion: dict[str, Any]) -> Gate:
    ours = trial_get(study, number).out_of_sample_sharpe or 0.0
    try:
        theirs = _score(setup, setup.plan, champion)
    except EngineError as error:
        return _gate("out-of-sample Sharpe ratio", ours, f"compared with those in use: {error}")
    return _gate(
        "out-of-sample Sharpe ratio", ours, f"> {theirs:.2f} (in use)", is_met=ours > theirs
    )


def _holdout_gate(study: Study, setup: StudySetup, candidate: Candidate, now: dt.datetime) -> Gate:
    """Compare on the held-out bars; what is in use was chosen before and is no look of its own."""
    number, in_use = candidate.number, dict(candidate.champion.parameters)
    moving = trial_get(study, number).parameters
    try:
        look = look_at(study=study, setup=setup, number=number, moving=moving)
        old = holdout_run(setup.bars, setup.spec, in_use, setup.plan, setup.config).sharpe_ratio
    except EngineError as error:
        return _gate(HOLDOUT, None, f"measured: {error}")
    look_store(study=study, look=look, now=now)
    new, luck = look.found.sharpe_ratio, look.found.expected_max_sharpe
    words = f"> {luck:.2f} (luck of {look.found.n_looks} looks) and >= {old:.2f} (in use)"
    return _gate(HOLDOUT, new, words, is_met=new > luck and new >= old - 1e-12)


def _gate(name: str, value: float | None, must: str, is_met: bool = False) -> Gate:
    return {"name": name, "value": value, "must": must, "is_met": is_met}


def _score(setup: StudySetup, plan: SearchPlan, params: dict[str, Any]) -> float:
    score = evaluate(setup.search_bars, setup.spec, params, plan, setup.config)
    return score.out_of_sample_sharpe if math.isfinite(score.out_of_sample_sharpe) else 0.0


@transaction.atomic
def proposal_accept(*, proposal: StudyProposal, now: dt.datetime) -> StudyProposal:
    """Store the proposed parameters as a draft version; twice is the same as once."""
    row = StudyProposal.objects.select_for_update(of=("self",)).get(pk=proposal.pk)
    if row.status == Status.ACCEPTED:
        return row
    _check_open(row)
    row.version = version_create(
        strategy=row.strategy,
        parameters=row.parameters,
        note=f"from repeated optimization #{row.study_id}",
        is_draft=True,
        source=StrategyVersion.Source.PROPOSAL,
    )
    return _decided(row, Status.ACCEPTED, now)


@transaction.atomic
def proposal_reject(
    *, proposal: StudyProposal, reason: str = "", now: dt.datetime
) -> StudyProposal:
    """Keep what is in use, and why; twice is the same as once. Raises ReasonTooLong."""
    words = reason.strip()
    if len(words) > LONGEST_REASON:
        raise ReasonTooLong(
            "REASON_TOO_LONG",
            f"The reason has {len(words)} characters; the limit is {LONGEST_REASON}.",
            field="reason",
        )
    row = StudyProposal.objects.select_for_update(of=("self",)).get(pk=proposal.pk)
    if row.status == Status.REJECTED:
        return row
    _check_open(row)
    row.reason = words
    return _decided(row, Status.REJECTED, now)


def _check_open(row: StudyProposal) -> None:
    if row.status != Status.OFFERED:
        status = row.get_status_display().lower()
        raise Conflict(
            "PROPOSAL_DECIDED", f"Proposal {row.pk} is {status}; there is nothing to decide."
        )


def _decided(row: StudyProposal, status: str, now: dt.datetime) -> StudyProposal:
    row.status = status
    row.decided_at = now
    row.save(update_fields=["status", "decided_at", "reason", "version", "updated_at"])
    return row
