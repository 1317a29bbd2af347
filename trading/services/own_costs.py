"""Costs a strategy version is tested at: its own, or those paper trading charges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketdata.models import Instrument
from trading.engine.costs import CostModel
from trading.services import order_costs
from trading.services.market_costs import usual_costs


def version_costs(costs: Mapping[str, Any], instrument: Instrument) -> CostModel:
    """Return the cost model of a version's stored costs on an instrument; empty: the usual one."""
    if not costs:
        return order_costs.costs_of(instrument)
    flags = ("has_regime_costs", "has_usual_slippage")
    named = {name: value for name, value in costs.items() if name not in flags}
    if costs.get("has_regime_costs"):
        named |= usual_costs(instrument, has_slippage=bool(costs.get("has_usual_slippage")))
    return CostModel(**named)
