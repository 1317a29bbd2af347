"""What trading costs: per asset class and regime, or plain basis points.

INPUT    asset class, regime code at the signal bar
OUTPUT   fractions per side of notional (commission) and of price (spread, slippage, impact)
LOOKBACK 20 bars for impact, else none; all is known when the order was decided
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

# Basis points per side that a market order of a small size gets less than the quote it was decided
# on, times `REGIME_MULTIPLIERS`. Conventions of ours: about a quarter of the class's spread and
# fees. They are not in `COST_BPS`, and no published figure of ours charges them (see
# docs/adr/0028); measure your own fills against them on a strategy's page.
SLIPPAGE_BPS: Mapping[AssetClass, float] = {
    AssetClass.EQUITY: 1.0,
    AssetClass.EQUITY_CLOSE: 1.5,
    AssetClass.ETF: 0.5,
    AssetClass.INDEX: 0.5,
    AssetClass.FX: 0.4,
    AssetClass.FX_EMERGING: 1.5,
    AssetClass.COMMODITY: 0.75,
    AssetClass.CRYPTO: 4.0,
}

# Coefficient of the square-root law. What is measured lies near 1 for shares, futures and bitcoin;
# it is lower where the volume of one venue is a small part of what is traded.
IMPACTS: Mapping[AssetClass, float] = {
    AssetClass.EQUITY: 1.0,
    AssetClass.EQUITY_CLOSE: 1.0,
    AssetClass.ETF: 0.7,
    AssetClass.INDEX: 0.7,
    AssetClass.FX: 0.5,
    AssetClass.FX_EMERGING: 1.0,
    AssetClass.COMMODITY: 1.0,
    AssetClass.CRYPTO: 1.0,
}

# Volatility is a factor of the law itself; this is for books that are thinner in turmoil.
IMPACT_MULTIPLIERS = (1.0, 1.0, 1.2, 1.5)

# Basis points per calendar day of a short position.
BORROW_BPS_PER_DAY: Mapping[AssetClass, float] = {
    AssetClass.EQUITY: 1.0,
    AssetClass.EQUITY_CLOSE: 1.0,
    AssetClass.ETF: 0.5,
    AssetClass.CRYPTO: 3.0,
}

BPS = 1e-4
DAYS_PER_YEAR = 365.0

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
    "preset_slippage": 100.0,
    "preset_impact": 100.0,
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
    preset_slippage : float
        How much of the class's slippage (`SLIPPAGE_BPS`, times the regime's multiplier) is paid in
        the price as well, in [0, 100]; 0 none of it, 1 all.
    preset_impact : float
        How much of the class's impact (`IMPACTS`, times `IMPACT_MULTIPLIERS`) is added to
        ``impact``, in [0, 100].

    Raises
    ------
    ConfigInvalid
        If a value lies outside its bounds or is not finite, or a class's slippage or impact is
        asked for without a class.

    References
    ----------
    Almgren, Thum, Hauptmann, Li, Direct Estimation of Equity Market Impact (2005); Toth et al.,
    Anomalous Price Impact and the Critical Nature of Liquidity (2011) for the square root; Donier,
    Bonart, A Million Metaorder Analysis of Market Impact on the Bitcoin (2015).

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
    preset_slippage: float = 0.0
    preset_impact: float = 0.0

    def __post_init__(self) -> None:
        """Refuse rates that cannot be meant."""
        for name, most in COST_LIMITS.items():
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= most:
                raise ConfigInvalid(f"{name} {value} must lie between 0 and {most:,.0f}")
        for name in ("preset_slippage", "preset_impact"):
            if self.preset is None and getattr(self, name):
                raise ConfigInvalid(f"{name} {getattr(self, name)} needs a preset, found none")

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

    def price_rate(self, regime_code: int) -> float:
        """Return what a fill is worse in a regime: spread, slippage, the class's, of price."""
        if self.preset is None or not self.preset_slippage:
            return self.slippage_rate
        usual = SLIPPAGE_BPS[self.preset] * _factor(REGIME_MULTIPLIERS, regime_code)
        return self.slippage_rate + usual * self.preset_slippage * BPS

    def impact_at(self, regime_code: int) -> float:
        """Return the coefficient of the square-root law in a regime, the class's added."""
        if self.preset is None or not self.preset_impact:
            return self.impact
        usual = IMPACTS[self.preset] * _factor(IMPACT_MULTIPLIERS, regime_code)
        return self.impact + usual * self.preset_impact

    @property
    def is_free(self) -> bool:
        """Tell whether trading costs nothing at all."""
        scales = (self.preset_scale, self.preset_slippage, self.preset_impact)
        is_without_preset = self.preset is None or not any(scales)
        return is_without_preset and not any(getattr(self, name) for name in TRADE_COSTS)

    @property
    def is_proportional(self) -> bool:
        """Tell whether the cost of an order is a fraction of its notional, whatever its size."""
        by_size = (self.commission_per_unit, self.commission_minimum, self.impact)
        return not (any(by_size) or self.preset_impact)

    @property
    def slips_alike(self) -> bool:
        """Tell whether a fill is worse by the same share at every bar, its own size left out."""
        return not (self.range_share or self.preset_slippage)

    @property
    def borrow_rate_per_day(self) -> float:
        """Return the fraction of a short position's value charged per calendar day."""
        if self.borrow_bps_per_day is not None:
            return self.borrow_bps_per_day * BPS
        if self.preset is None:
            return 0.0
        return BORROW_BPS_PER_DAY.get(self.preset, 0.0) * self.preset_scale * BPS

    @property
    def financing_rate_per_day(self) -> float:
        """Return the fraction of negative cash charged per calendar day."""
        return self.financing_bps_per_year * BPS / DAYS_PER_YEAR

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
    return COST_BPS[preset] * _factor(REGIME_MULTIPLIERS, regime_code)


