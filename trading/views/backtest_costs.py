"""Plain values of the costs tab: what was paid, part by part, and the run at other costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import format_html

from elson.common import formatting
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


# The drawing of return against costs, in its own units.
WIDTH, HEIGHT, EDGE = 340, 150, 24


def cost_plot(curve: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Place the net return at each multiple of the costs; None for fewer than two points."""
    if len(curve) < 2:
        return None
    factors = [point["factor"] for point in curve]
    returns = [point["total_return"] for point in curve]
    low, high = min(*returns, 0.0), max(*returns, 0.0)
    wide = (WIDTH - 2 * EDGE) / ((factors[-1] - factors[0]) or 1.0)
    tall = (HEIGHT - 2 * EDGE) / ((high - low) or 1.0)

    def across(factor: float) -> str:
        return f"{EDGE + (factor - factors[0]) * wide:.1f}"

    def down(value: float) -> str:
        return f"{HEIGHT - EDGE - (value - low) * tall:.1f}"

    points = [(across(f), down(r), f) for f, r in zip(factors, returns, strict=True)]
    return {
        "width": WIDTH, "height": HEIGHT, "left": EDGE, "right": WIDTH - EDGE,
        "zero": down(0.0),
        "path": "M" + "L".join(f"{x} {y}" for x, y, _ in points),
        "points": [
            {"x": x, "y": y, "text": f"×{formatting.ratio(f, 1)}", "is_run": f == 1.0}
            for x, y, f in points
        ],
        "label": "Net return against costs: "
        + ", ".join(
            f"{formatting.signed_percent(r, 1)} at {formatting.ratio(f, 1)} times"
            for f, r in zip(factors, returns, strict=True)
        ),
    }  # fmt: skip


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
        "cost_plot": cost_plot(costs["curve"] or ()),
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
