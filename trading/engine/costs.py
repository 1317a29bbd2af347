"""What trading costs: per asset class and regime, or plain basis points.

INPUT    asset class, regime code at the signal bar
OUTPUT   fractions per side of notional (commission) and of price (spread, slippage, impact)
LOOKBACK 20 bars for impact, else none; all is known when the order was decided
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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

COST_LIMITS: Mapping[str, float] = {
    "commission_bps": 1_000.0,
    "slippage_bps": 1_000.0,
    "spread_bps": 1_000.0,
    "commission_per_unit": 1_000.0,
    "commission_minimum": 100_000.0,
    "range_share": 1.0,
    "impact": 10.0,
    "borrow_bps_per_day": 1_000.0,
    "financing_bps_per_year": 10_000.0,
    "preset_scale": 100.0,
}
TRADE_COSTS = (
    "commission_bps", "slippage_bps", "spread_bps", "commission_per_unit", "commission_minimum",
    "range_share", "impact",
)  # fmt: skip
IMPACT_BARS = 20
# No fill is worse than the market by more than this fraction of its price. Slippage, a share of a
# wild bar's range and the impact of an order on next to no volume could add up to more than the
# price itself: a sale would pay instead of being paid.
MOST_WORSE = 0.5


@dataclass(frozen=True, slots=True)
class CostModel:
    """Costs of one run: a commission, a worse price, and what holding costs.

    Parameters
    ----------
    commission_bps : float
        Commission per side on notional, basis points, in [0, 1000].
    slippage_bps : float
        How much worse than the bar's price a market order fills, basis points, in [0, 1000].
    preset : AssetClass or None
        Adds the class's spread and fees per side, scaled by the regime at the signal bar, to the
        commission; also gives the borrow rate of shorts.
    spread_bps : float
        Half the quoted spread, paid per side in the price, basis points, in [0, 1000].
    commission_per_unit : float
        Commission per unit (share, contract) traded, currency, in [0, 1000].
    commission_minimum : float
        Least commission of one order, currency, in [0, 100000].
    range_share : float
        Slippage as a share of the signal bar's range (high - low), in [0, 1].
    impact : float
        Square-root impact: the price moves by ``impact`` x volatility of a bar x
        sqrt(quantity / mean volume of a bar), in [0, 10]; about 1 is what is measured.
    borrow_bps_per_day : float or None
        Of a short position's value per calendar day, in [0, 1000]; None for the preset's.
    financing_bps_per_year : float
        Of negative cash per year of 365 days, in [0, 10000].
    preset_scale : float
        Multiplies the preset's cost, in [0, 100]; see `scaled`.

    Raises
    ------
    ConfigInvalid
        If a value lies outside its bounds or is not finite.

    References
    ----------
    Almgren, Thum, Hauptmann, Li, Direct Estimation of Equity Market Impact (2005); Toth et al.,
    Anomalous Price Impact and the Critical Nature of Liquidity (2011) for the square root.

    Examples
    --------
    >>> costs = CostModel(preset=AssetClass.EQUITY)
    >>> round(costs.commission_rate(3) * 1e4, 6)
    10.0
    >>> CostModel(commission_per_unit=0.005, commission_minimum=1.0).commission(100.0, 50.0, 1)
    1.0
    """

    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    preset: AssetClass | None = None
    spread_bps: float = 0.0
    commission_per_unit: float = 0.0
    commission_minimum: float = 0.0
    range_share: float = 0.0
    impact: float = 0.0
    borrow_bps_per_day: float | None = None
    financing_bps_per_year: float = 0.0
    preset_scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse rates that cannot be meant."""
        for name, most in COST_LIMITS.items():
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= most:
                raise ConfigInvalid(f"{name} {value} must lie between 0 and {most:,.0f}")

    def commission_rate(self, regime_code: int) -> float:
        """Return commission per side as a fraction of notional for one regime code."""
        preset = preset_bps(self.preset, regime_code) * self.preset_scale
        return (self.commission_bps + preset) * BPS

    def commission(self, quantity: float, price: float, regime_code: int) -> float:
        """Return the commission of one order, currency: rate, per unit, at least the minimum."""
        charged = quantity * price * self.commission_rate(regime_code)
        return max(charged + quantity * self.commission_per_unit, self.commission_minimum)

    @property
    def slippage_rate(self) -> float:
        """Return the constant part of what a fill is worse: spread and slippage, of price."""
        return (self.slippage_bps + self.spread_bps) * BPS

    @property
    def is_free(self) -> bool:
        """Tell whether trading costs nothing at all."""
        is_without_preset = self.preset is None or self.preset_scale == 0.0
        return is_without_preset and not any(getattr(self, name) for name in TRADE_COSTS)

    @property
    def is_proportional(self) -> bool:
        """Tell whether the cost of an order is a fraction of its notional, whatever its size."""
        return not (self.commission_per_unit or self.commission_minimum or self.impact)

    def borrow_rate_per_day(self) -> float:
        """Return the fraction of a short position's value charged per calendar day."""
        if self.borrow_bps_per_day is not None:
            return self.borrow_bps_per_day * BPS
        if self.preset is None:
            return 0.0
        return BORROW_BPS_PER_DAY.get(self.preset, 0.0) * self.preset_scale * BPS

    def scaled(self, factor: float) -> CostModel:
        """Return the model with every cost multiplied, up to the bound of each.

        Examples
        --------
        >>> CostModel(commission_bps=4.0, preset=AssetClass.ETF).scaled(0.5).commission_rate(1)
        0.00030000000000000003
        """
        scaled = {
            name: min(value * factor, most)
            for name, most in COST_LIMITS.items()
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **scaled)


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
    rates = [costs.commission_rate(code) for code in (-1, 0, 1, 2, 3)]
    if min(rates) == max(rates):
        return np.full(regime_codes.shape[0], rates[0])
    return np.array(rates)[regime_codes + 1]


