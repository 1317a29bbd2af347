"""What the page of an optimization is made of, as the API writes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from trading.serializers.studies import TrialSerializer


class StudyQuotaSerializer(serializers.Serializer[Any]):
    """What your plan allows today."""

    n_used = serializers.IntegerField()
    n_left = serializers.IntegerField()
    per_day = serializers.IntegerField()
    trials_per_run = serializers.IntegerField()
    is_locked = serializers.BooleanField(help_text="Your plan has no optimization.")
    resets_at = serializers.DateTimeField()


class StudyEstimateSerializer(serializers.Serializer[Any]):
    """What a search would be; nothing is stored."""

    n_trials = serializers.IntegerField()
    n_combinations = serializers.IntegerField(
        allow_null=True, help_text="Of the whole space; null: endless."
    )
    seconds = serializers.FloatField(
        allow_null=True, help_text="By the pace of earlier ones; null: there are none."
    )
    warning = serializers.CharField(
        allow_blank=True, help_text="What luck alone will show, counting everything tried so far."
    )


class BestSoFarSerializer(serializers.Serializer[Any]):
    """A trial that was better than all before it."""

    number = serializers.IntegerField()
    objective = serializers.FloatField()


class StudyProgressSerializer(serializers.Serializer[Any]):
    """How far a search is, as its page and its socket say it."""

    id = serializers.IntegerField()
    status = serializers.CharField()
    n_trials = serializers.IntegerField()
    n_done = serializers.IntegerField()
    n_failed = serializers.IntegerField()
    progress = serializers.FloatField()
    trials_per_second = serializers.FloatField(allow_null=True)
    seconds_left = serializers.FloatField(allow_null=True)
    is_judged = serializers.BooleanField()
    error = serializers.CharField(allow_null=True)
    best_so_far = BestSoFarSerializer(many=True)
    n_looks_before = serializers.IntegerField(
        help_text="Ideas you opened on some of its held-out bars before; 0 once it is open."
    )
    n_trials_counted = serializers.IntegerField(
        help_text="Everything you ever tried of these rules on this instrument."
    )


class LeaderSerializer(TrialSerializer):
    """A trial with its place."""

    rank = serializers.IntegerField(allow_null=True, help_text="By objective; null: unranked.")
    is_stable = serializers.BooleanField(help_text="Within one standard error of the plateau.")
    is_pick = serializers.BooleanField(help_text="The middle of the stable zone: the suggestion.")


class LeaderboardSerializer(serializers.Serializer[Any]):
    """A part of the leaderboard."""

    n_ranked = serializers.IntegerField()
    n_unranked = serializers.IntegerField()
    next_offset = serializers.IntegerField(allow_null=True)
    results = LeaderSerializer(many=True)


class SpanSerializer(serializers.Serializer[Any]):
    """The values a column or a row of the map covers; `low` is `high` where it is one value."""

    low = serializers.JSONField()
    high = serializers.JSONField()


class HeatCellSerializer(serializers.Serializer[Any]):
    """The trials of one cell; null without any."""

    objective = serializers.FloatField(source="value", allow_null=True, help_text="Their median.")
    n = serializers.IntegerField(default=0)
    is_best = serializers.BooleanField(default=False)
    is_stable = serializers.BooleanField(default=False)


class HeatRowSerializer(SpanSerializer):
    """One row of the map."""

    cells = HeatCellSerializer(many=True)


class HeatmapSerializer(serializers.Serializer[Any]):
    """The objective over two parameters: `x` across, `y` down."""

    x = serializers.CharField()
    y = serializers.CharField()
    columns = SpanSerializer(many=True)
    rows = HeatRowSerializer(many=True)


class PointsSerializer(serializers.Serializer[Any]):
    """Every ranked trial as parallel coordinates draw it: a value on each axis."""

    axes = serializers.ListField(child=serializers.CharField())
    labels = serializers.DictField(child=serializers.CharField(), help_text="Axes in words.")
    rows = serializers.ListField(child=serializers.DictField())
