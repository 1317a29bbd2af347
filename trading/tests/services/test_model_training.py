"""Training year by year: what it stores, what it may not see, and a worker that is killed.

Long because every case trains on the same walks: stopped, resumed, revised, with too little.
"""

import datetime as dt

import numpy as np
import pytest
from django.utils import timezone

from elson.common.models import OutboxEvent
from marketdata.models import BarSeries
from marketdata.selectors import nanoseconds
from marketdata.types import Bars
from trading.engine.errors import StateInvalid
from trading.engine.learning.fitted import DatedModel
from trading.engine.walkforward import yearly_folds
from trading.models import ModelArtifact, ModelTraining, ModelTransition, ModelVersion
from trading.services import bindings
from trading.services.bindings import models_of
from trading.services.keys import KeyReused
from trading.services.models import training as training_module
from trading.services.models.candidates import (
    Candidates,
    TrainingBars,
    candidates_joined,
    candidates_of,
)
from trading.services.models.retraining import _is_resting
from trading.services.models.sequence import out_of_sample, year_fit, year_plans
from trading.services.models.training import (
    TrainingInvalid,
    training_cancel,
    training_request,
    training_run,
    trainings_sweep,
)
from trading.tests.factories import DAY, NOW, bars_make, instrument_make, user_make
from trading.tests.services.model_rows import source, training_row, version_trained, walk, walks

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """What a killed worker looks like from inside: nothing is caught."""


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    return candidates_joined([candidates_of(item) for item in walks()])


def test_every_row_a_model_learns_from_was_known_two_weeks_before_it_decides(candidates):
    plans = year_plans(candidates)

    day = 86_400 * 10**9
    assert len(plans) >= 5
    for plan in plans[:-1]:
        assert candidates.resolved_at[plan.rows].max() < plan.valid_from - 14 * day
    assert candidates.resolved_at[plans[-1].rows].max() < plans[-1].valid_from
    assert [plan.valid_from for plan in plans] == sorted({plan.valid_from for plan in plans})


def test_rows_are_those_of_the_walk_forward_folds(candidates):
    plans = {plan.valid_from: set(plan.rows.tolist()) for plan in year_plans(candidates)}

    for fold in yearly_folds(candidates.decided_at, candidates.resolved_at):
        start = nanoseconds(dt.datetime(fold.year, 1, 1, tzinfo=dt.UTC))
        assert plans[start] == set(fold.train.tolist()) | set(fold.calibration.tolist())


def test_the_future_of_the_data_changes_no_earlier_model(candidates):
    plans = year_plans(candidates)
    cut = plans[2].valid_from

    early = candidates.rows(candidates.resolved_at < cut)
    again = {plan.valid_from: plan for plan in year_plans(early)}

    for plan in plans[:2]:
        whole = year_fit(candidates, plan, kind="LOGISTIC", seed=7)
        part = year_fit(early, again[plan.valid_from], kind="LOGISTIC", seed=7)
        assert whole.content_hash == part.content_hash


def test_a_planted_future_feature_is_caught_by_the_test_of_truncation():
    bars = walk(1)
    cut = 2_000
    part = candidates_of(training_bars(bars.until(cut)))
    whole = candidates_of(training_bars(bars))

    known = whole.resolved_at <= bars.closed_at[cut]
    assert np.array_equal(whole.features[known], part.features)
    leaking = whole.features[known] + whole.net_return[known, None]
    assert not np.array_equal(leaking, part.features)


def training_bars(bars):
    return walks(1)[0].__class__(bars, walks(1)[0].cost_class)


def test_a_training_stores_a_measured_version_and_its_history():
    version = version_trained()

    assert version.training.status == "SUCCEEDED"
    assert version.number == 1
    assert version.n_tested == version.metrics["all"]["n"] > 100
    assert sum(row["n"] for row in version.metrics["regimes"].values()) == version.n_tested
    assert len(version.reference["features"]) == len(version.features) == 10
    assert [gate["name"] for gate in version.gates] == [
        "candidates", "log_loss", "brier", "win_rate", "calibration",
    ]  # fmt: skip
    assert version.transitions.count() >= 1
    assert ModelArtifact.objects.filter(training=version.training).count() == len(
        models_of(version)
    )


