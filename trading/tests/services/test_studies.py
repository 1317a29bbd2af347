"""A study is its rows: any worker picks it up, nothing counts twice, nothing runs by itself."""

import datetime as dt
import math

import pytest

from elson.common.errors import Conflict, Forbidden, TooMany
from trading.engine.luck import expected_max_sharpe
from trading.models import (
    Deployment,
    Strategy,
    StrategyVersion,
    Study,
    Trial,
)
from trading.selectors.studies import study_pace
from trading.selectors.versions import parameters_diff
from trading.services.strategies import strategy_create
from trading.services.studies.adoption import study_apply
from trading.services.studies.drafts import StudyInvalid, study_draft_read
from trading.services.studies.holdout import HoldoutAlreadyOpened, holdout_open, looks_before
from trading.services.studies.requests import (
    study_extend,
    study_quota,
    study_request,
    study_warning,
)
from trading.tests.factories import NOW, user_make
from trading.tests.study_rows import (
    ASKED,
    member_make,
    n_jobs,
    study_finish,
    study_make,
)

pytestmark = pytest.mark.django_db


# --- asking ---------------------------------------------------------------------------------------


def test_a_request_stores_its_trials_as_one_free_chunk_and_one_job_per_worker():
    study = study_make(member_make(), n_workers=3)

    assert study.n_trials == study.chunks.get().n_trials == 12
    assert not study.trials.exists()
    assert n_jobs() == 3
    assert study.end_date is not None


def test_the_same_key_returns_the_same_study():
    owner = member_make()
    first = study_make(owner)
    draft = study_draft_read(ASKED)

    once = study_request(user=owner, draft=draft, now=NOW, client_key="k")

    same = study_draft_read({**ASKED, "symbol": "walk"})
    assert study_request(user=owner, draft=same, now=NOW, client_key="k") == once != first


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"seed": 8}, "seed"), ({"cash": 5}, "cash"), ({"n_folds": 4}, "n folds"),
     ({"space": {"fast": {"low": 3, "high": 9, "step": 3}}}, "space"),
     ({"n_trials": 500}, "trials"), ({"end_date": "2009-06-01"}, "end date")],
)  # fmt: skip
def test_a_key_that_made_another_search_is_a_conflict(changed, word):
    owner = member_make()
    study_make(owner)
    asked = study_draft_read(ASKED)
    study_request(user=owner, draft=asked, now=NOW, client_key="k")

    with pytest.raises(Conflict, match=f"another {word}"):
        study_request(
            user=owner, draft=study_draft_read({**ASKED, **changed}), now=NOW, client_key="k"
        )


def test_a_key_answers_what_it_made_after_it_was_extended():
    owner = member_make()
    study_make(owner)
    draft = study_draft_read({**ASKED, "method": "random", "n_trials": 5})
    made = study_request(user=owner, draft=draft, now=NOW, client_key="k")
    study_extend(study=made, n_trials=8, now=NOW)

    assert study_request(user=owner, draft=draft, now=NOW, client_key="k") == made


def test_a_plan_without_optimization_refuses_and_stores_nothing():
    with pytest.raises(Forbidden, match="Your plan has no optimization"):
        study_make(user_make())

    assert not Study.objects.exists()


def test_more_trials_than_the_plan_allows_are_refused_with_both_numbers():
    with pytest.raises(TooMany, match="2,001 trials are more than the 2,000"):
        study_make(member_make(), method="random", n_trials=2001)


@pytest.mark.parametrize(
    ("code", "n_left"), [("WORKER_LOST", 2), ("SPACE_CHANGED", 2), ("INSUFFICIENT_BARS", 1)]
)
def test_a_search_that_failed_is_free_only_where_the_platform_is_at_fault(code, n_left):
    owner = member_make()
    owner.entitlements.filter(key="optimize.runs_per_day").update(value=2)
    study_make(owner)
    Study.objects.update(status="FAILED", error_code=code, created_at=NOW)

    assert study_quota(user=owner, now=NOW).n_left == n_left


def test_the_day_has_as_many_searches_as_the_plan_says():
    owner = member_make()
    owner.entitlements.filter(key="optimize.runs_per_day").update(value=1)
    study = study_make(owner)

    with pytest.raises(TooMany, match="You started 1 of 1 optimizations today"):
        study_make(owner)

    assert study_quota(user=owner, now=study.created_at + dt.timedelta(days=1)).n_left == 1


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"space": "{"}, "space", "is not JSON"),
        ({"space": "[" * 100_000}, "space", "is nested too deeply"),
        ({"space": {"fast": {"high": 10**400}}}, "space.fast", "beyond the largest number"),
        ({"n_trials": 10**400}, "n_trials", "is not a number"),
        ({"space": {"speed": {}}}, "space", "no parameter 'speed'"),
        ({"space": {}}, "space", "is empty"),
        ({"method": "magic"}, "method", "one of grid, random, tpe"),
        ({"n_trials": 0}, "n_trials", "Trials 0 must lie between 1 and 10,000"),
        ({"n_trials": 2.5}, "n_trials", "whole number"),
        ({"holdout_share": 0.1}, "holdout_share", "between 0.15 and 0.5"),
        ({"n_folds": 1}, "n_folds", "between 2 and 20"),
        ({"deepest_drawdown": 0.2}, "deepest_drawdown", "between -1 and -0.001"),
        ({"strategy_key": "magic"}, "strategy_key", "no strategy 'magic'"),
        ({"commission_bps": 0}, "is_free_confirmed", "no market trades for free"),
    ],
)
def test_a_wrong_request_is_refused_by_field(changed, field, words):
    with pytest.raises(StudyInvalid, match=words) as refused:
        study_draft_read({**ASKED, **changed})

    assert field in refused.value.data["errors"]


