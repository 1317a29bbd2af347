"""Repeated searches and what they propose, as the API writes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from elson.common.api import StrictSerializer
from trading.serializers.strategies import ParameterChangeSerializer


class StudyRepeatRequestSerializer(StrictSerializer):
    """How often a search is made again, and for which strategy it may propose parameters."""

    every_days = serializers.IntegerField(help_text="1 to 366.")
    strategy_id = serializers.IntegerField(help_text="One of yours that follows the same rules.")


class StudyRepeatSerializer(serializers.Serializer[Any]):
    """A search that is made again by the clock as soon as there are newer bars."""

    study_id = serializers.IntegerField(source="pk")
    rules = serializers.CharField(source="strategy_key")
    symbol = serializers.CharField(source="instrument.symbol")
    timeframe = serializers.CharField()
    every_days = serializers.IntegerField(source="repeats_every_days")
    next_at = serializers.DateTimeField(source="repeats_at")
    strategy_id = serializers.IntegerField(source="repeats_for_id", allow_null=True)
    strategy = serializers.CharField(
        source="repeats_for.name", allow_null=True, default=None,
        help_text="Whom it proposes to; null where that strategy is gone.",
    )  # fmt: skip


class GateSerializer(serializers.Serializer[Any]):
    """One condition of a proposal and what was measured; null: it was not looked at."""

    name = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    must = serializers.CharField()
    is_met = serializers.BooleanField()


class ProposalSerializer(serializers.Serializer[Any]):
    """What a repeated search found; only one that met every gate is OFFERED."""

    id = serializers.IntegerField(source="pk")
    study_id = serializers.IntegerField()
    strategy_id = serializers.IntegerField()
    strategy = serializers.CharField(source="strategy.name")
    symbol = serializers.CharField(source="study.instrument.symbol")
    timeframe = serializers.CharField(source="study.timeframe")
    in_use_version = serializers.IntegerField(source="champion.number")
    status = serializers.CharField(help_text="OFFERED, WITHHELD, ACCEPTED or REJECTED.")
    parameters = serializers.JSONField()
    gates = GateSerializer(many=True)
    reason = serializers.CharField(allow_blank=True, help_text="Why it was rejected.")
    draft_version = serializers.IntegerField(
        source="version.number", allow_null=True, default=None,
        help_text="The draft that accepting it made.",
    )  # fmt: skip
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class RegimeChangeSerializer(serializers.Serializer[Any]):
    """One adaptive parameter in each regime, LOW to EXTREME, before and after."""

    key = serializers.CharField(source="name")
    old = serializers.ListField(child=serializers.FloatField())
    new = serializers.ListField(child=serializers.FloatField())
    low = serializers.FloatField()
    high = serializers.FloatField()
    is_changed = serializers.BooleanField()


class ProposalDetailSerializer(ProposalSerializer):
    """A proposal with what it would change against the version in use."""

    changes = serializers.SerializerMethodField()
    changes_by_regime = serializers.SerializerMethodField()

    @extend_schema_field(ParameterChangeSerializer(many=True))
    def get_changes(self, proposal: Any) -> Any:
        """Return every parameter of the rules, in their order."""
        return ParameterChangeSerializer(self.context["changes"], many=True).data

    @extend_schema_field(RegimeChangeSerializer(many=True))
    def get_changes_by_regime(self, proposal: Any) -> Any:
        """Return what each regime makes of them; empty where nothing adapts."""
        return RegimeChangeSerializer(self.context["changes_by_regime"], many=True).data


class ProposalRejectSerializer(StrictSerializer):
    """Why it is rejected, if there is something to say."""

    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)