def test_the_same_data_and_seed_give_the_same_content():
    first, second = version_trained(), version_trained()

    assert first.content_hash == second.content_hash
    assert first.metrics == second.metrics
    assert (first.number, second.number) == (1, 2)


def test_a_version_keeps_every_quarter_curve_and_member_of_its_test():
    metrics = version_trained().metrics

    assert sum(row["n"] for row in metrics["by_quarter"]) == metrics["all"]["n"]
    for regime, bins in metrics["regime_bins"].items():
        assert sum(found["n"] for found in bins) == metrics["regimes"][regime]["n"]
    (member,) = metrics["members"]
    assert (member["kind"], member["weight"], member["n"]) == ("LOGISTIC", 1.0, metrics["all"]["n"])
    assert member["brier"] == pytest.approx(metrics["all"]["brier"])
    assert {name: row["n"] for name, row in member["regimes"].items()} == {
        name: row["n"] for name, row in metrics["regimes"].items()
    }


def test_a_random_walk_gives_a_model_no_gate_that_claims_an_edge():
    version = version_trained()

    figures = version.metrics["all"]
    assert abs(figures["brier_skill"]) < 0.05
    assert abs(figures["win_rate"] - figures["base_rate"]) < 0.06


def test_a_planted_edge_is_learned_out_of_sample(candidates):
    rng = np.random.default_rng(0)
    features = candidates.features.copy()
    features[:, 0] = np.where(candidates.net_return > 0, 1.0, -1.0) + rng.standard_normal(
        len(candidates)
    )
    planted = Candidates(
        features, candidates.decided_at, candidates.resolved_at, candidates.net_return,
        candidates.regime_code, candidates.is_entry,
    )  # fmt: skip
    models = [
        DatedModel(plan.valid_from, year_fit(planted, plan, kind="LOGISTIC", seed=7))
        for plan in year_plans(planted)
    ]

    tested = out_of_sample(planted, models)

    is_win = tested.candidates.net_return > 0
    taken = tested.probability >= tested.threshold
    assert is_win[taken].mean() > is_win.mean() + 0.08


def test_a_killed_worker_loses_one_model_and_the_next_goes_on(monkeypatch):
    training = training_row()
    trained: list[int] = []
    fit = training_module.year_fit

    def dies_at_the_fourth(*args, **kwargs):
        if len(trained) == 3:
            raise Killed
        trained.append(args[1].valid_from)
        return fit(*args, **kwargs)

    monkeypatch.setattr(training_module, "year_fit", dies_at_the_fourth)
    with pytest.raises(Killed):
        training_run(training_id=training.pk, clock=lambda: NOW, source=source)
    monkeypatch.setattr(
        training_module, "year_fit", lambda *a, **k: trained.append(a[1].valid_from) or fit(*a, **k)
    )
    later = NOW + dt.timedelta(minutes=5)
    assert trainings_sweep(now=later) == 1
    ended = training_run(training_id=training.pk, clock=lambda: later, source=source)

    assert ended == "SUCCEEDED"
    assert len(trained) == len(set(trained)) == ModelArtifact.objects.count()
    assert ModelTraining.objects.get().n_attempts == 2


def test_a_second_worker_finds_nothing_to_do_while_the_lease_is_held():
    training = training_row(status="RUNNING")
    ModelTraining.objects.update(lease_expires_at=NOW + dt.timedelta(seconds=9))

    assert training_run(training_id=training.pk, clock=lambda: NOW, source=source) == (
        "NOTHING_TO_DO"
    )


def test_a_worker_that_lost_its_lease_stores_nothing(monkeypatch):
    training = training_row()

    def stolen(*args, **kwargs):
        ModelTraining.objects.update(lease_key="00000000-0000-0000-0000-000000000001")
        return []

    monkeypatch.setattr(training_module, "gates_against_champion", stolen)
    ended = training_run(training_id=training.pk, clock=lambda: NOW, source=source)

    assert ended == "LEASE_LOST"
    assert not ModelVersion.objects.exists()


def test_a_training_is_given_up_after_four_lost_workers():
    training = training_row(status="RUNNING", n_attempts=4)

    assert trainings_sweep(now=NOW + dt.timedelta(hours=1)) == 0

    training.refresh_from_db()
    assert (training.status, training.error_code) == ("FAILED", "WORKER_LOST")


