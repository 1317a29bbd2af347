"""A study is its rows: any worker picks it up, nothing counts twice, nothing runs by itself."""

import datetime as dt

import pytest

from elson.common.errors import Conflict, Forbidden, TooMany
from elson.common.models import OutboxEvent
from trading.models import (
    Deployment,
    Strategy,
    StrategyVersion,
    Study,
    Trial,
    TrialLedgerEntry,
)
from trading.selectors.studies import study_pace, trial_list, trials_counted
from trading.selectors.versions import parameters_diff
from trading.services.strategies import strategy_create
from trading.services.studies import chunks, work
from trading.services.studies.adoption import study_apply
from trading.services.studies.drafts import StudyInvalid, study_draft_read
from trading.services.studies.requests import (
    MOST_REVIVALS,
    studies_sweep,
    study_extend,
    study_pause,
    study_quota,
    study_request,
    study_resume,
    study_stop,
    study_warning,
)
from trading.services.studies.setup import setup_of
from trading.services.studies.verdict import HoldoutAlreadyOpened, holdout_open
from trading.services.studies.work import TrialOutcome, study_work
from trading.tests.factories import NOW, user_make
from trading.tests.study_rows import (
    ASKED,
    member_make,
    study_finish,
    study_make,
    trial_spoil,
)

pytestmark = pytest.mark.django_db
LATER = NOW + chunks.LEASE + dt.timedelta(seconds=1)


def turn(study, now=NOW):
    return study_work(study_id=study.pk, clock=lambda: now)


def n_jobs():
    return OutboxEvent.objects.filter(name="trading.study_work").count()


def figures(study):
    rows = Trial.objects.filter(study=study).order_by("number")
    return [(row.number, row.parameters, row.objective, row.bar_sharpe) for row in rows]


def part_evaluated(study, n, now=NOW):
    """Do what a worker does up to the moment it is killed or asked to stop."""
    setup = setup_of(study)
    chunk = chunks.chunk_claim(study=study, size=n, now=now)
    work._draw(study, setup, chunk, ())
    return setup, chunk


# --- asking --------------------------------------------------------------------------------------


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
     ({"space": {"fast": {"low": 3, "high": 9, "step": 3}}}, "space")],
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


def test_a_plan_without_optimization_refuses_and_stores_nothing():
    with pytest.raises(Forbidden, match="Your plan has no optimization"):
        study_make(user_make())

    assert not Study.objects.exists()


def test_more_trials_than_the_plan_allows_are_refused_with_both_numbers():
    with pytest.raises(TooMany, match="2,001 trials are more than the 2,000"):
        study_make(member_make(), method="random", n_trials=2001)


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
        ({"space": {"fast": {"high": 10**400}}}, "space", "beyond the largest number"),
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


# --- working -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["grid", "random", "tpe"])
def test_a_worker_finishes_and_judges_a_study(method):
    study = study_finish(study_make(member_make(), method=method, n_trials=12))

    assert (study.status, study.n_done, study.n_failed) == ("SUCCEEDED", 12, 0)
    assert study.judgement["pick"] in range(1, 13)
    assert study.judgement["n_trials_counted"] == 12
    assert (
        trials_counted(
            user_id=study.user_id, strategy_key="sma_cross", instrument_id=study.instrument_id
        ).n_trials
        == 12
    )


def test_a_finished_study_does_nothing_more():
    study = study_finish(study_make(member_make()))

    assert turn(study) == "SUCCEEDED"
    assert TrialLedgerEntry.objects.count() == 12


@pytest.mark.parametrize("method", ["grid", "random"])
def test_any_number_of_workers_finds_the_same(method):
    one, two = (study_make(member_make(), method=method) for _ in range(2))
    study_finish(one)
    _, chunk = part_evaluated(two, 5)
    other = chunks.chunk_claim(study=two, size=5, now=NOW)
    assert chunk.last < other.first

    for held in (other, chunk):
        chunks.chunk_write(study=two, chunk=held, outcomes=[], n_bars=1, now=NOW)
    study_finish(two)

    assert figures(one) == figures(two)


def test_one_worker_repeats_a_tpe_study():
    one, two = (study_make(member_make(), method="tpe", n_trials=12) for _ in range(2))

    assert figures(study_finish(one)) == figures(study_finish(two))


def test_a_silent_worker_loses_its_chunk_to_the_next_claim_and_counts_once():
    study = study_make(member_make())
    _, lost = part_evaluated(study, 4)
    outcomes = [TrialOutcome(k, {}, {"bar_sharpe": 9.0}) for k in range(1, lost.last + 1)]

    assert study_work(study_id=study.pk, clock=lambda: LATER) == "SUCCEEDED"
    late = chunks.chunk_write(study=study, chunk=lost, outcomes=outcomes, n_bars=1, now=LATER)

    study.refresh_from_db()
    assert late == 0
    assert study.n_done == TrialLedgerEntry.objects.count() == 12
    assert not TrialLedgerEntry.objects.filter(bar_sharpe=9.0).exists()


