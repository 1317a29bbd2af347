"""A repeated search only ever proposes: behind gates, to a person, as a draft."""

import datetime as dt

import pytest
from django.utils import timezone

from accounts.models import User
from elson.common.errors import Conflict, DomainError
from marketdata.models import Bar
from trading.engine.strategies import strategy_get
from trading.models import Deployment, HoldoutLook, StrategyVersion, Study, StudyProposal
from trading.selectors.studies import proposals_open, study_usage
from trading.services.strategies import strategy_create, version_create
from trading.services.studies import renewal, work
from trading.services.studies.holdout import HoldoutAlreadyOpened, holdout_open
from trading.services.studies.renewal import (
    proposal_accept,
    proposal_reject,
    repeats_schedule,
    studies_repeat,
)
from trading.services.studies.requests import studies_sweep, study_extend
from trading.tests.factories import NOW, bars_make
from trading.tests.study_rows import member_make, study_finish, study_make

pytestmark = pytest.mark.django_db
MONTH = dt.timedelta(days=31)


class Killed(BaseException):
    """What a killed worker looks like from inside: nothing is caught."""


@pytest.fixture
def gates_met(monkeypatch):
    """Let any deflated Sharpe ratio and any overfitting do."""
    monkeypatch.setattr(renewal, "GOOD_DEFLATED", 0.0)
    monkeypatch.setattr(renewal, "BAD_PBO", 1.1)


def missed(made):
    return [gate["name"] for gate in made.gates if not gate["is_met"]]


def repeated(study):
    bars_arrive(study)
    assert studies_repeat(now=NOW + MONTH) == 1
    return study_finish(study.repeats.latest("pk"))


def scheduled(**asked):
    owner = member_make()
    study = study_finish(study_make(owner, **asked))
    version = strategy_create(user=owner, key="sma_cross", name="Mine")
    return repeats_schedule(study=study, strategy=version.strategy, every_days=30, now=NOW), version


def bars_arrive(study, n=100):
    newest = Bar.objects.filter(instrument=study.instrument).latest("closed_at")
    row = (newest.close,) * 4
    bars_make(study.instrument, [row] * n, start=newest.closed_at + dt.timedelta(days=1))


def proposal(study, version, **fields):
    return StudyProposal.objects.create(
        study=study,
        strategy=version.strategy,
        champion=version,
        parameters=strategy_get("sma_cross").defaults | {"fast": 7},
        gates=[],
        **{"status": "OFFERED", **fields},
    )


def test_nothing_is_searched_before_its_time_or_without_newer_bars():
    scheduled()

    assert studies_repeat(now=NOW + dt.timedelta(days=1)) == 0
    assert studies_repeat(now=NOW + MONTH) == 0
    assert Study.objects.count() == 1


def test_newer_bars_are_searched_once_and_without_using_the_quota():
    study, _ = scheduled()
    bars_arrive(study)

    assert studies_repeat(now=NOW + MONTH) == 1
    assert studies_repeat(now=NOW + MONTH) == 0

    repeat = study.repeats.get()
    assert (repeat.space, repeat.seed, repeat.n_trials) == (study.space, study.seed, 12)
    assert repeat.end_date > study.end_date
    assert study_usage(user_id=study.user_id, since=NOW).n_requested == 1


def test_one_search_that_cannot_be_repeated_does_not_keep_others_waiting():
    broken, _ = scheduled()
    Study.objects.filter(pk=broken.pk).update(strategy_key="gone", timeframe="1m")
    study, _ = scheduled()
    bars_arrive(study)

    assert studies_repeat(now=NOW + MONTH) == 1

    assert study.repeats.exists()
    assert not broken.repeats.exists()


def test_a_plan_without_optimization_repeats_nothing():
    study, _ = scheduled()
    study.user.entitlements.all().delete()
    bars_arrive(study)

    assert studies_repeat(now=NOW + MONTH) == 0


def test_a_plan_that_allows_fewer_trials_by_now_repeats_nothing():
    study, _ = scheduled()
    study.user.entitlements.filter(key="optimize.trials_per_run").update(value=11)
    bars_arrive(study)

    assert studies_repeat(now=NOW + MONTH) == 0


def test_a_closed_account_repeats_nothing():
    study, _ = scheduled()
    User.objects.filter(pk=study.user_id).update(is_active=False)
    bars_arrive(study)

    assert studies_repeat(now=NOW + MONTH) == 0


def test_a_day_has_as_many_repeats_as_the_plan_has_searches_and_the_others_wait_for_the_next():
    study, version = scheduled()
    other = study_make(study.user)
    repeats_schedule(study=other, strategy=version.strategy, every_days=30, now=NOW)
    study.user.entitlements.filter(key="optimize.runs_per_day").update(value=1)
    bars_arrive(study)
    day = timezone.now()
    Study.objects.update(repeats_at=day - dt.timedelta(days=1))

    assert studies_repeat(now=day) == 1

    other.refresh_from_db()
    assert other.repeats_at == day.replace(
        hour=0, minute=0, second=0, microsecond=0
    ) + dt.timedelta(days=1)
    assert studies_repeat(now=other.repeats_at) == 1
    assert other.repeats.exists()