def test_too_little_data_fails_with_its_number():
    training = training_row(1)
    one = walk(3, 300)

    training_run(
        training_id=training.pk, clock=lambda: NOW, source=lambda _: iter([training_bars(one)])
    )

    training.refresh_from_db()
    assert training.error_code == "TOO_FEW_CANDIDATES"
    assert "candidates with known results are too few" in training.error


def test_a_training_called_off_stops_and_stores_nothing():
    training = training_row()
    assert training_cancel(training=training, now=NOW).status == "CANCELED"
    assert training_run(training_id=training.pk, clock=lambda: NOW, source=source) == (
        "NOTHING_TO_DO"
    )

    running = training_row(status="RUNNING")
    training_cancel(training=running, now=NOW)
    later = NOW + dt.timedelta(hours=1)
    assert training_run(training_id=running.pk, clock=lambda: later, source=source) == "CANCELED"
    assert not ModelVersion.objects.exists()


def test_a_request_is_enqueued_once_for_one_key():
    instrument_make("SPX", asset_class="INDEX")
    bars_make(instrument_make("ABC"), [(1, 1, 1, 1)] * 3)

    first = training_request(client_key="k", now=NOW)
    again = training_request(client_key="k", now=NOW)

    assert first == again
    assert first.symbols == ["ABC"]
    assert OutboxEvent.objects.filter(name="trading.model_train").count() == 1


def test_a_key_that_made_another_training_is_refused():
    person = user_make()
    for symbol in ("ABC", "XYZ"):
        instrument_make(symbol)
    first = training_request(client_key="k", symbols=["ABC"], requested_by=person, now=NOW)

    for other in ({"kind": "ENSEMBLE"}, {"symbols": ["XYZ"]}, {"requested_by": user_make()}):
        asked = {"client_key": "k", "symbols": ["ABC"], "requested_by": person, "now": NOW}
        words = next(iter(other)).replace("_", " ")
        with pytest.raises(KeyReused, match=rf"training #{first.pk} with another {words}"):
            training_request(**asked | other)


def test_requests_that_cannot_be_trained_are_refused_by_name():
    instrument_make("ABC")
    with pytest.raises(TrainingInvalid, match="no daily series"):
        training_request(now=NOW)
    with pytest.raises(TrainingInvalid, match="kind 'DEEP'"):
        training_request(kind="DEEP", symbols=["ABC"], now=NOW)


def test_an_installation_asks_for_its_first_model_once():
    assert trainings_sweep(now=NOW) == 0
    assert not ModelTraining.objects.exists()
    bars_make(instrument_make("ABC"), [(1, 1, 1, 1)] * 3)

    trainings_sweep(now=NOW)
    trainings_sweep(now=NOW)

    assert ModelTraining.objects.get().client_key == "first-3"


def test_a_first_training_that_failed_is_asked_for_again_once_there_are_more_bars():
    bars_make(instrument_make("ABC"), [(1, 1, 1, 1)] * 3)
    trainings_sweep(now=NOW)
    ModelTraining.objects.update(status="FAILED", created_at=NOW)

    trainings_sweep(now=NOW + 30 * DAY)
    assert ModelTraining.objects.count() == 1
    BarSeries.objects.update(n_bars=3_000)
    trainings_sweep(now=NOW + 3 * DAY)
    assert ModelTraining.objects.count() == 1
    trainings_sweep(now=NOW + 30 * DAY)

    assert ModelTraining.objects.latest("pk").client_key == "first-3000"


def test_the_first_version_decides_only_when_it_passed_its_gates():
    version = version_trained()

    passed = all(gate["is_passed"] for gate in version.gates)
    version.refresh_from_db()
    assert version.state == ("ACTIVE" if passed else "SHADOW")
    assert ModelTransition.objects.filter(version=version).count() == (3 if passed else 2)
    assert timezone.is_aware(version.created_at)


