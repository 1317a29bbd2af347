"""What charts are drawn from: plain JSON payloads and one sentence each."""

from __future__ import annotations

from typing import Any

from elson.common import formatting
from trading.selectors.equity import EquityCurve


def equity_figure(curve: EquityCurve, *, channel: str = "portfolio") -> dict[str, Any]:
    """Payload of the equity chart, with the regime at each close, and its sentence."""
    dates = [f"{at:%Y-%m-%d}" for at in curve.at]
    payload = {
        "currency": curve.currency,
        "channel": channel,
        "opening": curve.opening,
        "series": [
            {
                "role": "strategy",
                "name": "Equity",
                "points": list(zip(dates, curve.equity, strict=True)),
            }
        ],
        "drawdown": list(zip(dates, curve.drawdown, strict=True)),
        "regimes": list(zip(dates, curve.regimes, strict=True)),
    }
    return {"payload": payload, "summary": _sentence(curve)}


def _sentence(curve: EquityCurve) -> str:
    if not curve.at:
        return "The curve gains a point with every replayed bar."
    first, last = (formatting.money(curve.equity[i], curve.currency) for i in (0, -1))
    worst = formatting.percent(min(curve.drawdown), 1)
    return (
        f"{len(curve)} closes from {formatting.day(curve.at[0])} "
        f"to {formatting.day(curve.at[-1])}: "
        f"equity {first} to {last}, largest drawdown {worst}."
    )