def test_a_repeat_on_a_random_walk_is_withheld_with_its_gates():
    study, version = scheduled()
    bars_arrive(study)
    studies_repeat(now=NOW + MONTH)

    repeat = study_finish(study.repeats.get())

    made = repeat.proposal
    assert made.status == "WITHHELD"
    assert "deflated Sharpe ratio" in missed(made)
    assert not proposals_open(user_id=study.user_id).exists()
    assert list(StrategyVersion.objects.all()) == [version]


def test_a_holdout_stays_closed_when_another_gate_is_missed():
    study, _ = scheduled()

    repeat = repeated(study)

    assert missed(repeat.proposal)[-1] == "hold-out Sharpe ratio"
    assert repeat.proposal.gates[-1]["value"] is None
    assert (repeat.holdout_opened_at, repeat.holdout) == (None, None)
    assert not HoldoutLook.objects.exists()


def test_a_holdout_opens_once_with_the_end_of_a_repeat_that_meets_the_other_gates(gates_met):
    study, _ = scheduled()

    repeat = repeated(study)

    assert repeat.holdout_trial == repeat.judgement["pick"]
    assert repeat.proposal.gates[-1]["value"] == repeat.holdout["sharpe_ratio"]
    assert HoldoutLook.objects.get().source_key == f"study:{repeat.pk}"
    with pytest.raises(HoldoutAlreadyOpened):
        holdout_open(study=repeat, number=1, now=NOW)
    with pytest.raises(Conflict, match="was opened"):
        study_extend(study=repeat, n_trials=13, now=NOW)


def test_a_worker_killed_at_the_end_of_a_repeat_leaves_all_of_it_to_the_next(
    gates_met, monkeypatch
):
    study, _ = scheduled()
    bars_arrive(study)
    studies_repeat(now=NOW + MONTH)
    repeat = study.repeats.get()
    store = work.proposal_store

    def killed(**asked):
        store(**asked)
        raise Killed

    monkeypatch.setattr(work, "proposal_store", killed)
    with pytest.raises(Killed):
        study_finish(repeat)
    monkeypatch.setattr(work, "proposal_store", store)
    repeat.refresh_from_db()
    assert (repeat.status, repeat.holdout_opened_at) == ("RUNNING", None)
    assert not StudyProposal.objects.exists()
    assert not HoldoutLook.objects.exists()

    assert studies_sweep(now=NOW + 2 * MONTH) == 1
    assert study_finish(repeat).proposal.gates[-1]["value"] is not None


def test_a_repeat_that_is_extended_while_it_is_judged_opens_nothing_and_goes_on(
    gates_met, monkeypatch
):
    study, _ = scheduled(method="random", n_trials=5)
    bars_arrive(study)
    studies_repeat(now=NOW + MONTH)
    repeat = study.repeats.get()
    candidate_of = work.candidate_of

    def slowly(**asked):
        study_extend(study=repeat, n_trials=8, now=NOW)
        monkeypatch.setattr(work, "candidate_of", candidate_of)
        return candidate_of(**asked)

    monkeypatch.setattr(work, "candidate_of", slowly)
    assert work.study_work(study_id=repeat.pk, clock=lambda: NOW) == "RUNNING"

    repeat.refresh_from_db()
    assert repeat.holdout_opened_at is None
    ended = study_finish(repeat)
    assert (ended.n_done, ended.holdout_trial) == (8, ended.judgement["pick"])


def test_a_second_proposal_of_an_extended_repeat_takes_the_place_of_the_first():
    study, _ = scheduled(method="random", n_trials=5)
    repeat = repeated(study)
    first = repeat.proposal

    again = study_finish(study_extend(study=repeat, n_trials=8, now=NOW))

    assert again.proposal.pk == first.pk
    assert again.proposal.gates[1]["value"] == again.judgement["deflated_sharpe"]


def test_parameters_in_use_that_the_rules_refuse_by_now_withhold_with_the_reason():
    study, version = scheduled()
    worse = strategy_get("sma_cross").defaults | {"fast": 400, "slow": 500}
    version_create(strategy=version.strategy, parameters=worse)

    made = repeated(study).proposal

    assert "bars" in next(g["must"] for g in made.gates if "compared" in g["must"])
    assert made.status == "WITHHELD"


def test_accepting_makes_a_draft_once_and_touches_nothing_that_runs():
    study, version = scheduled()
    offered = proposal(study, version)

    accepted = proposal_accept(proposal=offered, now=NOW)

    assert proposal_accept(proposal=offered, now=NOW).version_id == accepted.version_id
    assert (accepted.version.number, accepted.version.is_draft) == (2, True)
    assert StrategyVersion.objects.get(pk=version.pk).parameters == version.parameters
    assert not Deployment.objects.exists()


def test_a_rejected_proposal_stays_rejected():
    study, version = scheduled()
    offered = proposal(study, version)
    proposal_reject(proposal=offered, now=NOW)

    with pytest.raises(Conflict, match="is rejected"):
        proposal_accept(proposal=offered, now=NOW)


def test_a_withheld_proposal_cannot_be_accepted():
    study, version = scheduled()

    with pytest.raises(Conflict, match="is not offered"):
        proposal_accept(proposal=proposal(study, version, status="WITHHELD"), now=NOW)


@pytest.mark.parametrize("every_days", [0, 367])
def test_repeats_have_bounds(every_days):
    study, version = scheduled()

    with pytest.raises(DomainError, match="between 1 and 366"):
        repeats_schedule(study=study, strategy=version.strategy, every_days=every_days, now=NOW)
