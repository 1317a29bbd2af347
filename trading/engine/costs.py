"""What trading costs: per asset class and regime, or plain basis points.

INPUT    asset class, regime code at the signal bar
OUTPUT   fractions per side of notional (commission) and of price (slippage)
LOOKBACK none; the regime is the one known when the order was decided
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.types import AssetClass

# Basis points per side, spread and fees together (protocol vol-robustness-v1).
COST_BPS: Mapping[AssetClass, float] = {
    AssetClass.EQUITY: 4.0,
    AssetClass.EQUITY_CLOSE: 5.0,
    AssetClass.ETF: 2.0,
    AssetClass.INDEX: 2.0,
    AssetClass.FX: 1.5,
    AssetClass.FX_EMERGING: 5.0,
    AssetClass.COMMODITY: 3.0,
    AssetClass.CRYPTO: 15.0,
}

# LOW, NORMAL, HIGH, EXTREME. A bar without a known regime costs what NORMAL costs.
REGIME_MULTIPLIERS = (1.0, 1.0, 1.5, 2.5)

# Basis points per calendar day of a short position.
BORROW_BPS_PER_DAY: Mapping[AssetClass, float] = {
    AssetClass.EQUITY: 1.0,
    AssetClass.EQUITY_CLOSE: 1.0,
    AssetClass.ETF: 0.5,
    AssetClass.CRYPTO: 3.0,
}

BPS = 1e-4


@dataclass(frozen=True, slots=True)
class CostModel:
    """Costs of one run: plain basis points, plus the preset of an asset class if one is named.

    Parameters
    ----------
    commission_bps : float
        Commission per side on notional, basis points, in [0, 1000].
    slippage_bps : float
        How much worse than the bar's price a market order fills, basis points, in [0, 1000].
    preset : AssetClass or None
        Adds the class's cost per side, scaled by the regime at the signal bar, to the commission.

    Raises
    ------
    ConfigInvalid
        If a rate is negative, above 1,000 bps or not finite.

    Examples
    --------
    >>> costs = CostModel(preset=AssetClass.EQUITY)
    >>> round(costs.commission_rate(3) * 1e4, 6)
    10.0
    """

    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    preset: AssetClass | None = None

    def __post_init__(self) -> None:
        """Refuse rates that cannot be meant."""
        for name in ("commission_bps", "slippage_bps"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1_000.0:
                raise ConfigInvalid(f"{name} {value} must lie between 0 and 1,000")

    def commission_rate(self, regime_code: int) -> float:
        """Return commission per side as a fraction of notional for one regime code."""
        return (self.commission_bps + preset_bps(self.preset, regime_code)) * BPS

    @property
    def slippage_rate(self) -> float:
        """Return slippage as a fraction of price."""
        return self.slippage_bps * BPS

    @property
    def is_free(self) -> bool:
        """Tell whether trading costs nothing at all."""
        return self.commission_bps == 0.0 and self.slippage_bps == 0.0 and self.preset is None

    def borrow_rate_per_day(self) -> float:
        """Return the fraction of a short position's value charged per calendar day."""
        if self.preset is None:
            return 0.0
        return BORROW_BPS_PER_DAY.get(self.preset, 0.0) * BPS


def preset_bps(preset: AssetClass | None, regime_code: int) -> float:
    """Return the cost per side of an asset class in a regime.

    Parameters
    ----------
    preset : AssetClass or None
        None costs nothing.
    regime_code : int
        -1 unknown, 0 LOW to 3 EXTREME.

    Returns
    -------
    float
        Basis points per side, >= 0.

    Examples
    --------
    >>> preset_bps(AssetClass.CRYPTO, 2), preset_bps(AssetClass.ETF, -1)
    (22.5, 2.0)
    """
    if preset is None:
        return 0.0
    multiplier = REGIME_MULTIPLIERS[regime_code] if regime_code >= 0 else 1.0
    return COST_BPS[preset] * multiplier


def commission_rates(costs: CostModel, regime_codes: IntArray) -> FloatArray:
    """Return the commission per side at each bar.

    Parameters
    ----------
    costs : CostModel
        Rates of the run.
    regime_codes : int64, shape (n_bars,)
        -1 to 3.

    Returns
    -------
    float64, shape (n_bars,)
        Fractions of notional, >= 0.

    Examples
    --------
    >>> rates = commission_rates(CostModel(preset=AssetClass.INDEX), np.array([-1, 0, 3]))
    >>> (rates * 1e4).round(9).tolist()
    [2.0, 2.0, 5.0]
    """
    table = np.array([costs.commission_rate(code) for code in (-1, 0, 1, 2, 3)])
    return table[regime_codes + 1]
