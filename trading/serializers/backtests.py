"""Backtests as the API writes them: money as decimal strings, rates as fractions, times in UTC."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class BacktestRequestSerializer(serializers.Serializer[Any]):
    """What a POST may say; bounds and meaning are checked by the service, all faults at once."""

    strategy = serializers.CharField(max_length=60)
    symbol = serializers.CharField(max_length=24, required=False, default="", allow_blank=True)
    timeframe = serializers.CharField(max_length=3, default="1d")
    start_date = serializers.DateField(required=False, allow_null=True)
    end_date = serializers.DateField(required=False, allow_null=True)
    parameters = serializers.DictField(required=False, default=dict)
    cash = serializers.CharField(default="100000", max_length=40)
    commission_bps = serializers.FloatField(default=0.0)
    slippage_bps = serializers.FloatField(default=0.0)
    has_regime_costs = serializers.BooleanField(default=False)
    spread_bps = serializers.FloatField(default=0.0)
    commission_per_unit = serializers.FloatField(default=0.0)
    commission_minimum = serializers.FloatField(default=0.0)
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
    is_free_confirmed = serializers.BooleanField(default=False)
    out_of_sample_share = serializers.FloatField(default=0.3)
    seed = serializers.IntegerField(default=7)
    note = serializers.CharField(max_length=200, default="", allow_blank=True)

    def draft_values(self) -> dict[str, Any]:
        """Return the values under the names `draft_read` knows."""
        values = dict(self.validated_data)
        values["strategy_key"] = values.pop("strategy")
        return values


class BacktestSerializer(serializers.Serializer[Any]):
    """One run: what was asked and how far it is."""

    id = serializers.IntegerField(read_only=True)
    strategy = serializers.CharField(source="strategy_key")
    symbol = serializers.CharField(source="instrument.symbol")
    timeframe = serializers.CharField()
    start_date = serializers.DateField(allow_null=True)
    end_date = serializers.DateField(allow_null=True)
    parameters = serializers.JSONField()
    cash = serializers.DecimalField(max_digits=24, decimal_places=8)
    commission_bps = serializers.FloatField()
    slippage_bps = serializers.FloatField()
    has_regime_costs = serializers.BooleanField()
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
    out_of_sample_share = serializers.FloatField()
    seed = serializers.IntegerField()
    note = serializers.CharField()
    status = serializers.CharField()
    phase = serializers.CharField()
    progress = serializers.FloatField()
    detail = serializers.CharField()
    n_bars_per_second = serializers.FloatField(allow_null=True)
    error_code = serializers.CharField()
    error = serializers.CharField()
    rerun_of = serializers.IntegerField(source="rerun_of_id", allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


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
