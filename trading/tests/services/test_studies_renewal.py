"""A repeated search only ever proposes: behind gates, to a person, as a draft."""

import datetime as dt

import pytest

from elson.common.errors import Conflict, DomainError
from marketdata.models import Bar
from trading.engine.strategies import strategy_get
from trading.models import Deployment, StrategyVersion, Study, StudyProposal
from trading.selectors.studies import proposals_open, study_usage
from trading.services.strategies import strategy_create
from trading.services.studies.renewal import (
    proposal_accept,
    proposal_reject,
    repeats_schedule,
    studies_repeat,
)
from trading.tests.factories import NOW, bars_make
from trading.tests.study_rows import member_make, study_finish, study_make

pytestmark = pytest.mark.django_db
MONTH = dt.timedelta(days=31)


def scheduled():
    owner = member_make()
    study = study_finish(study_make(owner))
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


def test_a_repeat_on_a_random_walk_is_withheld_with_its_gates():
    study, version = scheduled()
    bars_arrive(study)
    studies_repeat(now=NOW + MONTH)

    repeat = study_finish(study.repeats.get())

    made = repeat.proposal
    assert made.status == "WITHHELD"
    assert [gate["name"] for gate in made.gates if not gate["is_met"]]
    assert repeat.holdout_opened_at is not None
    assert not proposals_open(user_id=study.user_id).exists()
    assert list(StrategyVersion.objects.all()) == [version]


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

    with pytest.raises(Conflict, match="is REJECTED"):
        proposal_accept(proposal=offered, now=NOW)


def test_a_withheld_proposal_cannot_be_accepted():
    study, version = scheduled()

    with pytest.raises(Conflict, match="is WITHHELD"):
        proposal_accept(proposal=proposal(study, version, status="WITHHELD"), now=NOW)


@pytest.mark.parametrize("every_days", [0, 367])
def test_repeats_have_bounds(every_days):
    study, version = scheduled()

    with pytest.raises(DomainError, match="between 1 and 366"):
        repeats_schedule(study=study, strategy=version.strategy, every_days=every_days, now=NOW)