def test_a_resumed_training_that_sees_newer_prices_keeps_no_model_of_before(monkeypatch):
    training, items = training_row(), walks(6)
    shorter = [TrainingBars(item.bars.until(2_300), item.cost_class) for item in items]

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "out_of_sample", killed)
        with pytest.raises(Killed):
            training_run(training_id=training.pk, clock=lambda: NOW, source=lambda _: iter(shorter))
    ModelTraining.objects.update(lease_expires_at=NOW - DAY)
    training_run(training_id=training.pk, clock=lambda: NOW, source=lambda _: iter(items))

    version = ModelVersion.objects.get()
    decided = models_of(version)
    assert len(decided) == ModelArtifact.objects.count() > 1
    anew = training_row()
    training_run(training_id=anew.pk, clock=lambda: NOW, source=lambda _: iter(items))
    assert ModelVersion.objects.get(training=anew).content_hash == version.content_hash


def revised(item: TrainingBars, at: int) -> TrainingBars:
    """The same bars, of which one had another close all along."""
    bars = item.bars
    close = bars.close.copy()
    close[at] = bars.low[at] if close[at] > bars.low[at] else bars.high[at]
    columns = (bars.closed_at, bars.open, bars.high, bars.low, close, bars.volume)
    return TrainingBars(Bars(bars.symbol, bars.timeframe, *columns), item.cost_class)


def test_a_resumed_training_trains_anew_what_learned_from_a_revised_bar_and_nothing_else(
    monkeypatch,
):
    training, items = training_row(), walks(6)
    moment = items[0].bars.closed_at[1_800]
    fit, trained = training_module.year_fit, []

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "out_of_sample", killed)
        with pytest.raises(Killed):
            training_run(training_id=training.pk, clock=lambda: NOW, source=lambda _: iter(items))
    planned = [nanoseconds(row.valid_from) for row in ModelArtifact.objects.order_by("valid_from")]
    items = [revised(items[0], 1_800), *items[1:]]
    ModelTraining.objects.update(lease_expires_at=NOW - DAY)
    with monkeypatch.context() as patch:
        patch.setattr(
            training_module,
            "year_fit",
            lambda *a, **k: trained.append(a[1].valid_from) or fit(*a, **k),
        )
        training_run(training_id=training.pk, clock=lambda: NOW, source=lambda _: iter(items))

    assert trained == [at for at in planned if at > moment]
    assert 0 < len(trained) < len(planned) == ModelArtifact.objects.count()
    anew = training_row()
    training_run(training_id=anew.pk, clock=lambda: NOW, source=lambda _: iter(items))
    first, second = ModelVersion.objects.order_by("pk")
    assert first.content_hash == second.content_hash


def test_models_that_are_not_those_measured_do_not_decide():
    version = version_trained()
    ModelArtifact.objects.order_by("valid_from").first().delete()
    bindings._models.cache_clear()

    with pytest.raises(StateInvalid, match="their version was measured with"):
        models_of(version)


def test_a_folder_training_whose_command_is_gone_ends_by_itself():
    training = training_row(source="folder")

    def killed(_):
        raise Killed

    with pytest.raises(Killed):
        training_run(training_id=training.pk, clock=lambda: NOW, source=killed)
    trainings_sweep(now=NOW + dt.timedelta(minutes=5))
    assert ModelTraining.objects.get(pk=training.pk).status == "RUNNING"
    trainings_sweep(now=NOW + dt.timedelta(minutes=30))

    ended = ModelTraining.objects.get(pk=training.pk)
    assert (ended.status, ended.error_code) == ("FAILED", "COMMAND_GONE")
    assert not _is_resting(NOW + DAY)


def test_calling_a_training_off_whose_worker_is_gone_ends_it_at_once():
    training = training_row(status="RUNNING")
    ModelTraining.objects.update(lease_expires_at=NOW - DAY)

    assert training_cancel(training=training, now=NOW).status == "CANCELED"


def test_symbols_are_learned_from_once_and_unknown_ones_are_refused_at_the_door():
    instrument_make("AAA")

    training = training_request(symbols=["AAA", "AAA"], now=NOW)

    assert training.symbols == ["AAA"]
    with pytest.raises(TrainingInvalid, match="There is no instrument NOPE, NONE"):
        training_request(symbols=["NOPE", "AAA", "NONE"], now=NOW)
    assert ModelTraining.objects.count() == 1
