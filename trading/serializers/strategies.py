"""Strategies, where they run, their decisions, and regimes as the API writes them."""

from __future__ import annotations

import math
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from elson.common.api import StrictSerializer
from trading.selectors.decision_scores import score_of
from trading.selectors.model_versions import bound_text
from trading.selectors.own_books import outcome_of
from trading.selectors.protection import protection_now
from trading.serializers.fields import AmountField


class StrategySerializer(serializers.Serializer[Any]):
    """A named strategy."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    key = serializers.CharField()
    n_versions = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class StrategyVersionSerializer(serializers.Serializer[Any]):
    """Frozen parameters of a strategy."""

    number = serializers.IntegerField()
    parameters = serializers.JSONField()
    limits = serializers.JSONField()
    costs = serializers.JSONField()
    note = serializers.CharField(allow_blank=True)
    is_draft = serializers.BooleanField()
    source = serializers.CharField()  # type: ignore[assignment]
    created_at = serializers.DateTimeField()


# What parameters may name besides those of the rules' schema.
EXTRA_PARAMETERS = (
    "Names and values. Beside the rules' own: a value in a regime (size_factor.HIGH), a switch "
    "(size_factor.ADAPTIVE: off), and the schedule of entries (schedule.days, schedule.from, …); "
    "a template lists those it knows."
)


class StrategyCreateSerializer(StrictSerializer):
    """A new strategy: rules, name, and what differs from the rules' defaults."""

    key = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=80)
    parameters = serializers.DictField(default=dict, help_text=EXTRA_PARAMETERS)
    limits = serializers.DictField(required=False)
    costs = serializers.DictField(required=False)
    note = serializers.CharField(max_length=200, allow_blank=True, default="")


class StrategyRenameSerializer(StrictSerializer):
    """Another name of 1 to 80 characters; unique among the caller's strategies."""

    name = serializers.CharField(allow_blank=True)


class VersionCreateSerializer(StrictSerializer):
    """Changed parameters of a strategy; the ones left out take the rules' defaults."""

    parameters = serializers.DictField(help_text=EXTRA_PARAMETERS)
    limits = serializers.DictField(
        required=False, help_text="Own risk limits; left out: those of the newest version."
    )
    costs = serializers.DictField(
        required=False, help_text="Costs of its backtests; left out: those of the newest version."
    )
    note = serializers.CharField(max_length=200, allow_blank=True, default="")


class DeploymentCreateSerializer(StrictSerializer):
    """A version to put to work; without capital it gets what no other strategy has."""

    strategy_id = serializers.IntegerField()
    version = serializers.IntegerField(required=False)
    symbol = serializers.CharField(max_length=24)
    capital = serializers.DecimalField(max_digits=24, decimal_places=8, required=False)


class ParameterChangeSerializer(serializers.Serializer[Any]):
    """One parameter in two versions."""

    key = serializers.CharField()
    meaning = serializers.CharField()
    old = serializers.JSONField()
    new = serializers.JSONField()
    is_changed = serializers.BooleanField()


class ParameterSerializer(serializers.Serializer[Any]):
    """One parameter of the rules: kind, default, bounds, step and meaning."""

    key = serializers.CharField()
    kind = serializers.CharField()
    default = serializers.JSONField()
    meaning = serializers.CharField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    step = serializers.FloatField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())
    unit = serializers.CharField(allow_blank=True)


class SchedulePartSerializer(serializers.Serializer[Any]):
    """One part of the schedule of entries."""

    key = serializers.CharField()
    meaning = serializers.CharField()


class TemplateSerializer(serializers.Serializer[Any]):
    """Rules one can run: what they do, when they fail, what they take."""

    key = serializers.CharField()
    name = serializers.CharField()
    summary = serializers.CharField()
    when_it_fails = serializers.CharField()
    n_warm_up_bars = serializers.IntegerField()
    parameters = ParameterSerializer(many=True)
    switches = serializers.ListField(
        child=serializers.CharField(),
        help_text="Parameters that say on or off: whether a value follows the regime.",
    )
    schedule = SchedulePartSerializer(
        many=True, help_text="Parameters that say when it may enter; left out: at every close."
    )


