"""Pausing, stopping and extending a study, and what the sweeper does with a silent one."""

import datetime as dt

import pytest

from elson.common.errors import Conflict
from trading.models import (
    Study,
)
from trading.services.studies import chunks, work
from trading.services.studies.drafts import StudyInvalid
from trading.services.studies.requests import (
    MOST_REVIVALS,
    studies_sweep,
    study_extend,
    study_pause,
    study_resume,
    study_stop,
)
from trading.tests.factories import NOW
from trading.tests.study_rows import (
    LATER,
    figures,
    member_make,
    n_jobs,
    part_evaluated,
    study_finish,
    study_make,
    turn,
)

pytestmark = pytest.mark.django_db


# --- pausing, stopping, extending -----------------------------------------------------------------


def test_a_paused_study_is_left_alone_until_resumed():
    study = study_pause(study=study_make(member_make()))

    assert turn(study) == "NOTHING_TO_DO"
    assert study_pause(study=study).status == "PAUSED"
    study_finish(study_resume(study=study, now=NOW))


def test_a_worker_takes_nothing_more_of_a_study_that_was_paused_during_its_turn():
    study = study_make(member_make())
    seen = Study.objects.get()
    study_pause(study=study)

    assert chunks.chunk_claim(study=seen, size=5, now=NOW) is None
    assert seen.status == "PAUSED"


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
    outcomes = work._evaluated(setup, work.Hold(study, chunk, lambda: NOW))[:6]
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


def test_a_study_that_runs_again_by_the_time_it_is_judged_gets_no_verdict(monkeypatch):
    study = study_make(member_make())

    def judged_slowly(**asked):
        Study.objects.update(status="RUNNING")
        return {"n_done": 0}

    monkeypatch.setattr(work, "study_judge", judged_slowly)
    turn(study_stop(study=study, now=NOW))

    assert Study.objects.get().judgement is None


def test_a_finished_study_cannot_be_paused():
    study = study_finish(study_make(member_make()))

    with pytest.raises(Conflict, match="is done and cannot become paused"):
        study_pause(study=study)


def test_an_extended_study_goes_on_where_it_was():
    study = study_finish(study_make(member_make(), method="random", n_trials=5))
    before = figures(study)

    study_finish(study_extend(study=study, n_trials=9, now=NOW))

    assert figures(study)[:5] == before
    at_once = study_make(member_make(), method="random", n_trials=9)
    assert figures(study) == figures(study_finish(at_once))


def test_extending_a_running_study_sends_no_more_workers():
    study = study_make(member_make(), method="random", n_trials=5)

    study_extend(study=study, n_trials=9, now=NOW)

    assert n_jobs() == study.n_workers


def test_extending_twice_is_the_same_as_once():
    study = study_finish(study_make(member_make(), method="random", n_trials=5))

    rows = [study_extend(study=study, n_trials=8, now=NOW) for _ in range(2)]

    assert [row.n_trials for row in rows] == [8, 8]
    assert study.chunks.get().n_trials == 3
    assert n_jobs() == 2 * study.n_workers


@pytest.mark.parametrize("n_trials", [4, 10_001])
def test_an_extension_goes_beyond_what_there_is_and_has_a_limit(n_trials):
    study = study_make(member_make(), method="random", n_trials=5)

    with pytest.raises(StudyInvalid, match="between the 5 there are and 10,000"):
        study_extend(study=study, n_trials=n_trials, now=NOW)


def test_extending_takes_an_error_away():
    study = study_make(member_make(), method="random", n_trials=5)
    Study.objects.filter(pk=study.pk).update(status="FAILED", error_code="X", error="It broke.")

    row = study_extend(study=study, n_trials=6, now=NOW)

    assert (row.status, row.error, row.error_code) == ("RUNNING", "", "")


def test_trials_added_while_it_is_judged_are_still_made(monkeypatch):
    study = study_make(member_make(), method="random", n_trials=5)
    judge = work.study_judge

    def judged_slowly(**asked):
        monkeypatch.setattr(work, "study_judge", judge)
        study_extend(study=study, n_trials=9, now=NOW)
        return judge(**asked)

    monkeypatch.setattr(work, "study_judge", judged_slowly)
    assert turn(study) == "RUNNING"

    assert study_finish(study).n_done == 9


def test_a_grid_that_is_done_cannot_be_extended():
    study = study_finish(study_make(member_make()))

    with pytest.raises(Conflict, match="Every combination"):
        study_extend(study=study, n_trials=17, now=NOW)


# --- the sweeper ----------------------------------------------------------------------------------


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
