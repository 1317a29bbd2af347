"""Models and verifications as the API writes them."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers

from elson.common.api import StrictSerializer


class OwnTestSerializer(serializers.Serializer[Any]):
    """Figures of a version's own walk-forward test, all regimes together."""

    n = serializers.IntegerField(help_text="Candidates.")
    n_taken = serializers.IntegerField()
    n_wins = serializers.IntegerField(help_text="Of those taken.")
    win_rate = serializers.FloatField(allow_null=True)
    interval = serializers.ListField(child=serializers.FloatField(), allow_null=True)
    base_rate = serializers.FloatField(allow_null=True, help_text="Of all candidates.")
    brier_skill = serializers.FloatField(allow_null=True)
    ece = serializers.FloatField(allow_null=True)


class ModelGateSerializer(serializers.Serializer[Any]):
    """One thing a version had to pass before it may decide."""

    name = serializers.CharField()
    text = serializers.CharField()
    is_passed = serializers.BooleanField()


class ModelVersionSerializer(serializers.Serializer[Any]):
    """One trained version, with what its own test found and which gates it passed."""

    id = serializers.IntegerField(source="pk")
    strategy = serializers.CharField(source="strategy_key")
    number = serializers.IntegerField()
    kind = serializers.CharField()
    state = serializers.CharField()
    content_hash = serializers.CharField()
    data_hash = serializers.CharField()
    code_version = serializers.CharField()
    trained_from = serializers.DateField()
    trained_until = serializers.DateField()
    tested_from = serializers.DateField()
    n_train = serializers.IntegerField()
    n_tested = serializers.IntegerField()
    n_instruments = serializers.IntegerField()
    veto_share = serializers.FloatField()
    created_at = serializers.DateTimeField()
    activated_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)
    tested = OwnTestSerializer(source="metrics.all", allow_null=True)
    gates = ModelGateSerializer(many=True)


class ModelMoveSerializer(StrictSerializer):
    """Why a version's state changes; kept in its history."""

    reason = serializers.CharField(max_length=300)


class CalibrationBinSerializer(serializers.Serializer[Any]):
    """Resolved predictions between two probabilities, and how many won."""

    low = serializers.FloatField()
    high = serializers.FloatField()
    n = serializers.IntegerField()
    n_wins = serializers.IntegerField()
    mean_probability = serializers.SerializerMethodField()
    win_rate = serializers.SerializerMethodField()
    interval = serializers.ListField(child=serializers.FloatField())

    def get_mean_probability(self, found: Any) -> float | None:
        """Null for an empty bin."""
        return found["mean_probability"] if found["n"] else None

    def get_win_rate(self, found: Any) -> float | None:
        """Null for an empty bin."""
        return found["win_rate"] if found["n"] else None


class PredictionSerializer(serializers.Serializer[Any]):
    """What a version said of one candidate, and what came of it once that is known."""

    symbol = serializers.CharField(source="instrument.symbol")
    timeframe = serializers.CharField()
    market_at = serializers.DateTimeField()
    regime = serializers.CharField(allow_blank=True)
    probability = serializers.FloatField()
    threshold = serializers.FloatField(help_text="Candidates below it are refused.")
    is_taken = serializers.BooleanField()
    is_shadow = serializers.BooleanField(help_text="Recorded without having a say.")
    resolved_at = serializers.DateTimeField(allow_null=True)
    net_return = serializers.FloatField(allow_null=True, help_text="After costs, a fraction.")
    is_win = serializers.BooleanField(allow_null=True)

    def to_representation(self, prediction: Any) -> dict[str, Any]:
        """Tell no outcome that lies after the reader's market date, `until` of the context."""
        told: dict[str, Any] = super().to_representation(prediction)
        until, resolved_at = self.context.get("until"), prediction.resolved_at
        if until is not None and resolved_at is not None and resolved_at > until:
            told |= dict.fromkeys(("resolved_at", "net_return", "is_win"))
        return told


class DetectorSerializer(serializers.Serializer[Any]):
    """How well regimes are named, on the markets the caller watches."""

    confusion = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="Rows: regime by hindsight, LOW to EXTREME; columns: what the bar was called.",
    )
    n_bars = serializers.IntegerField()
    n_missed = serializers.IntegerField(help_text="Stretches never called so while they lasted.")
    n_found = serializers.SerializerMethodField()
    agreement = serializers.SerializerMethodField()
    median_delay_bars = serializers.SerializerMethodField()
    flips_per_100_bars = serializers.SerializerMethodField()

    def get_n_found(self, found: Any) -> int:
        """Return the stretches of HIGH or EXTREME that were called so."""
        return len(found.delays_bars)

    def get_agreement(self, found: Any) -> float | None:
        """Return the share of bars named as by hindsight; null without a bar."""
        return _finite(found.agreement)

    def get_median_delay_bars(self, found: Any) -> float | None:
        """Return the middle delay of the stretches found; null without one."""
        return _finite(found.median_delay_bars)

    def get_flips_per_100_bars(self, found: Any) -> float | None:
        """Return changes per 100 bars; null without a bar."""
        return _finite(found.flips_per_100_bars)


