"""What pages say of plans: which one has a thing, and its price; from the rows that are sold."""

from __future__ import annotations

from typing import Any

from accounts.entitlements import ENTITLEMENTS, UNLIMITED
from billing.selectors import plan_list
from elson.common import formatting

LABELS = {item.key: item.label for item in ENTITLEMENTS}
# Keys that are had or not, and counted no further.
SWITCHES = frozenset(item.key for item in ENTITLEMENTS if max(item.plus, item.pro) == 1)


def plans_shown() -> list[dict[str, Any]]:
    """Return the plans that can be seen, smallest first, with prices and amounts in words."""
    return [
        {
            "name": plan.name,
            "monthly": formatting.money(plan.monthly_price, plan.currency, _places(plan)),
            "yearly": formatting.money(plan.yearly_price, plan.currency, _places(plan)),
            "is_proposed": plan.is_price_proposed,
            "amounts": plan.entitlements,
            "words": {key: _words(key, plan.entitlements.get(key, 0)) for key in LABELS},
            "labels": LABELS,
        }
        for plan in plan_list()
    ]


def _places(plan: Any) -> int:
    """Leave out cents where both prices are whole."""
    return 0 if plan.monthly_price % 1 == 0 and plan.yearly_price % 1 == 0 else 2


def _words(key: str, amount: int) -> str:
    if key in SWITCHES:
        return "yes" if amount else "no"
    return "no limit" if amount >= UNLIMITED else formatting.number(amount, 0)
