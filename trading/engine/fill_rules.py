"""How fills are made: slippage, impact, commissions, volume share, and what cash pays for.

INPUT    the costs of a run, and cash, prices and quantities
OUTPUT   rates, commissions, prices with slippage, affordable quantities
LOOKBACK none
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from trading.engine.costs import MOST_WORSE, CostModel
from trading.engine.errors import ConfigInvalid
from trading.engine.sizing import round_down
from trading.engine.types import OrderSide

# Halvings of the search for what cash pays for: 2^-60 of the largest quantity.
BISECTIONS = 60
RATES = (
    "slippage_rate", "commission_rate", "impact_scale", "commission_per_unit", "commission_minimum",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FillRules:
    """How fills are made.

    Attributes
    ----------
    slippage_rate : float
        Worsens market and stop fills (spread included), fraction of price, >= 0.
    commission_rate : float
        Per side, fraction of notional, >= 0.
    volume_share : float or None
        Largest share of the bar's volume one order may take, in (0, 1]; None for no limit (also for
        sources that do not know their volume: a bar with volume 0 fills nothing under a share).
    quantity_step : float
        Fills are rounded down to a multiple; 0 for fractional units.
    price_field : str
        "OPEN", or "CLOSE" for series whose opens are not traded prices.
    impact_scale : float
        Fraction of price per root of a unit that a market or stop fill moves the price, >= 0.
    commission_per_unit, commission_minimum : float
        Currency per unit and least commission of an order, >= 0.
    charged_before : float
        What earlier fills of the same order came to, the minimum left out, currency, >= 0.
    """

    slippage_rate: float = 0.0
    commission_rate: float = 0.0
    volume_share: float | None = None
    quantity_step: float = 0.0
    price_field: str = "OPEN"
    impact_scale: float = 0.0
    commission_per_unit: float = 0.0
    commission_minimum: float = 0.0
    charged_before: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a share outside (0, 1] and negative rates."""
        if self.volume_share is not None and not 0.0 < self.volume_share <= 1.0:
            raise ConfigInvalid(f"volume_share {self.volume_share} must lie in (0, 1]")
        for name in RATES:
            if not getattr(self, name) >= 0.0:
                raise ConfigInvalid(f"{name} {getattr(self, name)} must not be negative")

    @property
    def is_proportional(self) -> bool:
        """Tell whether an order costs a fraction of its notional, whatever its size."""
        return not (self.impact_scale or self.commission_per_unit or self.commission_minimum)

    def price_rate(self, quantity: float) -> float:
        """Return how much worse a market fill of ``quantity`` is, up to `MOST_WORSE` of price."""
        rate = self.slippage_rate
        if self.impact_scale:
            rate += self.impact_scale * math.sqrt(quantity)
        return min(rate, MOST_WORSE)

    def charged(self, quantity: float, price: float) -> float:
        """Return the commission of a fill without the least one, currency."""
        return quantity * price * self.commission_rate + quantity * self.commission_per_unit

    def commission(self, quantity: float, price: float) -> float:
        """Return the commission of a fill, currency: all fills of an order pay one minimum."""
        if self.is_proportional:
            return quantity * price * self.commission_rate
        before, least = self.charged_before, self.commission_minimum
        total = before + self.charged(quantity, price)
        return max(total, least) - (max(before, least) if before else 0.0)

    def after(self, charged: float) -> FillRules:
        """Return the rules for the rest of an order whose fills came to that without a minimum."""
        return replace(self, charged_before=charged) if charged else self


def rules_of(
    costs: CostModel,
    regime_code: int,
    *,
    quantity_step: float = 0.0,
    price_field: str = "OPEN",
    volume_share: float | None = None,
    price_rate: float | None = None,
    impact_scale: float = 0.0,
) -> FillRules:
    """Return the fill rules of a cost model at one signal bar, for backtests and paper brokers.

    Parameters
    ----------
    costs : CostModel
        Rates.
    regime_code : int
        Regime at the signal bar, -1 to 3.
    quantity_step, price_field, volume_share, impact_scale
        As in `FillRules`.
    price_rate : float or None
        From `costs.price_rates`; None for what does not depend on the bar's range.

    Returns
    -------
    FillRules
        See there.

    Examples
    --------
    >>> rules_of(CostModel(commission_bps=2.0, spread_bps=1.0), -1).slippage_rate
    0.0001
    """
    return FillRules(
        slippage_rate=costs.price_rate(regime_code) if price_rate is None else price_rate,
        commission_rate=costs.commission_rate(regime_code),
        volume_share=volume_share,
        quantity_step=quantity_step,
        price_field=price_field,
        impact_scale=impact_scale,
        commission_per_unit=costs.commission_per_unit,
        commission_minimum=costs.commission_minimum,
    )


def market_price(price: float, side: OrderSide, slippage_rate: float) -> float:
    """Return the price a market order gets: worse by the slippage fraction.

    Examples
    --------
    >>> market_price(100.0, OrderSide.SELL, 0.001)
    99.9
    """
    return price * (1.0 + slippage_rate if side is OrderSide.BUY else 1.0 - slippage_rate)


def affordable_quantity(
    cash: float, price: float, commission_rate: float, quantity_step: float = 0.0
) -> float:
    """Return the units ``cash`` buys at ``price`` with commission included.

    Parameters
    ----------
    cash : float
        Currency; nothing is affordable below zero.
    price : float
        Price per unit with slippage, > 0.
    commission_rate : float
        Fraction of notional, >= 0.
    quantity_step : float
        Multiple to round down to; 0 for fractional units.

    Returns
    -------
    float
        Units, >= 0.

    Examples
    --------
    >>> affordable_quantity(1_001.0, 10.0, 0.001, 1.0)
    100.0
    """
    if cash <= 0.0:
        return 0.0
    # Commission first, then price: the order of operations decides the last bit.
    return round_down(cash / (1.0 + commission_rate) / price, quantity_step)


def payable_quantity(cash: float, price: float, rules: FillRules) -> float:
    """Return the units ``cash`` buys in the market, with impact and commission of their own size.

    Parameters
    ----------
    cash : float
        Currency; nothing is payable below zero.
    price : float
        Price per unit before slippage, > 0.
    rules : FillRules
        Rates, lot size.

    Returns
    -------
    float
        Units, >= 0: the most whose price and commission together do not exceed ``cash``.

    Examples
    --------
    >>> payable_quantity(1_001.0, 10.0, FillRules(commission_minimum=1.0, quantity_step=1.0))
    100.0
    """
    worse = price * (1.0 + rules.price_rate(0.0))
    most = affordable_quantity(cash, worse, rules.commission_rate, rules.quantity_step)
    if rules.is_proportional or _cost_of(most, price, rules) <= cash:
        return most
    low, high = 0.0, most
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if _cost_of(middle, price, rules) <= cash:
            low = middle
        else:
            high = middle
    return round_down(low, rules.quantity_step)


def _cost_of(quantity: float, price: float, rules: FillRules) -> float:
    paid = price * (1.0 + rules.price_rate(quantity))
    return quantity * paid + rules.commission(quantity, paid)