class RegimeFiguresSerializer(serializers.Serializer[Any]):
    """One regime: counts, live figures, and those of the version's own test.

    Figures are null with fewer than 20 resolved predictions; a win rate never comes without its
    count, interval and base rate.
    """

    regime = serializers.CharField()
    n_predictions = serializers.IntegerField()
    n_resolved = serializers.IntegerField()
    live = serializers.JSONField(allow_null=True)
    tested = serializers.JSONField(allow_null=True)


class ModelDetailSerializer(ModelVersionSerializer):
    """A version by regime."""

    window_days = serializers.IntegerField(allow_null=True)
    drift_light = serializers.CharField()
    regimes = RegimeFiguresSerializer(many=True)
    members = serializers.JSONField(
        allow_null=True, help_text="Sub-models with weight and figures; null on the free plan."
    )


class FeatureSerializer(serializers.Serializer[Any]):
    """One number the model reads."""

    name = serializers.CharField()
    meaning = serializers.CharField()


class ArtifactSerializer(serializers.Serializer[Any]):
    """The model inside that decides from a day until the next one begins."""

    valid_from = serializers.DateTimeField()
    n_train = serializers.IntegerField()
    content_hash = serializers.CharField()


FIGURES = "Counts, win rate with interval and base rate, scores, net result a trade."


class ModelCardSerializer(ModelVersionSerializer):
    """What a version is, what it was tested on, and what it was compared with."""

    when_it_fails = serializers.CharField(allow_blank=True)
    features = FeatureSerializer(many=True)
    by_regime = serializers.JSONField(help_text=FIGURES)
    by_year = serializers.JSONField(help_text=FIGURES)
    before = ModelVersionSerializer(allow_null=True)
    artifacts = ArtifactSerializer(many=True)


class TransitionSerializer(serializers.Serializer[Any]):
    """One change of a version's state; people are named on the staff pages only."""

    from_state = serializers.CharField(allow_blank=True)
    to_state = serializers.CharField()
    reason = serializers.CharField()
    is_approved_by_two = serializers.SerializerMethodField()
    gates = serializers.JSONField()
    created_at = serializers.DateTimeField()

    def get_is_approved_by_two(self, transition: Any) -> bool:
        """Tell whether a second person asked for it."""
        return transition.approver_id is not None


class ReliabilitySerializer(serializers.Serializer[Any]):
    """What was said and what happened up to one quarter; null where it is not defined."""

    quarter = serializers.CharField(source="label")
    n = serializers.IntegerField()
    n_wins = serializers.IntegerField()
    mean_probability = serializers.FloatField()
    win_rate = serializers.FloatField()
    interval = serializers.ListField(child=serializers.FloatField())
    is_reliable = serializers.BooleanField(help_text="The mean lies inside the interval.")
    brier_skill = serializers.SerializerMethodField()

    def get_brier_skill(self, row: Any) -> float | None:
        """Return the skill against the window's own win rate."""
        return row.brier_skill if math.isfinite(row.brier_skill) else None


class DataProblemSerializer(serializers.Serializer[Any]):
    """One thing wrong with one series."""

    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    kind = serializers.CharField(help_text="STALE, WAITING, MISSING, BAD_BARS, GAP or BEHIND.")
    text = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)


class DriftSerializer(serializers.Serializer[Any]):
    """One look at whether a version still sees what it was trained on."""

    created_at = serializers.DateTimeField()
    window_days = serializers.IntegerField()
    n_predictions = serializers.IntegerField()
    n_resolved = serializers.IntegerField()
    light = serializers.CharField()
    features = serializers.JSONField()
    score = serializers.JSONField()
    calibration = serializers.JSONField()
    regimes = serializers.JSONField()
    delay = serializers.JSONField()


class VerificationSerializer(serializers.Serializer[Any]):
    """One stored run of verify_win_rates, as it was printed."""

    id = serializers.IntegerField(source="pk")
    protocol = serializers.CharField()
    strategy = serializers.CharField(source="strategy_key")
    data_hash = serializers.CharField()
    train_data_hash = serializers.CharField(allow_blank=True)
    code_version = serializers.CharField()
    n_instruments = serializers.IntegerField()
    n_round_trips = serializers.IntegerField()
    is_met = serializers.BooleanField()
    missed = serializers.ListField(child=serializers.CharField())
    goals = serializers.JSONField()
    report = serializers.JSONField()
    created_at = serializers.DateTimeField()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
