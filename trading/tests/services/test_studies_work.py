"""Workers share a study: chunks, leases, one verdict, the same trials however many there are."""

import datetime as dt

import pytest

from trading.models import (
    Study,
    TrialLedgerEntry,
)
from trading.selectors.studies import trial_list, trials_counted
from trading.services.studies import chunks, work
from trading.services.studies.requests import studies_sweep, study_pause
from trading.services.studies.work import TrialOutcome, study_work
from trading.tests.factories import NOW
from trading.tests.study_rows import (
    ASKED,
    LATER,
    figures,
    member_make,
    part_evaluated,
    study_finish,
    study_make,
    trial_spoil,
    turn,
)

pytestmark = pytest.mark.django_db


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


class SlowClock:
    """Time passes by so many seconds with every look at it: as if each trial took that long."""

    def __init__(self, seconds, now=NOW):
        self.now, self.step = now, dt.timedelta(seconds=seconds)

    def __call__(self):
        self.now += self.step
        return self.now


def test_a_slow_trial_is_left_to_its_worker_once_a_trial_of_the_study_was_slow():
    study = study_make(member_make())
    assert study_work(study_id=study.pk, clock=SlowClock(31)) == "CONTINUES"

    study.refresh_from_db()
    mine = chunks.chunk_claim(study=study, size=1, now=LATER)
    others = chunks.chunk_claim(study=study, size=20, now=LATER + dt.timedelta(seconds=31))

    assert study.slowest_seconds == 31
    assert others.first > mine.first
    assert studies_sweep(now=study.lease_expires_at - dt.timedelta(seconds=1)) == 0
    end = LATER + chunks.LEASE + dt.timedelta(seconds=31 * chunks.SLOWER + 1)
    assert chunks.chunk_claim(study=study, size=20, now=end).first == mine.first


def test_how_long_a_lost_trial_took_is_known_to_whoever_repeats_it():
    study = study_make(member_make())
    _, lost = part_evaluated(study, 2)
    chunks.chunk_claim(study=study, size=20, now=LATER)
    chunks.chunk_claim(study=study, size=20, now=LATER)

    chunks.chunk_write(
        study=study, chunk=lost, outcomes=[], n_bars=1, now=LATER, slowest_seconds=31.0
    )

    assert Study.objects.get().slowest_seconds == 31.0


def test_a_worker_keeps_its_lease_while_a_run_tells_how_far_it_is():
    study = study_make(member_make())
    _, chunk = part_evaluated(study, 2)
    hold = work.Hold(study, chunk, SlowClock(20))

    hold.within("Simulating", 0.1)
    hold.within("Simulating", 0.2)

    renewed = NOW + dt.timedelta(seconds=60) + chunks.LEASE
    assert study.chunks.get(lease_key=chunk.key).lease_expires_at == renewed
    study_pause(study=study)
    hold.within("Simulating", 0.3)
    assert not hold.after_trial()


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
    outcomes = work._evaluated(setup, work.Hold(study, chunk, lambda: NOW))
    chunks.chunk_write(study=study, chunk=chunk, outcomes=outcomes, n_bars=9, now=NOW)
    # As if the rules of a plugin had been changed while it was paused.
    slow = {"low": low, "high": high, "step": 10}
    Study.objects.update(space={**ASKED["space"], "slow": slow})

    assert turn(study) == "FAILED"

    study.refresh_from_db()
    assert (study.error_code, study.n_done) == ("SPACE_CHANGED", chunk.n_trials)
    assert "The rules of sma_cross have changed" in study.error


@pytest.mark.parametrize(
    ("size", "n_sharing", "sizes"),
    [(8, 2, [6, 3, 2, 1]), (20, 4, [3, 3, 2, 2, 2])],
    ids=["to the last one", "not below a tenth of what was asked for"],
)
def test_the_last_trials_are_divided_among_the_workers(size, n_sharing, sizes):
    study = study_make(member_make())

    found = []
    while chunk := chunks.chunk_claim(study=study, size=size, now=NOW, n_sharing=n_sharing):
        found.append(chunk.n_trials)

    assert found == sizes


def test_only_the_worker_that_wrote_the_last_chunk_judges(monkeypatch):
    study = study_make(member_make())
    setup, slow = part_evaluated(study, 6)
    outcomes = work._evaluated(setup, work.Hold(study, slow, lambda: NOW))
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


def test_a_long_error_is_cut_to_what_a_trial_keeps():
    study = study_make(member_make())
    _, chunk = part_evaluated(study, 1)
    long = TrialOutcome(chunk.first, chunk.parameters[0], {}, error="x" * 500)

    chunks.chunk_write(study=study, chunk=chunk, outcomes=[long], n_bars=1, now=NOW)

    assert trial_list(study, failed=True).get().error == "x" * 300


def test_a_finished_chunk_is_progress_and_the_sweeper_counts_anew():
    study = study_make(member_make())
    Study.objects.update(n_revivals=3)

    assert study_finish(study).n_revivals == 0
