"""Optimizations as the API writes them: Sharpe ratios a year, rates as fractions, times in UTC."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from elson.common.api import StrictSerializer
from trading.serializers.experiments import (
    ExperimentRequestSerializer,
    ExperimentSerializer,
)
from trading.serializers.fields import AskedNumberField
from trading.serializers.strategies import ParameterChangeSerializer


class StudyRequestSerializer(ExperimentRequestSerializer):
    """What a POST may say; bounds and meaning are checked by the service, all faults at once."""

    symbol = serializers.CharField(max_length=24)
    space = serializers.DictField(
        help_text='Parameter to {"low", "high", "step", "log"} or {"choices"}'
    )
    fixed = serializers.DictField(required=False, default=dict)
    method = serializers.CharField(default="random", max_length=10)
    n_trials = AskedNumberField(required=False)
    n_folds = AskedNumberField(required=False)
    holdout_share = AskedNumberField(required=False)
    dispersion_weight = AskedNumberField(required=False)
    fewest_trades = AskedNumberField(required=False)
    deepest_drawdown = AskedNumberField(required=False)
    n_workers = AskedNumberField(required=False)


class StudyModelSerializer(serializers.Serializer[Any]):
    """The model version every trial of a search asked."""

    number = serializers.IntegerField()
    kind = serializers.CharField()
    content_hash = serializers.CharField()


class StudySerializer(ExperimentSerializer):
    """One search: what was asked, how far it is, and the verdict once there is one."""

    end_date = serializers.DateField()
    space = serializers.JSONField()
    fixed = serializers.JSONField()
    method = serializers.CharField()
    n_trials = serializers.IntegerField()
    n_folds = serializers.IntegerField()
    holdout_share = serializers.FloatField()
    dispersion_weight = serializers.FloatField()
    fewest_trades = serializers.IntegerField()
    deepest_drawdown = serializers.FloatField()
    model = StudyModelSerializer(
        source="model_version",
        allow_null=True,
        help_text="Pinned at the request; null: the strategy takes none, or its rule ran alone.",
    )
    n_done = serializers.IntegerField()
    n_failed = serializers.IntegerField()
    judgement = serializers.JSONField(allow_null=True)
    holdout_opened_at = serializers.DateTimeField(allow_null=True)
    holdout_trial = serializers.IntegerField(allow_null=True)
    holdout = serializers.JSONField(
        allow_null=True,
        help_text="Figures, `n_looks`: ideas this person looked at on these bars, and "
        "`expected_max_sharpe`: what the best of so many shows by luck; `probability` is that of "
        "a true Sharpe ratio above it.",
    )
    repeat_of = serializers.IntegerField(source="parent_id", allow_null=True)


class StudyVerdictSerializer(serializers.Serializer[Any]):
    """What lists show of a verdict; the whole of it stands with the search itself."""

    suggested_trial = serializers.IntegerField(source="pick", allow_null=True)
    best_trial = serializers.IntegerField(source="best", allow_null=True)
    is_overfit = serializers.BooleanField()
    deflated_sharpe = serializers.FloatField(allow_null=True)
    probability_of_overfitting = serializers.FloatField(allow_null=True)


class StudyRowSerializer(serializers.Serializer[Any]):
    """A search in a list: without its space, with the gist of its verdict."""

    id = serializers.IntegerField(read_only=True)
    strategy = serializers.CharField(source="strategy_key")
    symbol = serializers.CharField(source="instrument.symbol")
    timeframe = serializers.CharField()
    method = serializers.CharField()
    status = serializers.CharField()
    n_trials = serializers.IntegerField()
    n_done = serializers.IntegerField()
    n_failed = serializers.IntegerField()
    note = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    verdict = StudyVerdictSerializer(
        source="judgement", allow_null=True, help_text="Null before there is one."
    )


class TrialSerializer(serializers.Serializer[Any]):
    """One finished trial; `objective` is null where `refusal` names a constraint."""

    number = serializers.IntegerField()
    status = serializers.CharField()
    parameters = serializers.JSONField()
    objective = serializers.FloatField(allow_null=True)
    in_sample_sharpe = serializers.FloatField(allow_null=True)
    out_of_sample_sharpe = serializers.FloatField(allow_null=True)
    gap = serializers.FloatField(allow_null=True)
    dispersion = serializers.FloatField(allow_null=True)
    n_trades = serializers.IntegerField(allow_null=True)
    max_drawdown = serializers.FloatField(allow_null=True)
    total_return = serializers.FloatField(allow_null=True)
    refusal = serializers.CharField()
    error = serializers.CharField()


class StudyExtendSerializer(StrictSerializer):
    """How many trials in all."""

    n_trials = serializers.IntegerField(min_value=1)


class TrialChoiceSerializer(StrictSerializer):
    """Which trial."""

    trial = serializers.IntegerField(min_value=1)


class StudyApplySerializer(StrictSerializer):
    """Which trial becomes a draft version, and of which strategy; none makes a new one."""

    trial = serializers.IntegerField(min_value=1)
    strategy_id = serializers.IntegerField(required=False, allow_null=True)


class DraftVersionSerializer(serializers.Serializer[Any]):
    """The draft version that was made; nothing that runs was touched."""

    strategy_id = serializers.IntegerField()
    number = serializers.IntegerField()
    parameters = serializers.JSONField()
    note = serializers.CharField()
    changes = ParameterChangeSerializer(many=True)