def test_a_lease_that_was_lost_cannot_be_renewed():
    study = study_make(member_make())
    _, lost = part_evaluated(study, 2)
    chunks.chunk_claim(study=study, size=20, now=LATER)
    taken = chunks.chunk_claim(study=study, size=20, now=LATER)

    assert taken is not None
    assert not chunks.chunk_renew(study=study, chunk=lost, now=LATER)


def test_what_a_chunk_did_not_evaluate_waits_again():
    study = study_make(member_make())
    _, chunk = part_evaluated(study, 5)

    chunks.chunk_write(study=study, chunk=chunk, outcomes=[], n_bars=1, now=NOW)

    assert chunks.chunk_claim(study=study, size=12, now=NOW).last == 5
    assert chunks.chunk_claim(study=study, size=12, now=NOW).last == 12


def test_a_chunk_of_nothing_is_no_progress():
    study = study_make(member_make())
    Study.objects.update(n_revivals=3)
    _, chunk = part_evaluated(study, 5)

    chunks.chunk_write(study=study, chunk=chunk, outcomes=[], n_bars=1, now=LATER)

    row = Study.objects.get()
    assert (row.n_revivals, row.lease_expires_at) == (3, study.lease_expires_at)


@pytest.mark.parametrize("method", ["grid", "random"])
@pytest.mark.parametrize(("low", "high"), [(20, 30), (30, 50)], ids=["fewer", "others"])
def test_numbers_that_would_mean_other_combinations_fail_the_study(method, low, high):
    study = study_make(member_make(), method=method)
    setup, chunk = part_evaluated(study, 6)
    outcomes = work._evaluated(study, setup, chunk, lambda: NOW)
    chunks.chunk_write(study=study, chunk=chunk, outcomes=outcomes, n_bars=9, now=NOW)
    # As if the rules of a plugin had been changed while it was paused.
    slow = {"low": low, "high": high, "step": 10}
    Study.objects.update(space={**ASKED["space"], "slow": slow})

    assert turn(study) == "FAILED"

    study.refresh_from_db()
    assert (study.error_code, study.n_done) == ("SPACE_CHANGED", chunk.n_trials)
    assert "The rules of sma_cross have changed" in study.error


def test_the_last_trials_are_divided_among_the_workers():
    study = study_make(member_make())

    sizes = []
    while chunk := chunks.chunk_claim(study=study, size=8, now=NOW, n_sharing=2):
        sizes.append(chunk.n_trials)

    assert sizes == [6, 3, 2, 1]


def test_only_the_worker_that_wrote_the_last_chunk_judges(monkeypatch):
    study = study_make(member_make())
    setup, slow = part_evaluated(study, 6)
    outcomes = work._evaluated(study, setup, slow, lambda: NOW)
    claim = chunks.chunk_claim

    def claim_when_the_slow_one_is_done(**asked):
        if study.trials.count() == 6:
            chunks.chunk_write(study=study, chunk=slow, outcomes=outcomes, n_bars=9, now=NOW)
        return claim(**asked)

    monkeypatch.setattr(work, "chunk_claim", claim_when_the_slow_one_is_done)

    assert turn(study) == "NOTHING_TO_DO"
    study.refresh_from_db()
    assert (study.status, study.n_done, study.judgement) == ("RUNNING", 12, None)
    # Had it died before the verdict: whoever is sent then gives it.
    assert turn(study) == "SUCCEEDED"


def test_a_trial_that_cannot_run_is_counted_as_failed_and_listed():
    study = study_make(member_make(), n_bars=500)
    trial_spoil(study, number=3)

    done = study_finish(study)

    assert (done.n_done, done.n_failed) == (12, 1)
    failed = trial_list(done, failed=True).get()
    assert (failed.number, failed.parameters["fast"]) == (3, 0)
    assert "must be at least 1" in failed.error
    assert TrialLedgerEntry.objects.count() == 11


# --- pausing, stopping, extending ----------------------------------------------------------------


def test_a_paused_study_is_left_alone_until_resumed():
    study = study_pause(study=study_make(member_make()))

    assert turn(study) == "NOTHING_TO_DO"
    assert study_pause(study=study).status == "PAUSED"
    study_finish(study_resume(study=study, now=NOW))


def test_resuming_twice_sends_no_more_workers_than_were_asked_for():
    study = study_pause(study=study_make(member_make(), n_workers=2))

    for _ in range(3):
        study_resume(study=study, now=NOW)

    assert n_jobs() == 4


def test_stopping_twice_is_the_same_as_once():
    study = study_make(member_make())

    first = study_stop(study=study, now=NOW)
    second = study_stop(study=study, now=LATER)

    assert first.finished_at == second.finished_at == NOW
    assert n_jobs() == study.n_workers + 1


