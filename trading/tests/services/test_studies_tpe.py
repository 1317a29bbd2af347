"""What a worker tells the sampler, and what becomes of the answer."""

import uuid

import pytest

from trading.engine.search import tpe_suggest
from trading.models import StudyChunk, Trial
from trading.services.studies import chunks, work
from trading.services.studies.setup import setup_of
from trading.services.studies.tried import Tried
from trading.tests.factories import NOW
from trading.tests.study_rows import member_make, study_finish, study_make

pytestmark = pytest.mark.django_db
SPACE = {"fast": {"low": 2, "high": 60}, "slow": {"low": 61, "high": 120}}


def tpe_make(**asked):
    return study_make(member_make(), method="tpe", space=SPACE, **asked)


def suggest(study, chunk):
    setup = setup_of(study)
    work._suggest(study, setup, chunk, Tried(study, setup.space))


def done(study, number, objective):
    return Trial(
        study=study,
        number=number,
        parameters={"fast": 2 + number % 50, "slow": 100},
        status=Trial.Status.DONE,
        objective=objective,
        finished_at=NOW,
    )


def test_a_worker_asks_for_five_with_what_is_known_by_then():
    study = study_finish(tpe_make(n_trials=30, fewest_trades=2))
    rows = list(Trial.objects.order_by("number").values_list("parameters", "objective"))
    told = [(moving, work.BROKEN if value is None else value) for moving, value in rows]

    for first in range(0, 30, 5):
        expected = tpe_suggest(
            setup_of(study).space, seed=study.seed + first + 1, n_trials=5, known=told[:first]
        )
        assert [moving for moving, _ in rows[first : first + 5]] == expected
    assert 0 < sum(value is None for _, value in rows) < 30


@pytest.mark.parametrize("n_read", [0, 150, 299])
def test_the_sampler_is_told_of_the_best_the_newest_and_the_broken_in_order(n_read):
    study = tpe_make(n_trials=300)
    Trial.objects.bulk_create(
        done(study, k, 0.5 if k < 30 else None if k == 299 else k / 1e4) for k in range(1, 300)
    )

    tried = Tried(study, setup_of(study).space)
    if n_read:
        later = list(Trial.objects.filter(number__gt=n_read))
        Trial.objects.filter(number__gt=n_read).delete()
        tried.read([])
        Trial.objects.bulk_create(later)

    told = work._known(Trial.objects.filter(study=study), tried)

    assert len(told) == 125
    assert [moving["fast"] for moving, _ in told[-3:]] == [2 + k % 50 for k in (297, 298, 299)]
    assert [value for _, value in told[:25]] == [0.5] * 25
    assert told[25][1] == 0.02
    assert told[-1][1] == work.BROKEN


def test_a_suggestion_keeps_away_from_what_another_worker_holds():
    study = tpe_make(n_trials=100)
    held = chunks.chunk_claim(study=study, size=95, now=NOW)
    every_second = [
        {"fast": fast, "slow": slow} for fast in range(2, 61, 2) for slow in range(61, 121)
    ]
    chunks.chunk_suggested(study=study, chunk=held, parameters=every_second)
    mine = chunks.chunk_claim(study=study, size=5, now=NOW)

    suggest(study, mine)

    assert all(moving["fast"] % 2 for moving in mine.parameters)


def test_suggestions_are_stored_before_they_are_evaluated():
    study = tpe_make(n_trials=20)
    chunk = chunks.chunk_claim(study=study, size=5, now=NOW)

    suggest(study, chunk)

    assert StudyChunk.objects.get(lease_key=chunk.key).parameters == chunk.parameters
    assert len(chunk.parameters) == 5


def test_the_suggestions_of_a_lost_worker_are_evaluated_by_the_next():
    study = tpe_make(n_trials=5)
    lost = chunks.chunk_claim(study=study, size=5, now=NOW)
    suggested = [{"fast": 2 + k, "slow": 90} for k in range(5)]
    chunks.chunk_suggested(study=study, chunk=lost, parameters=suggested)

    study_finish(study, now=NOW + 2 * chunks.LEASE)

    rows = Trial.objects.order_by("number").values_list("parameters", flat=True)
    assert list(rows) == suggested


def test_what_is_left_of_a_chunk_keeps_its_suggestions():
    study = tpe_make(n_trials=5)
    chunk = chunks.chunk_claim(study=study, size=5, now=NOW)
    suggested = [{"fast": 2 + k, "slow": 90} for k in range(5)]
    chunks.chunk_suggested(study=study, chunk=chunk, parameters=suggested)
    outcomes = [work.TrialOutcome(k, suggested[k - 1], {}, error="refused") for k in (1, 2)]

    chunks.chunk_write(study=study, chunk=chunk, outcomes=outcomes, n_bars=1, now=NOW)

    rest = chunks.chunk_claim(study=study, size=5, now=NOW)
    assert (rest.first, rest.parameters) == (3, suggested[2:])


def test_another_chunk_gets_other_suggestions():
    study = tpe_make(n_trials=20)
    found = []
    for first in (1, 6):
        chunk = chunks.Chunk(uuid.uuid4(), first, 5)
        suggest(study, chunk)
        found.append(chunk.parameters)

    assert found[0] != found[1]


def test_a_suggestion_repeats_no_trial_of_the_study_that_failed():
    study = tpe_make(n_trials=100)
    every_second = [(fast, slow) for fast in range(2, 61, 2) for slow in range(61, 121)]
    Trial.objects.bulk_create(
        Trial(
            study=study,
            number=1_000 + k,
            parameters={"slow": slow, "fast": fast},
            status=Trial.Status.FAILED,
            finished_at=NOW,
        )
        for k, (fast, slow) in enumerate(every_second)
    )
    chunk = chunks.chunk_claim(study=study, size=5, now=NOW)

    suggest(study, chunk)

    assert all(moving["fast"] % 2 for moving in chunk.parameters)


def test_trials_are_read_once_and_then_only_those_added(django_assert_num_queries):
    study = tpe_make(n_trials=300)
    tried = Tried(study, setup_of(study).space)
    Trial.objects.bulk_create(done(study, k, 1.0) for k in range(1, 40))
    tried.read([])
    last = tried._last_read

    Trial.objects.bulk_create([done(study, 40, 1.0)])
    with django_assert_num_queries(1) as asked:
        tried.read([{"slow": 80, "fast": 3}])

    assert f"> {last}" in asked[0]["sql"]
    assert all(one in tried for one in [(3, 100), (42, 100), (3, 80)])
    assert (50, 100) not in tried


def test_a_space_the_sampler_finds_nothing_in_fails_with_the_reason():
    alike = {"fast": {"low": 20, "high": 20}, "slow": {"low": 20, "high": 20}}
    study = study_make(member_make(), method="tpe", space=alike, n_trials=5)

    assert work.study_work(study_id=study.pk, clock=lambda: NOW) == "FAILED"

    study.refresh_from_db()
    assert study.error_code == "config_invalid"
    assert "sma_cross accepts none of" in study.error
