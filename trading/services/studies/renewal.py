"""Searching again on newer bars, and offering what passes every gate; a person decides.

Nothing here touches what runs: an accepted proposal is one more version, open positions keep the
parameters they were opened with.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import asdict
from typing import Any

import structlog
from django.db import transaction

from elson.common.errors import Conflict, DomainError
from marketdata.selectors import coverage_get
from trading.engine.errors import EngineError
from trading.engine.search import Holdout, SearchPlan, evaluate, holdout_run, space_from
from trading.engine.search.judgement import BAD_PBO, GOOD_DEFLATED
from trading.engine.strategies import strategy_get
from trading.models import Strategy, StrategyVersion, Study, StudyProposal
from trading.selectors.studies import trial_get
from trading.services.backtests.drafts import BacktestDraft
from trading.services.backtests.statistics import plain
from trading.services.strategies import version_create
from trading.services.studies.adoption import newest_version, parameters_of
from trading.services.studies.drafts import StudyDraft
from trading.services.studies.requests import study_request
from trading.services.studies.setup import StudySetup

logger = structlog.get_logger(__name__)
Status = StudyProposal.Status


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
    due = Study.objects.filter(repeats_at__lte=now).select_related("instrument", "user")
    return sum(_repeat(study, now) for study in due.order_by("pk")[:50])


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


def proposal_consider(*, study: Study, setup: StudySetup, now: dt.datetime) -> StudyProposal | None:
    """Put a repeated search's pick before every gate; offer it only when all are met.

    Returns the row, WITHHELD with the gates it missed, or None when there is nothing to compare.
    """
    strategy = study.parent.repeats_for if study.parent else None
    number = (study.judgement or {}).get("pick")
    if strategy is None or number is None:
        return None
    champion = newest_version(strategy)
    parameters = parameters_of(study, number)
    try:
        gates = _gates(study, setup, number, dict(champion.parameters), now)
    except EngineError as error:
        logger.warning("proposal_not_judged", study_id=study.pk, error=str(error))
        return None
    is_met = all(gate["is_met"] for gate in gates)
    found, _ = StudyProposal.objects.get_or_create(
        study=study,
        defaults={
            "strategy": strategy,
            "champion": champion,
            "parameters": parameters,
            "gates": plain(gates),
            "status": Status.OFFERED if is_met else Status.WITHHELD,
        },
    )
    return found


def _gates(
    study: Study,
    setup: StudySetup,
    number: int,
    champion: dict[str, Any],
    now: dt.datetime,
) -> list[dict[str, Any]]:
    verdict = study.judgement or {}
    parameters = parameters_of(study, number)
    ours = trial_get(study, number).out_of_sample_sharpe or 0.0
    theirs = _score(setup, setup.plan, champion)
    new, old = _holdout(setup, parameters), _holdout(setup, champion)
    # The hold-out of a repeat is opened by the gate itself, once; that is recorded as a click is.
    Study.objects.filter(pk=study.pk).update(
        holdout_opened_at=now, holdout_trial=number, holdout=plain(asdict(new))
    )
    deflated, pbo = verdict.get("deflated_sharpe"), verdict.get("probability_of_overfitting")
    return [
        _gate("parameters differ", float(parameters != champion), ">= 1", parameters != champion),
        _gate(
            "deflated Sharpe ratio", deflated, f">= {GOOD_DEFLATED}",
            deflated is not None and deflated >= GOOD_DEFLATED,
        ),
        _gate(
            "probability of overfitting", pbo, f"< {BAD_PBO}", pbo is not None and pbo < BAD_PBO
        ),
        _gate("out-of-sample Sharpe ratio", ours, f"> {theirs:.2f} (in use)", ours > theirs),
        _gate(
            "hold-out Sharpe ratio", new.sharpe_ratio,
            f"> 0 and >= {old.sharpe_ratio:.2f} (in use)",
            new.sharpe_ratio > max(old.sharpe_ratio, 0.0) - 1e-12 and new.sharpe_ratio > 0.0,
        ),
    ]  # fmt: skip


def _gate(name: str, value: float | None, must: str, is_met: bool) -> dict[str, Any]:
    return {"name": name, "value": value, "must": must, "is_met": is_met}


def _score(setup: StudySetup, plan: SearchPlan, params: dict[str, Any]) -> float:
    score = evaluate(setup.search_bars, setup.spec, params, plan, setup.config)
    return score.out_of_sample_sharpe if math.isfinite(score.out_of_sample_sharpe) else 0.0


def _holdout(setup: StudySetup, params: dict[str, Any]) -> Holdout:
    return holdout_run(setup.bars, setup.spec, params, setup.plan, setup.config)


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
def proposal_reject(*, proposal: StudyProposal, now: dt.datetime) -> StudyProposal:
    """Keep what is in use; twice is the same as once."""
    row = StudyProposal.objects.select_for_update(of=("self",)).get(pk=proposal.pk)
    if row.status == Status.REJECTED:
        return row
    _check_open(row)
    return _decided(row, Status.REJECTED, now)


def _check_open(row: StudyProposal) -> None:
    if row.status != Status.OFFERED:
        raise Conflict(
            "PROPOSAL_DECIDED", f"Proposal {row.pk} is {row.status}; there is nothing to decide."
        )


def _decided(row: StudyProposal, status: str, now: dt.datetime) -> StudyProposal:
    row.status = status
    row.decided_at = now
    row.save(update_fields=["status", "decided_at", "version", "updated_at"])
    return row
