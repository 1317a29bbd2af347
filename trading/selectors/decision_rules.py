"""The rules a decision and its orders went through, as a page shows them: passed and not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elson.common import formatting
from trading.models import Decision, Order

RULE_WORDS = {
    "WARM_UP": "Enough bars",
    "NO_SIZE": "Size wanted",
    "BREAKER": "Circuit breaker",
    "OWN_POSITION": "Own largest position",
    "OWN_EXPOSURE": "Own gross exposure",
    "OWN_ORDER": "Own largest order",
    "LOSS_LIMIT": "Own daily loss",
    "NO_EQUITY": "Equity of its book",
    "NO_TRADE_BAND": "No-trade band",
    "CASH": "Cash of its book",
    "QUANTITY_STEP": "Smallest step",
    "NO_SLOT": "Places of the account",
    "PAUSED": "May add",
    "FRESH_SIGNAL": "Fresh signal",
    "SOLD_BY_HAND": "Sold by hand",
    "OFF_SCHEDULE": "Schedule of entries",
    "TOO_SOON": "Bars between additions",
    "TRADABLE": "Open for trading",
    "PRICE_KNOWN": "Price known",
    "TICK_SIZE": "Tick of its prices",
    "QUANTITY": "Quantity and price",
    "BUYING_POWER": "Buying power",
    "MAX_NOTIONAL": "Largest order",
    "MAX_POSITION_WEIGHT": "Largest position",
    "SHORT": "No short position",
    "DAILY_LOSS": "Daily loss",
    "MAX_OPEN_ORDERS": "Open orders",
    "PRICE_SIDE": "Side of the stop price",
    "MAX_GROSS_EXPOSURE": "Gross exposure",
    "MAX_ORDERS_PER_MINUTE": "Orders a minute",
}
# Their limit is the least, not the most.
_LEAST = ("WARM_UP", "NO_EQUITY", "QUANTITY_STEP", "QUANTITY")
_MARKS = {"PASS": "ok", "WARN": "warn", "FAIL": "crit"}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule: `mark` is ok, warn or crit, `value` what was found of what is allowed."""

    rule: str
    mark: str
    label: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class RulesView:
    """The rules of one decision; `strategy` is None where they were not recorded yet."""

    strategy: list[RuleRow] | None
    orders: list[tuple[Order, list[RuleRow]]]
    recorded_since: dt.datetime | None


def rules_view(decision: Decision, orders: Sequence[Order]) -> RulesView:
    """Show what a strategy's wish met, then what the account's rules said of each order."""
    stored = decision.rules
    return RulesView(
        strategy=None if stored is None else rule_rows(stored),
        orders=[(order, rule_rows(order.risk_check)) for order in orders],
        recorded_since=_recorded_since(decision) if stored is None else None,
    )


def rule_rows(rules: Sequence[dict[str, Any]]) -> list[RuleRow]:
    """Write stored rules in words; those that failed keep their place in the order of asking."""
    return [
        RuleRow(
            rule=item["rule"],
            mark=_MARKS.get(item["status"], "info"),
            label=rule_word(item["rule"]),
            value=_value(item),
            why=_sentence(item["sentence"]),
        )
        for item in rules
    ]


def rule_word(rule: str) -> str:
    """Name a rule as people do."""
    return RULE_WORDS.get(rule) or formatting.label_of(rule.lower())


def _recorded_since(decision: Decision) -> dt.datetime | None:
    """Return the first bar of its deployment whose rules were kept."""
    kept = Decision.objects.filter(deployment_id=decision.deployment_id, rules__isnull=False)
    return kept.order_by("market_at").values_list("market_at", flat=True).first()


def _value(item: dict[str, Any]) -> str:
    found, limit = item.get("value"), item.get("limit")
    if found is None or (limit is None and not found):
        return ""
    text = _text(found, item["unit"])
    if limit is None:
        return text
    word = "needs" if item["rule"] in _LEAST else "limit"
    return f"{text} · {word} {_text(limit, item['unit'])}"


def _text(value: float, unit: str) -> str:
    if unit == "ratio":
        return formatting.percent(value, 1)
    return formatting.number(value, 2) if unit == "money" else formatting.quantity(value, 4)


def _sentence(text: str) -> str:
    return formatting.in_words(f"{text[:1].upper()}{text[1:]}.")