def test_a_grid_larger_than_the_trials_is_refused_before_anything_is_stored():
    with pytest.raises(StudyInvalid, match="The grid has 12 combinations and 5 trials"):
        study_make(member_make(), n_trials=5)

    assert not Study.objects.exists()


def test_too_short_a_history_is_refused_with_its_bars():
    with pytest.raises(StudyInvalid, match="for each of 20 folds"):
        study_make(member_make(), n_folds=20)


def test_luck_is_warned_of_before_the_start():
    owner = member_make()
    study_make(owner)
    draft = study_draft_read({**ASKED, "n_trials": 2000})

    assert "by luck" in study_warning(user=owner, draft=draft)


# --- hold-out and adoption ------------------------------------------------------------------------


def test_the_holdout_opens_once_and_is_recorded():
    study = study_finish(study_make(member_make()))
    pick = study.judgement["pick"]

    opened = holdout_open(study=study, number=pick, now=NOW)

    assert (opened.holdout_trial, opened.holdout_opened_at) == (pick, NOW)
    assert opened.holdout["n_bars"] == 100
    with pytest.raises(HoldoutAlreadyOpened, match=f"for trial {pick}"):
        holdout_open(study=study, number=1, now=NOW)


def test_another_idea_on_the_same_bars_is_judged_by_all_looks_at_them():
    owner = member_make()
    first = study_finish(study_make(owner))
    alone = holdout_open(study=first, number=1, now=NOW).holdout
    other = study_finish(study_make(owner, holdout_share=0.3))
    assert looks_before(other) == 1
    Study.objects.filter(pk=first.pk).delete()

    found = holdout_open(study=other, number=2, now=NOW).holdout

    assert (alone["n_looks"], alone["expected_max_sharpe"]) == (1, 0.0)
    assert found["n_looks"] == 2
    luck = expected_max_sharpe(2, found["n_bars"] ** -0.5) * math.sqrt(252)
    assert found["expected_max_sharpe"] == pytest.approx(luck)


def test_the_same_idea_and_looks_of_others_and_at_other_bars_are_no_other_look():
    owner = member_make()
    study_open(owner, 1)
    study_open(member_make(), 2)
    study_open(owner, 3, end_date="2009-08-31")

    assert looks_before(study_make(owner)) == 1
    assert study_open(owner, 1).holdout["n_looks"] == 1
    assert study_open(owner, 2).holdout["n_looks"] == 2


def study_open(owner, number, **asked):
    return holdout_open(study=study_finish(study_make(owner, **asked)), number=number, now=NOW)


def test_after_the_holdout_no_trial_is_added():
    study = study_finish(study_make(member_make(), method="random", n_trials=5))
    holdout_open(study=study, number=1, now=NOW)

    with pytest.raises(Conflict, match="was opened"):
        study_extend(study=study, n_trials=10, now=NOW)


def test_the_holdout_stays_shut_while_trials_are_made():
    with pytest.raises(Conflict, match="is running; stop it"):
        holdout_open(study=study_make(member_make()), number=1, now=NOW)


def test_applying_makes_a_draft_version_and_starts_nothing():
    owner = member_make()
    study = study_finish(study_make(owner))
    used = strategy_create(user=owner, key="sma_cross", name="Mine")

    version = study_apply(study=study, number=1, strategy=used.strategy)

    assert (version.number, version.is_draft, version.parameters["fast"]) == (2, True, 3)
    assert version.note == f"from optimization #{study.pk}, trial 1"
    assert StrategyVersion.objects.get(pk=used.pk).parameters == used.parameters
    assert not Deployment.objects.exists()


def test_applying_without_a_strategy_makes_one():
    study = study_finish(study_make(member_make()))

    version = study_apply(study=study, number=2, strategy=None)

    assert Strategy.objects.get().pk == version.strategy_id


def test_parameters_of_other_rules_are_not_applied():
    owner = member_make()
    study = study_finish(study_make(owner))
    other = strategy_create(user=owner, key="rsi2_reversion", name="Other").strategy

    with pytest.raises(Conflict, match="follows rsi2_reversion"):
        study_apply(study=study, number=1, strategy=other)


def test_the_difference_lists_every_parameter_and_marks_the_changed():
    changes = parameters_diff(
        strategy_key="sma_cross", old={"fast": 20, "slow": 50}, new={"fast": 5, "slow": 50}
    )

    assert [change.key for change in changes if change.is_changed] == ["fast"]


def test_the_pace_tells_how_long_the_rest_takes():
    study = study_make(member_make())
    for k in range(1, 4):
        at = NOW + dt.timedelta(seconds=2 * k)
        Trial.objects.create(study=study, number=k, status="DONE", finished_at=at)
    study.n_done = 3

    pace = study_pace(study)

    assert (pace.trials_per_second, pace.seconds_left) == (0.5, 18.0)
