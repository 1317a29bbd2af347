"""Who may decide: every allowed change and every refused one, recorded and safe to repeat."""

import numpy as np
import pytest
from django.db import IntegrityError, transaction

from elson.common.errors import NotFound
from trading.engine.learning.measurement import gate_figures
from trading.models import ModelApproval, ModelTransition, ModelVersion
from trading.models.immutable import RowImmutable
from trading.selectors.model_versions import fallback_state, version_active, version_get
from trading.services.models.candidates import Candidates, candidates_joined
from trading.services.models.gates import gates_of, gates_passed
from trading.services.models.registry import (
    ReasonMissing,
    TransitionRefused,
    version_first_activate,
    version_promote,
    version_retire,
    version_rollback,
    version_shadow,
)
from trading.services.models.sequence import OutOfSample
from trading.tests.factories import NOW, user_make
from trading.tests.services.model_rows import PASSED, version_make

pytestmark = pytest.mark.django_db
WHY = {"reason": "better in EXTREME", "now": NOW}


def active_make(number: int = 1, **values) -> ModelVersion:
    version = version_make(number, state="SHADOW", **values)
    return version_promote(version=version, actor=user_make(), **WHY)


def test_a_candidate_becomes_shadow_then_active_with_its_history():
    person, version = user_make(), version_make()

    version_shadow(version=version, actor=person, **WHY)
    promoted = version_promote(version=version, actor=person, **WHY)

    assert version_active("hybrid") == promoted
    moves = ModelTransition.objects.order_by("pk").values_list("from_state", "to_state")
    assert list(moves) == [("CANDIDATE", "SHADOW"), ("SHADOW", "ACTIVE")]
    assert ModelTransition.objects.last().gates == version.gates


def test_promotion_retires_the_champion_and_says_by_whom_it_was_replaced():
    champion = active_make(1)

    challenger = active_make(2, champion=1)

    champion.refresh_from_db()
    assert (champion.state, challenger.state) == ("RETIRED", "ACTIVE")
    assert champion.transitions.get(to_state="RETIRED").reason == "replaced by hybrid model 2"


def test_a_version_that_looks_at_what_the_rule_no_longer_computes_may_not_decide():
    champion = active_make(1)
    version = version_make(2, state="SHADOW", champion=1, features=["rsi", "moon_phase"])

    with pytest.raises(TransitionRefused, match=r"hybrid model 2 looks at moon_phase, which"):
        version_promote(version=version, actor=None, **WHY)

    assert version_active("hybrid") == champion


def test_nobody_rolls_back_to_a_version_whose_features_are_gone():
    first = active_make(1)
    second = active_make(2, champion=1)
    ModelVersion.objects.filter(pk=first.pk).update(features=["moon_phase"])

    with pytest.raises(TransitionRefused, match="moon_phase, which the rule no longer computes"):
        version_rollback(version=second, actor=None, **WHY)

    assert version_active("hybrid") == second


@pytest.mark.parametrize("change", [version_shadow, version_promote, version_retire])
def test_repeating_a_change_changes_nothing(change):
    state = {"version_shadow": "CANDIDATE", "version_promote": "SHADOW"}
    version = version_make(state=state.get(change.__name__, "SHADOW"))

    first = change(version=version, actor=None, **WHY)
    again = change(version=version, actor=None, **WHY)

    assert first.state == again.state
    assert ModelTransition.objects.count() == 1


@pytest.mark.parametrize(
    ("state", "change"),
    [
        ("CANDIDATE", version_promote),
        ("ACTIVE", version_shadow),
        ("RETIRED", version_shadow),
        ("RETIRED", version_promote),
    ],
)
def test_a_step_that_is_not_allowed_is_refused_and_not_recorded(state, change):
    version = version_make(state=state)

    with pytest.raises(TransitionRefused):
        change(version=version, actor=None, **WHY)

    assert not ModelTransition.objects.exists()


def test_failed_gates_are_named_with_their_numbers():
    failed = [{"name": "ece", "is_passed": False, "text": "calibration error 0.08, at most 0.03"}]
    version = version_make(state="SHADOW", gates=failed)

    with pytest.raises(TransitionRefused, match=r"calibration error 0\.08, at most 0\.03"):
        version_promote(version=version, actor=None, **WHY)


def test_gates_passed_against_another_champion_do_not_count():
    active_make(1)
    version = version_make(2, state="SHADOW")

    with pytest.raises(TransitionRefused, match="compared with model none, but hybrid model 1"):
        version_promote(version=version, actor=None, **WHY)


def test_a_change_without_a_reason_is_refused():
    with pytest.raises(ReasonMissing):
        version_shadow(version=version_make(), actor=None, reason="  ", now=NOW)


def test_two_people_are_needed_where_that_is_set(settings):
    settings.MODEL_PROMOTION_NEEDS_TWO = True
    first, second = user_make(), user_make()
    version = version_make(state="SHADOW")

    for _ in range(2):
        assert version_promote(version=version, actor=first, **WHY).state == "SHADOW"
    promoted = version_promote(version=version, actor=second, **WHY)

    assert promoted.state == "ACTIVE"
    last = ModelTransition.objects.last()
    assert (last.actor, last.approver) == (second, first)
    assert ModelApproval.objects.count() == 2


