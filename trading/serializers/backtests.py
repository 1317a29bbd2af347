"""Backtests as the API writes them: money as decimal strings, rates as fractions, times in UTC."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from elson.common.api import StrictSerializer
from trading.selectors.judged import PARTS, judged_of
from trading.serializers.experiments import ExperimentRequestSerializer, ExperimentSerializer
from trading.serializers.fields import AskedMoneyField


class BacktestRequestSerializer(ExperimentRequestSerializer):
    """What a POST may say; bounds and meaning are checked by the service, all faults at once."""

    symbol = serializers.CharField(max_length=24, required=False, default="", allow_blank=True)
    parameters = serializers.DictField(required=False, default=dict)
    spread_bps = serializers.FloatField(default=0.0)
    commission_per_unit = AskedMoneyField(default=0.0)
    commission_minimum = AskedMoneyField(default=0.0)
    range_share = serializers.FloatField(default=0.0)
    impact = serializers.FloatField(default=0.0)
    borrow_bps_per_day = serializers.FloatField(required=False, allow_null=True)
    financing_bps_per_year = serializers.FloatField(default=0.0)
    max_participation = serializers.FloatField(required=False, allow_null=True)
    carries_rest = serializers.BooleanField(default=False)
    symbols = serializers.ListField(
        child=serializers.CharField(max_length=24), required=False, default=list,
        help_text="Several instruments share the cash of one account.",
    )  # fmt: skip
    allocation = serializers.CharField(default="EQUAL_WEIGHT", max_length=20)
    max_positions = serializers.IntegerField(required=False, allow_null=True)
    gross_cap = serializers.FloatField(default=1.0)
    weights = serializers.DictField(
        required=False, default=dict,
        help_text="Share of each symbol for FIXED_WEIGHT; at most gross_cap in sum.",
    )  # fmt: skip
    limits = serializers.DictField(
        required=False, default=dict,
        help_text="Own limits of size, as a strategy version has them: max_position_weight, …",
    )  # fmt: skip
    out_of_sample_share = serializers.FloatField(default=0.3)
    out_of_sample_from = serializers.DateField(
        required=False, allow_null=True, help_text="First day out of sample; before the share."
    )
    walk_forward_folds = serializers.IntegerField(
        default=0, help_text="Equal parts judged one after another; 0, or 2 to 20."
    )
    benchmark = serializers.CharField(
        max_length=24, default="", allow_blank=True,
        help_text="CASH, or a symbol to hold; empty for holding what is traded.",
    )  # fmt: skip
    tags = serializers.ListField(child=serializers.CharField(), required=False, default=list)


class JudgedSerializer(serializers.Serializer[Any]):
    """What lists show of a finished run: the part it is judged by, and what its panel says.

    `beats_luck` (against random entries) and `verdict` are of the whole span.
    """

    part = serializers.ChoiceField(
        choices=PARTS, help_text="whole_span where no part was kept out of sample."
    )
    first_at = serializers.DateTimeField(source="figures.first_at")
    last_at = serializers.DateTimeField(source="figures.last_at")
    total_return = serializers.FloatField(source="figures.total_return")
    sharpe_ratio = serializers.FloatField(allow_null=True, help_text="Null over too few bars.")
    max_drawdown = serializers.FloatField(source="figures.max_drawdown")
    n_round_trips = serializers.IntegerField(source="figures.n_round_trips")
    cost_share = serializers.FloatField(
        source="figures.cost_share", allow_null=True, help_text="Costs over gross gains."
    )
    beats_luck = serializers.CharField(source="luck", help_text="PASS, WARN, FAIL, or empty.")
    verdict = serializers.CharField(help_text="PASS, WARN or FAIL.")


class BacktestRowSerializer(ExperimentSerializer):
    """A run in a list: what was asked, how far it is, what it is judged by once it is done."""

    parameters = serializers.JSONField()
    spread_bps = serializers.FloatField()
    commission_per_unit = serializers.FloatField()
    commission_minimum = serializers.FloatField()
    range_share = serializers.FloatField()
    impact = serializers.FloatField()
    borrow_bps_per_day = serializers.FloatField(allow_null=True)
    financing_bps_per_year = serializers.FloatField()
    max_participation = serializers.FloatField(allow_null=True)
    carries_rest = serializers.BooleanField()
    symbols = serializers.ListField(child=serializers.CharField())
    allocation = serializers.JSONField()
    limits = serializers.JSONField()
    out_of_sample_share = serializers.FloatField()
    out_of_sample_from = serializers.DateField(allow_null=True)
    walk_forward_folds = serializers.IntegerField()
    benchmark = serializers.CharField()
    tags = serializers.SerializerMethodField()
    phase = serializers.CharField()
    progress = serializers.FloatField()
    detail = serializers.CharField()
    reported_at = serializers.DateTimeField(allow_null=True)
    n_bars_per_second = serializers.FloatField(allow_null=True)
    rerun_of = serializers.IntegerField(source="rerun_of_id", allow_null=True)
    judged = serializers.SerializerMethodField()

    @extend_schema_field(JudgedSerializer(allow_null=True))
    def get_judged(self, backtest: Any) -> Any:
        """Return null before it is done."""
        found = judged_of(backtest)
        return None if found is None else JudgedSerializer(found).data

    def get_tags(self, backtest: Any) -> list[str]:
        """Return the tags in the order they were given."""
        return [tag.name for tag in backtest.tags.all()]


class BacktestSerializer(BacktestRowSerializer):
    """One run, and its equity while it runs."""

    so_far = serializers.JSONField(help_text="Equity of the bars that have run; empty at the end.")


class BacktestDescriptionSerializer(StrictSerializer):
    """What a PATCH may change: words for people, nothing about the result."""

    note = serializers.CharField(max_length=200, required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(), required=False)


class BacktestAdoptSerializer(StrictSerializer):
    """What it takes to use a run's rule."""

    override = serializers.CharField(
        max_length=40, required=False, default="", allow_blank=True,
        help_text="The word `unproven`, where the verdict speaks against it.",
    )  # fmt: skip