def test_a_stopped_study_is_judged_with_what_it_has():
    study = study_make(member_make())
    setup, chunk = part_evaluated(study, 12)
    outcomes = work._evaluated(study, setup, chunk, lambda: NOW)[:6]
    chunks.chunk_write(study=study, chunk=chunk, outcomes=outcomes, n_bars=9, now=NOW)

    assert turn(study_stop(study=study, now=NOW)) == "STOPPED"

    study.refresh_from_db()
    assert study.judgement["n_done"] == study.n_done == 6


def test_a_slow_verdict_does_not_replace_a_newer_one(monkeypatch):
    study = study_make(member_make())
    newer = {"n_done": 7}

    def judged_slowly(**asked):
        Study.objects.update(n_done=7, judgement=newer)
        return {"n_done": 0}

    monkeypatch.setattr(work, "study_judge", judged_slowly)
    turn(study_stop(study=study, now=NOW))

    assert Study.objects.get().judgement == newer


def test_a_finished_study_cannot_be_paused():
    study = study_finish(study_make(member_make()))

    with pytest.raises(Conflict, match="SUCCEEDED and cannot become PAUSED"):
        study_pause(study=study)


def test_an_extended_study_goes_on_where_it_was():
    study = study_finish(study_make(member_make(), method="random", n_trials=5))
    before = figures(study)

    study_finish(study_extend(study=study, n_more=4, now=NOW))

    assert figures(study)[:5] == before
    at_once = study_make(member_make(), method="random", n_trials=9)
    assert figures(study) == figures(study_finish(at_once))


def test_extending_a_running_study_sends_no_more_workers():
    study = study_make(member_make(), method="random", n_trials=5)

    study_extend(study=study, n_more=4, now=NOW)

    assert n_jobs() == study.n_workers


def test_extending_takes_an_error_away():
    study = study_make(member_make(), method="random", n_trials=5)
    Study.objects.filter(pk=study.pk).update(status="FAILED", error_code="X", error="It broke.")

    row = study_extend(study=study, n_more=1, now=NOW)

    assert (row.status, row.error, row.error_code) == ("RUNNING", "", "")


def test_trials_added_while_it_is_judged_are_still_made(monkeypatch):
    study = study_make(member_make(), method="random", n_trials=5)
    judge = work.study_judge

    def judged_slowly(**asked):
        monkeypatch.setattr(work, "study_judge", judge)
        study_extend(study=study, n_more=4, now=NOW)
        return judge(**asked)

    monkeypatch.setattr(work, "study_judge", judged_slowly)
    assert turn(study) == "RUNNING"

    assert study_finish(study).n_done == 9


def test_a_grid_that_is_done_cannot_be_extended():
    study = study_finish(study_make(member_make()))

    with pytest.raises(Conflict, match="Every combination"):
        study_extend(study=study, n_more=5, now=NOW)


# --- the sweeper ---------------------------------------------------------------------------------


def test_the_sweeper_sends_a_silent_study_again_and_gives_up_in_the_end():
    study = study_make(member_make())
    now = NOW
    for _ in range(MOST_REVIVALS):
        now += dt.timedelta(hours=1)
        assert studies_sweep(now=now) == 1

    assert studies_sweep(now=now + dt.timedelta(hours=1)) == 0

    study.refresh_from_db()
    assert (study.status, study.error_code) == ("FAILED", "WORKER_LOST")


def test_the_sweeper_sends_a_stopped_study_that_nobody_judged():
    study = study_stop(study=study_make(member_make()), now=NOW)

    assert studies_sweep(now=LATER) == 1
    assert turn(study) == "STOPPED"

    assert studies_sweep(now=LATER + dt.timedelta(hours=1)) == 0


def test_the_sweeper_leaves_a_working_study_alone():
    study_make(member_make())

    assert studies_sweep(now=NOW) == 0


# --- hold-out and adoption -----------------------------------------------------------------------


def test_the_holdout_opens_once_and_is_recorded():
    study = study_finish(study_make(member_make()))
    pick = study.judgement["pick"]

    opened = holdout_open(study=study, number=pick, now=NOW)

    assert (opened.holdout_trial, opened.holdout_opened_at) == (pick, NOW)
    assert opened.holdout["n_bars"] == 100
    with pytest.raises(HoldoutAlreadyOpened, match=f"for trial {pick}"):
        holdout_open(study=study, number=1, now=NOW)


def test_after_the_holdout_no_trial_is_added():
    study = study_finish(study_make(member_make(), method="random", n_trials=5))
    holdout_open(study=study, number=1, now=NOW)

    with pytest.raises(Conflict, match="was opened"):
        study_extend(study=study, n_more=5, now=NOW)


def test_the_holdout_stays_shut_while_trials_are_made():
    with pytest.raises(Conflict, match="is RUNNING; stop it"):
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
