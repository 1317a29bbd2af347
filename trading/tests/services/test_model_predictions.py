"""What versions said about live candidates, what came of it, and drift that is seen or quiet."""

import datetime as dt

import numpy as np
import pytest

from marketdata.selectors import bars_get, nanoseconds
from trading.engine.learning.drift import Light
from trading.engine.learning.labels import meta_labels
from trading.models import DriftReport, ModelArtifact, ModelVersion, Prediction
from trading.selectors.model_versions import (
    calibration_rows,
    drift_latest,
    live_figures,
    regime_rows,
)
from trading.services.bindings import binding_for, models_of, spec_for
from trading.services.models import predictions
from trading.services.models.candidates import candidates_of
from trading.services.models.drift import drift_check, drift_measure
from trading.services.models.predictions import predictions_record, predictions_resolve
from trading.services.models.registry import version_retire
from trading.tests.factories import NOW, bars_make, instrument_make, replay_make, user_make
from trading.tests.services.model_rows import (
    START_NS,
    version_make,
    version_trained,
    walk,
    walks,
)

pytestmark = pytest.mark.django_db
FIRST = dt.datetime.fromtimestamp(START_NS / 1e9, tz=dt.UTC)


@pytest.fixture
def version() -> ModelVersion:
    found = version_trained()
    ModelVersion.objects.update(state="ACTIVE")
    found.refresh_from_db()
    return found


def stored_walk(n_bars: int = 2_600):
    """A walk in the database, with its features and the bars that are candidates."""
    bars = walk(1).slice(0, n_bars)
    instrument = instrument_make("ABC")
    columns = zip(bars.open, bars.high, bars.low, bars.close, strict=True)
    bars_make(
        instrument,
        [tuple(map(float, row)) for row in columns],
        closes=[dt.datetime.fromtimestamp(at / 1e9, tz=dt.UTC) for at in bars.closed_at],
    )
    spec = spec_for("hybrid")
    features = spec.prepare(bars_get("ABC", "1d"), spec.defaults)
    is_asked = (features.arrays["is_dip"] * features.arrays["is_tradable"]) == 1
    return instrument, features, np.flatnonzero(is_asked)


def record(instrument, features, i):
    return predictions_record(
        strategy_key="hybrid", features=features, i=int(i), instrument=instrument, now=NOW
    )


def test_the_active_version_and_each_shadow_predict_a_candidate_once(version):
    shadow = version_trained(kind="LOGISTIC", seed=8)
    ModelVersion.objects.filter(pk=shadow.pk).update(state="SHADOW")
    instrument, features, asked = stored_walk()
    last = asked[-1]

    assert record(instrument, features, last) == 2
    assert record(instrument, features, last) == 0

    rows = {row.version_id: row for row in Prediction.objects.all()}
    assert (rows[version.pk].is_shadow, rows[shadow.pk].is_shadow) == (False, True)
    assert rows[version.pk].probability == features.arrays["probability"][last]
    assert rows[version.pk].market_at.timestamp() * 1e9 == features.bars.closed_at[last]


def test_nothing_is_predicted_without_a_candidate_a_version_or_a_model_of_that_time(version):
    instrument, features, asked = stored_walk()
    other = next(i for i in range(2_000, 2_600) if i not in set(asked))

    assert record(instrument, features, other) == 0
    assert record(instrument, features, asked[0]) == 0
    version_retire(version=version, actor=None, reason="drift", now=NOW)
    assert record(instrument, features, asked[-1]) == 0


def test_outcomes_are_those_of_the_label_and_are_written_once(version):
    instrument, features, asked = stored_walk()
    for i in asked[-12:-4]:
        record(instrument, features, i)

    n_resolved = predictions_resolve()

    labels = meta_labels(features.bars, asked, features.arrays["cost_rate"])
    by_time = {
        int(features.bars.closed_at[bar]): net
        for bar, net in zip(labels.signal_bar, labels.net_return, strict=True)
    }
    rows = Prediction.objects.filter(resolved_at__isnull=False)
    assert n_resolved == rows.count() == 8
    assert all(row.net_return == by_time[nanoseconds(row.market_at)] for row in rows)
    assert predictions_resolve() == 0


def test_a_result_beyond_the_replayed_moment_stays_unknown(version):
    instrument, features, asked = stored_walk()
    record(instrument, features, asked[-6])
    row = Prediction.objects.get()
    replay = replay_make(user_make(), instrument, cursor_at=row.market_at)

    assert predictions_resolve() == 0
    replay.cursor_at = row.market_at + dt.timedelta(days=40)
    replay.save()

    assert predictions_resolve() == 1


def test_a_series_without_new_bars_does_not_take_the_turn_of_another(version, monkeypatch):
    monkeypatch.setattr(predictions, "MOST_OPEN", 3)
    dead = instrument_make("DEAD")
    bars_make(dead, [(1, 1, 1, 1)] * 3)
    for days in range(4):
        prediction = {"probability": 0.6, "threshold": 0.5, "is_shadow": False, "created_at": NOW}
        at = NOW - dt.timedelta(days=days)
        Prediction.objects.create(version=version, instrument=dead, market_at=at, **prediction)
    instrument, features, asked = stored_walk()
    record(instrument, features, asked[-6])

    assert predictions_resolve() == 1


