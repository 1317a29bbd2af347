"""What trading on a market usually costs: one line of the engine's table for every instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trading.engine.types import AssetClass

if TYPE_CHECKING:
    from marketdata.models import Instrument


def cost_preset_of(instrument: Instrument) -> AssetClass:
    """Return the line of the cost table that fits an instrument."""
    if instrument.asset_class == AssetClass.EQUITY and instrument.is_close_only:
        return AssetClass.EQUITY_CLOSE
    return AssetClass.__members__.get(instrument.asset_class, AssetClass.INDEX)


def usual_costs(instrument: Instrument, *, has_slippage: bool = False) -> dict[str, Any]:
    """Return what a `CostModel` takes of a market: its costs, its slippage and impact if asked."""
    share = 1.0 if has_slippage else 0.0
    preset = cost_preset_of(instrument)
    return {"preset": preset, "preset_slippage": share, "preset_impact": share}