def test_rollback_gives_the_decision_back_and_can_be_rolled_back():
    one = active_make(1)
    two = active_make(2, champion=1)

    back = version_rollback(version=two, actor=None, reason="drift", now=NOW)

    two.refresh_from_db()
    assert (back.pk, two.state) == (one.pk, "RETIRED")
    assert "rolled back to hybrid model 1: drift" in two.transitions.last().reason
    again = version_rollback(version=one, actor=None, reason="was fine", now=NOW)
    assert again.pk == two.pk


def test_a_second_click_on_rollback_does_not_undo_the_first():
    one = active_make(1)
    two = active_make(2, champion=1)

    for _ in range(2):
        assert version_rollback(version=two, actor=None, **WHY).pk == one.pk

    two.refresh_from_db()
    assert two.state == "RETIRED"
    assert two.transitions.filter(to_state="RETIRED").count() == 1


def test_a_second_step_back_goes_further_back():
    one, two = active_make(1), active_make(2, champion=1)
    three = active_make(3, champion=2)

    assert version_rollback(version=three, actor=None, **WHY) == two
    assert version_rollback(version=two, actor=None, **WHY) == one


def test_rollback_after_retiring_brings_the_retired_one_back():
    one = active_make(1)
    version_retire(version=one, actor=None, **WHY)
    assert fallback_state("hybrid").is_fallback

    assert version_rollback(version=one, actor=None, **WHY).pk == one.pk


def test_rollback_without_a_predecessor_is_refused():
    one = active_make(1)

    with pytest.raises(TransitionRefused, match="No other model of hybrid"):
        version_rollback(version=one, actor=None, **WHY)


def test_an_unknown_version_is_named():
    with pytest.raises(NotFound, match="no model version 9"):
        version_get(9)


def test_the_fallback_says_since_when_and_why():
    assert "no model has been trained yet" in fallback_state("hybrid").text
    version_retire(version=active_make(1), actor=None, reason="drifted", now=NOW)

    state = fallback_state("hybrid")

    assert state.since == NOW
    assert state.text == "Fallback rules in use since 2026-01-05 12:00 UTC: drifted"


def test_the_first_version_needs_nobody_but_its_gates():
    version = version_first_activate(version=version_make(), now=NOW)
    second = version_first_activate(version=version_make(2), now=NOW)

    assert (version.state, second.state) == ("ACTIVE", "CANDIDATE")


def test_a_first_version_that_failed_a_gate_only_watches():
    failed = [PASSED[0] | {"is_passed": False}]
    first = version_make(state="CANDIDATE", gates=failed)

    row = version_first_activate(version=first, now=NOW)

    assert row.state == "SHADOW"
    assert version_active("hybrid") is None


def test_the_database_allows_one_active_version_of_a_strategy():
    active_make(1)

    with pytest.raises(IntegrityError), transaction.atomic():
        version_make(2, state="ACTIVE")


def test_history_cannot_be_rewritten():
    active_make(1)

    with pytest.raises(RowImmutable):
        ModelTransition.objects.update(reason="other")
    with pytest.raises(RowImmutable):
        ModelApproval.objects.first().delete()


def calibrated(seed, n=400):
    """Candidates of a calibrated model, all entries of one bar each."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.3, 0.8, n)
    net = np.where(rng.uniform(size=n) < p, 0.01, -0.01)
    times = np.arange(n)
    rows = Candidates(p[:, None], times, times, net, np.zeros(n, dtype=np.int64), times >= 0)
    return OutOfSample(rows, p, np.full(n, 0.5), np.full(n, 0.55))


def test_gates_keep_the_figures_of_the_champion_on_the_same_candidates():
    challenger = calibrated(1)
    champion = OutOfSample(
        challenger.candidates, np.full(400, 0.55), challenger.threshold, challenger.base
    )
    theirs = gate_figures(champion.probability, champion.candidates.net_return, 0.5)

    found = {gate["name"]: gate["before"] for gate in gates_of(challenger, champion)}

    assert found == {
        "candidates": 400,
        "log_loss": theirs.log_loss,
        "brier": theirs.brier,
        "win_rate": theirs.interval.low,
        "calibration": theirs.ece,
    }
    assert {gate["before"] for gate in gates_of(challenger, None)} == {None}


def test_gates_without_any_candidate_fail():
    empty = candidates_joined([])
    gates = gates_of(OutOfSample(empty, *[empty.net_return] * 3), None)

    assert not gates_passed(gates)
    assert not gates_passed([])
    assert gates[2]["text"] == "Brier score: no data"


def test_a_trained_version_that_missed_gates_is_named_with_its_figures():
    gates = [
        {"name": "brier", "is_passed": True, "text": "Brier 0.2400, at most 0.2500 wanted"},
        {"name": "log_loss", "is_passed": False, "text": "log-loss 0.70, at most 0.69 wanted"},
    ]
    version_make(3, state="SHADOW", gates=gates)

    assert fallback_state("hybrid").text == (
        "Rules decide alone: model 3 is trained but missed 1 of 2 gates "
        "(log-loss 0.70, at most 0.69 wanted), so it has no say."
    )


def test_a_version_that_waits_for_somebody_says_so():
    version_make(4, state="SHADOW")

    assert fallback_state("hybrid").text == (
        "Rules decide alone: model 4 passed its gates and waits for somebody to promote it."
    )
