"""Costs a strategy version is tested at: its own, or those paper trading charges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marketdata.models import Instrument
from trading.engine.costs import CostModel
from trading.services import order_costs
from trading.services.backtests.experiment import cost_preset_of


def version_costs(costs: Mapping[str, Any], instrument: Instrument) -> CostModel:
    """Return the cost model of a version's stored costs on an instrument; empty: the usual one."""
    if not costs:
        return order_costs.costs_of(instrument)
    preset, share = None, 0.0
    if costs.get("has_regime_costs"):
        preset = cost_preset_of(
            asset_class=instrument.asset_class, is_close_only=instrument.is_close_only
        )
        share = 1.0 if costs.get("has_usual_slippage") else 0.0
    flags = ("has_regime_costs", "has_usual_slippage")
    named = {name: value for name, value in costs.items() if name not in flags}
    return CostModel(preset=preset, preset_slippage=share, preset_impact=share, **named)