def price_rates(
    costs: CostModel, high: FloatArray, low: FloatArray, close: FloatArray
) -> FloatArray:
    """Return how much worse than the market a fill decided on each bar is, impact left out.

    Parameters
    ----------
    costs : CostModel
        Rates of the run.
    high, low, close : float64, shape (n_bars,)
        Of the signal bars; known when the order is placed.

    Returns
    -------
    float64, shape (n_bars,)
        Fractions of price, 0 to `MOST_WORSE`: spread, slippage, and the share of the bar's range.

    Examples
    --------
    >>> one = np.ones(1)
    >>> price_rates(CostModel(spread_bps=5.0, range_share=0.1), one * 102, one * 98, one * 100)
    array([0.0045])
    """
    rates = np.full(close.shape[0], costs.slippage_rate)
    if costs.range_share:
        rates = rates + costs.range_share * (high - low) / close
    capped: FloatArray = np.minimum(rates, MOST_WORSE)
    return capped


def impact_scales(costs: CostModel, close: FloatArray, volume: FloatArray) -> FloatArray:
    """Return the price impact of one unit per bar; it grows with the root of the quantity.

    Parameters
    ----------
    costs : CostModel
        Only ``impact`` is used.
    close, volume : float64, shape (n_bars,)
        Prices > 0 and units >= 0.

    Returns
    -------
    float64, shape (n_bars,)
        ``impact`` x standard deviation of the last 20 log returns / sqrt(mean of the last 20
        volumes), fraction of price per root of a unit; 0 where volume or volatility is not known.

    Examples
    --------
    >>> impact_scales(CostModel(), np.ones(3), np.ones(3))
    array([0., 0., 0.])
    """
    scales = np.zeros(close.shape[0])
    if not costs.impact or close.shape[0] < IMPACT_BARS + 1:
        return scales
    returns = np.diff(np.log(close))
    windows = np.lib.stride_tricks.sliding_window_view
    deviation = windows(returns, IMPACT_BARS).std(axis=1)
    mean_volume = windows(volume[1:], IMPACT_BARS).mean(axis=1)
    known = mean_volume > 0.0
    found = np.zeros(deviation.shape[0])
    found[known] = costs.impact * deviation[known] / np.sqrt(mean_volume[known])
    scales[IMPACT_BARS:] = found
    return scales