class StrategyDetailSerializer(serializers.Serializer[Any]):
    """A strategy with its versions, newest first."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    key = serializers.CharField()
    is_archived = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    versions = StrategyVersionSerializer(many=True)


class DeploymentSerializer(serializers.Serializer[Any]):
    """A strategy version at work on the caller's portfolio."""

    id = serializers.IntegerField(source="pk")
    strategy_id = serializers.IntegerField(source="version.strategy_id")
    strategy = serializers.CharField(source="version.strategy.name")
    version = serializers.IntegerField(source="version.number")
    symbol = serializers.CharField(source="instrument.symbol")
    timeframe = serializers.CharField()
    capital = AmountField()
    status = serializers.CharField()
    manages = serializers.CharField(
        help_text="What it does in its status: entries and exits, exits only (paused) or nothing."
    )
    error = serializers.CharField(allow_blank=True)
    starts_at = serializers.DateTimeField()
    last_bar_at = serializers.DateTimeField(allow_null=True)
    quantity = serializers.SerializerMethodField(help_text="Units its own book holds.")
    avg_entry_price = serializers.SerializerMethodField()
    equity = serializers.SerializerMethodField(help_text="Of its own book at its last bar.")
    is_overruled = serializers.BooleanField(
        help_text="A person sold of its position: it adds nothing to what it still holds, and "
        "enters again only on a fresh signal."
    )

    @extend_schema_field(AmountField())
    def get_quantity(self, deployment: Any) -> Any:
        """Return 0 while it is flat, negative units for a short."""
        return AmountField().to_representation(deployment.state.get("quantity", 0.0))

    @extend_schema_field(AmountField(allow_null=True))
    def get_avg_entry_price(self, deployment: Any) -> Any:
        """Return null while it holds nothing."""
        held, price = (deployment.state.get(name) for name in ("quantity", "avg_entry_price"))
        return AmountField().to_representation(price) if held else None

    @extend_schema_field(AmountField())
    def get_equity(self, deployment: Any) -> Any:
        """Return the capital before its first bar."""
        return AmountField().to_representation(deployment.state.get("equity", deployment.capital))


class ProtectionSerializer(serializers.Serializer[Any]):
    """What protects its position at the market; without an order, why none rests."""

    order_ids = serializers.SerializerMethodField()
    sentence = serializers.CharField(allow_blank=True)
    is_refused = serializers.BooleanField()

    def get_order_ids(self, found: Any) -> list[str]:
        """Orders that rest, stop first."""
        return [str(order.uuid) for order in found.orders]


class DeploymentDetailSerializer(DeploymentSerializer):
    """A deployment with what its page says beside the figures."""

    model = serializers.SerializerMethodField()
    protection = serializers.SerializerMethodField()

    def get_model(self, deployment: Any) -> str:
        """Say which model decides with its rule; empty for rules that take none."""
        return bound_text(deployment.version.strategy.key)

    @extend_schema_field(ProtectionSerializer(allow_null=True))
    def get_protection(self, deployment: Any) -> Any:
        """Return null where nothing of it is ever to rest at the market."""
        found = protection_now(deployment)
        return None if found is None else ProtectionSerializer(found).data


class DeploymentQuotaSerializer(serializers.Serializer[Any]):
    """What your plan lets run at once."""

    n_running = serializers.IntegerField(help_text="At work, paused ones too.")
    n_left = serializers.IntegerField()
    at_once = serializers.IntegerField()


class DeploymentStopSerializer(StrictSerializer):
    """What to do with what it holds."""

    closes_position = serializers.BooleanField(default=False)


class SizingLineSerializer(serializers.Serializer[Any]):
    """One line of the arithmetic; null where a way was left out."""

    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.SerializerMethodField()
    text = serializers.CharField()

    def get_value(self, line: Any) -> float | None:
        """NaN has no place in JSON."""
        return None if math.isnan(line.value) else float(line.value)


class RecommendationSerializer(serializers.Serializer[Any]):
    """A size that is never above a cap, and which of them bound it."""

    weight = serializers.FloatField()
    quantity = AmountField()
    bound_by = serializers.CharField()
    lines = SizingLineSerializer(many=True)