def _factor(multipliers: Sequence[float], regime_code: int) -> float:
    return multipliers[regime_code] if regime_code >= 0 else 1.0


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
    if costs.preset is None:
        return np.full(regime_codes.shape[0], costs.commission_rate(-1))
    return _by_regime(costs.commission_rate, regime_codes)


def _by_regime(rate_of: Callable[[int], float], regime_codes: IntArray) -> FloatArray:
    rates = [rate_of(code) for code in (-1, 0, 1, 2, 3)]
    if min(rates) == max(rates):
        return np.full(regime_codes.shape[0], rates[0])
    return np.array(rates)[regime_codes + 1]


def price_rates(
    costs: CostModel, codes: IntArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> FloatArray:
    """Return how much worse than the market a fill decided on each bar is, impact left out.

    Parameters
    ----------
    costs : CostModel
        Rates of the run.
    codes : int64, shape (n_bars,)
        Regime at each signal bar, -1 to 3.
    high, low, close : float64, shape (n_bars,)
        Of the signal bars; known when the order is placed.

    Returns
    -------
    float64, shape (n_bars,)
        Fractions of price, 0 to `MOST_WORSE`: spread, slippage (the class's
        in that regime), and the share of the bar's range.

    Examples
    --------
    >>> one, code = np.ones(1), np.array([-1])
    >>> costs = CostModel(spread_bps=5.0, range_share=0.1)
    >>> price_rates(costs, code, one * 102, one * 98, one * 100)
    array([0.0045])
    """
    if costs.slips_alike:
        return np.full(codes.shape[0], min(costs.slippage_rate, MOST_WORSE))
    if not costs.range_share:
        return _by_regime(lambda code: min(costs.price_rate(code), MOST_WORSE), codes)
    rates = _by_regime(costs.price_rate, codes) + costs.range_share * (high - low) / close
    capped: FloatArray = np.minimum(rates, MOST_WORSE)
    return capped


def impact_scales(
    costs: CostModel, codes: IntArray, close: FloatArray, volume: FloatArray
) -> FloatArray:
    """Return the price impact of one unit per bar; it grows with the root of the quantity.

    Parameters
    ----------
    costs : CostModel
        Only its impact is used.
    codes : int64, shape (n_bars,)
        Regime at each signal bar, -1 to 3.
    close, volume : float64, shape (n_bars,)
        Prices > 0 and units >= 0.

    Returns
    -------
    float64, shape (n_bars,)
        `CostModel.impact_at` x standard deviation of the last 20 log returns / sqrt(mean of the
        last 20 volumes), fraction of price per root of a unit; 0 where volume or volatility is not
        known.

    Examples
    --------
    >>> impact_scales(CostModel(), np.full(3, -1), np.ones(3), np.ones(3))
    array([0., 0., 0.])
    """
    scales = np.zeros(close.shape[0])
    if not (costs.impact or costs.preset_impact) or close.shape[0] < IMPACT_BARS + 1:
        return scales
    returns = np.diff(np.log(close))
    windows = np.lib.stride_tricks.sliding_window_view
    deviation = windows(returns, IMPACT_BARS).std(axis=1)
    mean_volume = windows(volume[1:], IMPACT_BARS).mean(axis=1)
    known = mean_volume > 0.0
    found = np.zeros(deviation.shape[0])
    coefficients = _by_regime(costs.impact_at, codes[IMPACT_BARS:])
    found[known] = coefficients[known] * deviation[known] / np.sqrt(mean_volume[known])
    scales[IMPACT_BARS:] = found
    return scales