class AdoptedVersionSerializer(serializers.Serializer[Any]):
    """The draft version that was made; nothing runs it yet."""

    strategy_id = serializers.IntegerField()
    name = serializers.CharField(source="strategy.name")
    number = serializers.IntegerField()
    is_draft = serializers.BooleanField()
    parameters = serializers.JSONField()
    note = serializers.CharField()


class BacktestShareSerializer(serializers.Serializer[Any]):
    """A link to one result; whoever has it can read it."""

    path = serializers.SerializerMethodField(help_text="Behind the address of this site.")
    created_at = serializers.DateTimeField()

    def get_path(self, share: Any) -> str:
        """Return the address a reader opens."""
        return reverse("backtest_shared", args=[share.token])


class BacktestReportSerializer(StrictSerializer):
    """What its owner says about a run that failed."""

    text = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class BacktestSplitSerializer(serializers.Serializer[Any]):
    """A stored result split at another day, both sides with holding."""

    split = serializers.DateField()
    null_win_rate = serializers.FloatField(
        allow_null=True, help_text="Of random entries left as its trades were, whole span."
    )
    in_sample = serializers.JSONField()
    out_of_sample = serializers.JSONField()


class BacktestResultSerializer(serializers.Serializer[Any]):
    """What a run found; every win rate stands beside its n, its interval and its null."""

    id = serializers.IntegerField(source="backtest_id")
    metrics = serializers.JSONField()
    by_regime = serializers.JSONField()
    costs = serializers.JSONField()
    per_instrument = serializers.JSONField()
    honesty = serializers.JSONField()
    curve = serializers.JSONField()
    round_trips = serializers.JSONField()
    monthly = serializers.JSONField()
    drawdowns = serializers.JSONField()
    decisions = serializers.JSONField()
    manifest = serializers.JSONField()
