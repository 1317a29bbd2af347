"""One decision as its page shows it: parameters, inputs, orders, what its model said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch

from elson.common import formatting
from elson.common.formatting import label_of
from trading.engine import explanation
from trading.models import Decision, Fill, Order
from trading.selectors.decision_rules import RulesView, rule_rows, rules_view
from trading.selectors.decision_scores import (
    PREFIX,
    SCORE_INPUTS,
    Score,
    score_of,
    unasked_text,
)
from trading.selectors.parameter_shares import is_share
from trading.selectors.parameter_words import choice_words, parameter_label

LABELS = {
    "rsi": "RSI(2)",
    "atr": "ATR(14)",
    "volatility": "Volatility a year",
    "volatility_percentile": "Volatility percentile",
    "range_position": "Place of the close in its bar",
    "cost_rate": "Cost per side",
    "is_dip": "A dip",
    "is_tradable": "Cheap enough to trade",
    "correlation": "Correlation with what else is held",
}
_AS_PERCENT = ("volatility", "volatility_percentile", "range_position")
BLOCK_WORDS = {
    "NO_TRADE_BAND": "too small a change to trade",
    "QUANTITY_STEP": "less than one unit",
    "CASH": "no cash left",
    "NO_EQUITY": "no equity left",
    "WARM_UP": "too few bars",
    "BREAKER": "circuit breaker",
    "SIZE_LIMIT": "its own limits of size",
    "LOSS_LIMIT": "its own daily loss",
    "PAUSED": "paused",
    "FRESH_SIGNAL": "waits for a fresh signal",
    "SOLD_BY_HAND": "a part was sold by hand",
    "OFF_SCHEDULE": "outside its schedule",
    "TOO_SOON": "too soon by its schedule",
    "NO_SLOT": "no place left in the portfolio",
    "NO_SIZE": "its size is zero",
}
_AS_WORD = ("is_dip", "is_tradable")
_AS_RATE = ("cost_rate",)


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter at a bar: base, value now, bounds and why."""

    name: str
    label: str
    base: Any
    now: Any
    low: float | None
    high: float | None
    because: str

    @property
    def is_adapted(self) -> bool:
        """Whether the regime moved it away from its base."""
        return bool(self.base != self.now)

    @property
    def base_text(self) -> str:
        """Its base as people write it."""
        return value_text(self.name, self.base)

    @property
    def now_text(self) -> str:
        """Its value now as people write it."""
        return value_text(self.name, self.now)

    @property
    def is_text(self) -> bool:
        """Whether it is a word, like the breaker's level, or a share, and not a number alone."""
        return isinstance(self.now, str) or is_share(self.name)

    @property
    def bounds_text(self) -> str:
        """Its bounds as people write them; a dash where nothing bounds it."""
        if self.low is None:
            return formatting.MISSING
        return f"{value_text(self.name, self.low)} to {value_text(self.name, self.high)}"


@dataclass(frozen=True, slots=True)
class InputRow:
    """One number a decision was made from; `kind` says how to write it."""

    name: str
    label: str
    value: float | None
    kind: str


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision's tables, ready to be shown; each order has its fills read along."""

    parameters: list[ParameterRow]
    inputs: list[InputRow]
    orders: list[Order]
    rules: RulesView
    score: Score | None
    unasked: str
    blocked_by: str


def decision_view(decision: Decision) -> DecisionView:
    """Show a decision's stored numbers as rows; the adapted parameters first."""
    orders = list(
        Order.objects.filter(decision=decision)
        .select_related("instrument")
        .prefetch_related(Prefetch("fills", Fill.objects.order_by("filled_at", "pk")))
        .order_by("pk")
    )
    return DecisionView(
        parameters=_parameters(decision.parameters),
        inputs=_inputs(decision.inputs),
        orders=orders,
        rules=rules_view(decision, orders),
        score=score_of(decision),
        unasked=unasked_text(decision),
        blocked_by=block_word(decision.blocked_by),
    )


def told_view(told: explanation.Decision) -> DecisionView:
    """Show a decision that was just explained as one that is stored; it led to no stored order."""
    return DecisionView(
        parameters=_parameters({line.name: line.to_dict() for line in told.parameters}),
        inputs=_inputs(told.inputs),
        orders=[],
        rules=RulesView(rule_rows([explanation.rule_dict(rule) for rule in told.rules]), [], None),
        score=score_of(told),
        unasked=unasked_text(told),
        blocked_by=block_word(told.blocked_by or ""),
    )


def _parameters(lines: Mapping[str, Mapping[str, Any]]) -> list[ParameterRow]:
    rows = [
        ParameterRow(
            name=name,
            label=parameter_label(name),
            base=line.get("base"),
            now=line.get("now"),
            low=line.get("low"),
            high=line.get("high"),
            because=str(line.get("because", "")),
        )
        for name, line in lines.items()
    ]
    return sorted(rows, key=lambda row: not row.is_adapted)


def _inputs(values: Mapping[str, float | None]) -> list[InputRow]:
    return [
        InputRow(
            name=name,
            label=LABELS.get(name, label_of(name)),
            value=value,
            kind=_kind_of(name),
        )
        for name, value in values.items()
        if not name.startswith(PREFIX) and name not in SCORE_INPUTS
    ]


def value_text(name: str, value: Any) -> str:
    """Write a value of a parameter: four digits, words instead of codes, a dash for none."""
    if value is None:
        return formatting.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or is_share(name):
        return str(choice_words(name, value))
    return formatting.quantity(value, 4)


def block_word(rule: str) -> str:
    """Return what kept a decision from trading in a few words; empty for nothing."""
    return BLOCK_WORDS.get(rule, rule.replace("_", " ").lower())


def _kind_of(name: str) -> str:
    """Return how an input is written: a percentage, a small rate, a word or a number."""
    if name in _AS_PERCENT:
        return "percent"
    return "rate" if name in _AS_RATE else "word" if name in _AS_WORD else "number"