class DecisionSerializer(serializers.Serializer[Any]):
    """What a strategy decided at the close of one bar."""

    id = serializers.UUIDField(source="uuid")
    deployment_id = serializers.IntegerField()
    market_at = serializers.DateTimeField()
    action = serializers.CharField()
    regime = serializers.CharField(allow_blank=True)
    signal = serializers.FloatField(allow_null=True)
    price = AmountField()
    target_weight = serializers.FloatField(allow_null=True)
    target_quantity = AmountField(allow_null=True)
    reason = serializers.CharField()
    blocked_by = serializers.CharField(allow_blank=True)


class ContributionSerializer(serializers.Serializer[Any]):
    """How far one feature moved a score."""

    feature = serializers.CharField(source="label")
    value = serializers.FloatField()


class ScoreSerializer(serializers.Serializer[Any]):
    """A model's probability and the way to its score, as the page shows it.

    `base`, the contributions and `left_out` add up to `total`.
    """

    probability = serializers.FloatField()
    threshold = serializers.FloatField(allow_null=True)
    is_reached = serializers.BooleanField()
    base = serializers.FloatField(allow_null=True)
    contributions = ContributionSerializer(many=True)
    left_out = serializers.FloatField()
    total = serializers.FloatField()
    is_log_odds = serializers.BooleanField()


class OutcomeSerializer(serializers.Serializer[Any]):
    """What the market did since a decision, as far as the caller may see it."""

    n_bars = serializers.IntegerField()
    close_change = serializers.FloatField(help_text="A fraction of the close decided at.")


class DecisionDetailSerializer(DecisionSerializer):
    """A decision with everything it was made from."""

    strategy = serializers.CharField(source="deployment.version.strategy.name")
    version = serializers.IntegerField(source="deployment.version.number")
    symbol = serializers.CharField(source="deployment.instrument.symbol")
    inputs = serializers.JSONField()
    parameters = serializers.JSONField()
    sizing = serializers.JSONField()
    rules = serializers.JSONField(
        allow_null=True,
        help_text="Every rule its wish went through, with value and limit; null before they were "
        "recorded. What the account said of its orders stands with each order.",
    )
    data = serializers.JSONField(  # type: ignore[assignment]
        source="source",
        allow_null=True,
        help_text="Series it saw with the hash of its bars, and the model; null before they were "
        "recorded.",
    )
    what_would_change = serializers.CharField(allow_blank=True)
    engine_version = serializers.CharField(allow_blank=True)
    score = serializers.SerializerMethodField()
    order_ids = serializers.SerializerMethodField()
    outcome = serializers.SerializerMethodField()

    @extend_schema_field(OutcomeSerializer(allow_null=True))
    def get_outcome(self, decision: Any) -> dict[str, Any] | None:
        """Return null before the next bar has closed."""
        replay = decision.deployment.portfolio.replay
        found = outcome_of(decision, until=replay.cursor_at if replay else None)
        return found and {"n_bars": found[0], "close_change": found[1]}

    @extend_schema_field(ScoreSerializer(allow_null=True))
    def get_score(self, decision: Any) -> Any:
        """Return what a model said; null where none was asked."""
        found = score_of(decision)
        return None if found is None else ScoreSerializer(found).data

    def get_order_ids(self, decision: Any) -> list[str]:
        """Orders that came of it."""
        return [str(order.uuid) for order in decision.orders.order_by("pk")]


class RegimeBandSerializer(serializers.Serializer[Any]):
    """A stretch of bars in one regime; null while there is too little history."""

    to = serializers.DateTimeField(source="to_at")
    regime = serializers.CharField(allow_null=True)
    n_bars = serializers.IntegerField()

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which Python does not let a class body name."""
        return {"from": serializers.DateTimeField(source="from_at"), **super().get_fields()}


class RegimesSerializer(serializers.Serializer[Any]):
    """Bands of one series, oldest first, none after the caller's replay cursor."""

    symbol = serializers.CharField()
    timeframe = serializers.CharField()
    visible_until = serializers.DateTimeField(allow_null=True)
    has_older = serializers.BooleanField()
    bands = RegimeBandSerializer(many=True)
