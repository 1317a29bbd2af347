"""Challengers by the clock: asked for with a reason, in the shadow only, never twice for one."""

import datetime as dt

import pytest

from marketdata.models import BarSeries
from trading.models import DriftReport, ModelTraining, ModelTransition, ModelVersion
from trading.services.models.registry import version_challenge
from trading.services.models.retraining import REST, retraining_check
from trading.services.models.training import training_run
from trading.tests.factories import NOW, instrument_make
from trading.tests.services.model_rows import source, training_row, version_make

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
TRAINED_UNTIL = dt.date(2024, 1, 1)
State, Trigger = ModelVersion.State, ModelTraining.Trigger


@pytest.fixture
def version():
    return version_make(state=State.ACTIVE)


def prices_until(days):
    """One daily series that ends so many days after what the version has seen."""
    end = dt.datetime(2024, 1, 1, 20, tzinfo=dt.UTC) + days * DAY
    return instrument_make("NEWS", [100.0, 101.0], start=end - DAY)


def looks(version, *lights, red="rsi2"):
    for n, light in enumerate(lights):
        feature = {"name": red, "light": light, "psi": 0.4, "ks": 0.3, "n": 99}
        DriftReport.objects.create(
            version=version, created_at=NOW + n * dt.timedelta(hours=1), window_days=90,
            n_predictions=99 + n, n_resolved=0, light=light, features=[feature], score={},
            calibration={}, regimes={}, delay={},
        )  # fmt: skip


def test_a_quarter_of_newer_prices_is_a_reason(version):
    prices_until(92)

    training = retraining_check(now=NOW)

    assert (training.trigger, training.requested_by) == (Trigger.AGE, None)
    assert training.note == ("age: 92 days of prices are newer than what model 1 learned from")
    assert (training.kind, training.symbols) == (version.kind, ["NEWS"])


def test_less_than_a_quarter_is_none_while_no_drift_is_seen(version):
    prices_until(60)
    looks(version, "CRITICAL", "OK", "CRITICAL", "CRITICAL", "WARNING")

    assert retraining_check(now=NOW) is None


def test_three_red_looks_in_a_row_are_a_reason_and_name_what_is_red(version):
    prices_until(31)
    looks(version, "OK", "CRITICAL", "CRITICAL", "CRITICAL")

    training = retraining_check(now=NOW)

    assert training.trigger == Trigger.DRIFT
    assert training.note.startswith("drift: rsi2 in 3 looks; 31 days of prices")


def test_looks_at_the_same_predictions_are_one_look(version):
    prices_until(31)
    looks(version, "CRITICAL", "CRITICAL", "CRITICAL")
    DriftReport.objects.update(n_predictions=99)

    assert retraining_check(now=NOW) is None


def test_a_challenger_that_knows_the_prices_is_not_replaced(version):
    prices_until(92)
    challenger = version_make(9, state="SHADOW")
    ModelVersion.objects.filter(pk=challenger.pk).update(
        trained_until=version.trained_until + dt.timedelta(days=20)
    )

    assert retraining_check(now=NOW) is None
    BarSeries.objects.update(last_at=dt.datetime(2024, 1, 21, tzinfo=dt.UTC) + 92 * DAY)
    assert retraining_check(now=NOW).note.endswith("than what model 9 learned from")


def test_drift_without_newer_prices_trains_nothing(version):
    prices_until(29)
    looks(version, "CRITICAL", "CRITICAL", "CRITICAL")

    assert retraining_check(now=NOW) is None


def test_two_looks_are_too_few(version):
    prices_until(31)
    looks(version, "CRITICAL", "CRITICAL")

    assert retraining_check(now=NOW) is None


def test_the_same_prices_are_asked_about_once_even_after_a_failure(version):
    prices_until(92)
    first = retraining_check(now=NOW)
    ModelTraining.objects.filter(pk=first.pk).update(
        status=ModelTraining.Status.FAILED, created_at=NOW - 2 * REST
    )

    assert retraining_check(now=NOW) is None
    assert ModelTraining.objects.filter(trigger=Trigger.AGE).count() == 1


@pytest.mark.parametrize(
    "values",
    [
        {"status": "QUEUED", "created_at": NOW - 2 * REST},
        {"status": "SUCCEEDED", "trigger": "AGE", "created_at": NOW - DAY},
    ],
)
def test_one_under_way_or_a_recent_one_is_waited_for(version, values):
    prices_until(92)
    row = training_row()
    ModelTraining.objects.filter(pk=row.pk).update(**values)

    assert retraining_check(now=NOW) is None


def test_it_can_be_switched_off(version, settings):
    prices_until(92)
    settings.MODEL_RETRAINING = False

    assert retraining_check(now=NOW) is None


def test_without_any_version_there_is_nothing_to_challenge():
    prices_until(92)
    version_make(state=State.RETIRED)

    assert retraining_check(now=NOW) is None


def test_what_the_clock_trained_predicts_and_does_not_decide_even_as_the_first():
    training = training_row(trigger=Trigger.DRIFT, note="drift: score in 3 looks")

    training_run(training_id=training.pk, clock=lambda: NOW, source=source)

    version = ModelVersion.objects.get(training=training)
    assert version.state == State.SHADOW
    moves = ModelTransition.objects.filter(version=version).order_by("pk")
    assert [move.to_state for move in moves] == ["CANDIDATE", "SHADOW"]
    assert (moves[1].reason, moves[1].actor) == ("drift: score in 3 looks", None)


def test_a_challenger_replaces_the_one_before_it_and_nobody_else(version):
    old, own, newest = (
        version_make(n, state=s) for n, s in ((2, "SHADOW"), (3, "SHADOW"), (4, "CANDIDATE"))
    )
    for row in (old, newest):
        ModelTraining.objects.filter(pk=row.training_id).update(trigger=Trigger.AGE)
    newest.note = "age: newer prices"

    version_challenge(version=newest, now=NOW)

    states = [ModelVersion.objects.get(pk=row.pk).state for row in (version, old, own, newest)]
    assert states == ["ACTIVE", "RETIRED", "SHADOW", "SHADOW"]
