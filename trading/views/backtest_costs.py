"""Plain values of the costs tab: what was paid, part by part, and the run at other costs."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html

from elson.common.templatetags import formats

PARTS = (
    ("commission", "Commission", "charged apart from the price"),
    ("preset", "Usual spread and fees", "of the market, higher when volatility is"),
    ("spread", "Half spread", "paid in the price"),
    ("slippage", "Slippage", "paid in the price"),
    ("impact", "Impact", "the order's own push on the price"),
    ("borrow", "Borrow", "of short positions, per day"),
    ("financing", "Financing", "of negative cash, per day"),
)


def cost_rows(costs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row per part, zero ones included."""
    return [
        {
            "key": key,
            "label": label,
            "meaning": meaning,
            "paid": costs["parts"][key],
            "share": costs["shares_of_gross"][key],
        }
        for key, label, meaning in PARTS
    ]


def cost_context(backtest: Any) -> dict[str, Any]:
    """Return what the tab shows; nothing for results from before costs were kept by part."""
    costs = backtest.result.costs
    if not costs:
        return {"costs": None}
    checks = {row["key"]: row["numbers"] for row in backtest.result.honesty["rows"]}
    limit = checks.get("COST_BREAK_EVEN", {}).get("break_even_bps")
    share = costs["shares_of_gross"]["total"]
    currency = backtest.instrument.currency
    return {
        "costs": costs,
        "cost_rows": cost_rows(costs),
        "cost_tiles": [
            {
                "label": "Costs paid",
                "value": formats.money(costs["parts"]["total"], currency),
                "note": format_html("{} of gross gains", formats.pct(share, 1)),
            },
            {
                "label": "Paid a side",
                "value": formats.bps(costs["paid_bps"]),
                "note": "of the amount traded",
            },
            {
                "label": "Breaks even at",
                "value": formats.bps(limit),
                "note": "a side",
            },
            {
                "label": "Orders cut short",
                "value": formats.qty(costs["n_partial_orders"]),
                "note": "by volume or cash",
            },
        ],
    }