def predictions_make(version, n, *, shift=0.0, seed=3):
    """Predictions of candidates drawn from training, moved by `shift`; half are won."""
    rng = np.random.default_rng(seed)
    pool = np.concatenate([candidates_of(item).features for item in walks()])
    drawn = pool[rng.integers(0, len(pool), n)]
    scores = np.interp(rng.random(n), np.linspace(0, 1, 101), version.reference["score"])
    instrument = instrument_make(f"S{seed}")
    Prediction.objects.bulk_create(
        Prediction(
            version=version,
            instrument=instrument,
            market_at=NOW - dt.timedelta(days=60) + dt.timedelta(hours=k),
            created_at=NOW - dt.timedelta(days=1),
            is_shadow=False,
            regime=("LOW", "NORMAL", "NORMAL", "HIGH")[k % 4],
            probability=float(scores[k]),
            threshold=0.4,
            features=(drawn[k] + shift).tolist(),
            net_return=0.01 if rng.random() < scores[k] else -0.01,
            is_win=True,
            resolved_at=NOW - dt.timedelta(days=50) + dt.timedelta(hours=k),
        )
        for k in range(n)
    )


def entries_reference(version):
    """Let drift be measured against the whole pool the test draws from."""
    pool = np.concatenate([candidates_of(item).features for item in walks()])
    shares = np.linspace(0, 1, 101)
    version.reference["features"] = {
        name: np.quantile(pool[:, j], shares).tolist() for j, name in enumerate(version.features)
    }
    version.reference["regimes"] = {"LOW": 100, "NORMAL": 200, "HIGH": 100, "EXTREME": 5}
    version.save()
    return version


def test_drift_is_quiet_on_what_the_model_was_trained_on(version):
    predictions_make(entries_reference(version), 400)

    report = drift_measure(version=version, now=NOW)

    assert report.light == Light.OK
    assert {row["light"] for row in report.features} == {"OK"}
    assert (report.n_predictions, report.n_resolved) == (400, 400)
    assert report.delay["median_days"] == pytest.approx(10.0)


def test_drift_looks_at_its_own_days_only(version):
    predictions_make(entries_reference(version), 60)
    late = list(Prediction.objects.order_by("pk").values_list("pk", flat=True)[:25])
    Prediction.objects.filter(pk__in=late).update(created_at=NOW - dt.timedelta(days=31))

    report = drift_measure(version=version, now=NOW, window_days=30)

    assert (report.n_predictions, report.window_days) == (35, 30)


def test_a_shifted_feature_is_named_first_and_red(version):
    shift = np.zeros(10)
    shift[5] = 0.5
    predictions_make(entries_reference(version), 400, shift=shift)

    report = drift_measure(version=version, now=NOW)

    assert report.light == Light.CRITICAL
    assert report.features[0]["name"] == version.features[5]
    assert [row["light"] for row in report.features].count("CRITICAL") == 1


def test_probabilities_that_do_not_come_true_are_red(version):
    predictions_make(entries_reference(version), 400)
    Prediction.objects.update(net_return=-0.01)

    assert drift_measure(version=version, now=NOW).calibration["light"] == Light.CRITICAL


def test_another_mix_of_regimes_is_seen(version):
    predictions_make(entries_reference(version), 200)
    Prediction.objects.update(regime="EXTREME")

    report = drift_measure(version=version, now=NOW)

    assert report.regimes["shift"] > 0.9
    assert report.regimes["light"] == Light.CRITICAL


def test_without_predictions_nothing_is_claimed(version):
    report = drift_measure(version=version, now=NOW)

    assert report.light == Light.UNKNOWN
    assert report.score["psi"] is None
    assert report.calibration == {"n": 0, "light": "UNKNOWN"}


def test_each_version_in_use_is_looked_at(version):
    version_make(5, state="RETIRED")

    assert drift_check(now=NOW) == 1
    assert drift_latest(version) == DriftReport.objects.get()


def test_the_matrix_by_regime_is_silent_below_twenty_and_shows_the_test_beside_it(version):
    predictions_make(version, 200)
    rows = {row.regime: row for row in regime_rows(version)}

    assert rows["NORMAL"].figures.n == 100
    assert rows["EXTREME"].is_too_few
    assert rows["EXTREME"].tested == version.metrics["regimes"]["EXTREME"]
    assert live_figures(version).n == 200
    assert len(calibration_rows(version)) == 10
    assert calibration_rows(version, regime="EXTREME") == []


def test_the_hybrid_runs_with_the_models_of_its_active_version(version):
    bound = binding_for("hybrid")
    features = bound.spec.prepare(walk(1), bound.spec.defaults)

    assert bound.model["content_hash"] == version.content_hash
    assert (features.arrays["probability"] >= 0).any()
    assert features.arrays["model"].max() == len(models_of(version)) - 1
    assert (binding_for("sma_cross").spec.key, binding_for("sma_cross").model) == (
        "sma_cross",
        None,
    )


def test_the_models_that_run_and_their_name_are_of_one_look(version, django_assert_num_queries):
    spec_for("hybrid")  # the models themselves are kept

    with django_assert_num_queries(1):
        binding_for("hybrid")


def test_an_unreadable_version_leaves_the_rules_alone():
    version = version_make(state="ACTIVE")
    ModelArtifact.objects.create(
        training=version.training,
        valid_from=FIRST,
        artifact={"format": 99},
        content_hash="0",
        n_train=1,
    )

    bound = binding_for("hybrid")

    features = bound.spec.prepare(walk(1), bound.spec.defaults)
    assert (features.arrays["model"] == -1).all()
    assert bound.model is None


def test_replays_at_different_dates_are_no_delay(version):
    for name, at in (("OLD", NOW - dt.timedelta(days=4_000)), ("NEW", NOW)):
        prediction = {"probability": 0.6, "threshold": 0.5, "is_shadow": False, "created_at": NOW}
        instrument = instrument_make(name)
        Prediction.objects.create(
            version=version, instrument=instrument, market_at=at,
            features=[0.0] * len(version.features), **prediction,
        )  # fmt: skip

    delay = drift_measure(version=version, now=NOW).delay

    assert (delay["n_open"], delay["oldest_open_days"], delay["light"]) == (2, 0.0, "OK")
