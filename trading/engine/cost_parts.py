"""What a run paid, part by part: nothing is hidden in a price.

INPUT    fills with the bars that decided them, the series, the cost model
OUTPUT   commission, spread, slippage, impact, borrow and financing in currency, all >= 0
LOOKBACK the whole run
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from trading.engine.costs import BPS, MOST_WORSE, CostModel, commission_rates
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.market import Market
from trading.engine.types import Fill


@dataclass(frozen=True, slots=True)
class CostParts:
    """Costs of a run, currency, each >= 0.

    Attributes
    ----------
    commission : float
        Charged apart from the price, the preset's spread and fees left out.
    preset : float
        Spread and fees of the asset class's preset, charged with the commission.
    spread, slippage, impact : float
        Paid in the price of market and stop fills.
    borrow, financing : float
        Of short positions and of negative cash.
    notional : float
        Sum of the fills' notional; not a cost.
    """

    commission: float
    preset: float
    spread: float
    slippage: float
    impact: float
    borrow: float
    financing: float
    notional: float

    @property
    def total(self) -> float:
        """Return the sum of all parts."""
        return float(sum(astuple(self)[:-1]))

    @property
    def paid_bps(self) -> float:
        """Return the costs of trading (not of holding) per side, basis points of notional."""
        if not self.notional > 0.0:
            return 0.0
        return (self.total - self.borrow - self.financing) / self.notional / BPS

    def as_dict(self) -> dict[str, float]:
        """Return the parts and their total by name."""
        names = ("commission", "preset", "spread", "slippage", "impact", "borrow", "financing")
        return {name: getattr(self, name) for name in names} | {"total": self.total}


def cost_parts(
    fills: Sequence[Fill],
    signal_bars: Sequence[int],
    market: Market,
    costs: CostModel,
    *,
    limit_orders: Collection[str] = (),
    borrow: float = 0.0,
    financing: float = 0.0,
) -> CostParts:
    """Split what the fills paid.

    Parameters
    ----------
    fills : sequence of Fill
        Of one series.
    signal_bars : sequence of int
        Bar whose close decided each fill.
    market : Market
        The series with its rates per bar.
    costs : CostModel
        Rates of the run.
    limit_orders : collection of str
        Names of the orders that paid no slippage.
    borrow, financing : float
        Charged while holding, currency.

    Returns
    -------
    CostParts
        The parts add up to commissions plus the difference between each fill's price and the
        market's price, plus what holding cost.

    Examples
    --------
    >>> from marketdata.types import Bars
    >>> from trading.engine.market import market_of
    >>> from trading.engine.types import OrderSide
    >>> price = np.full(2, 100.0)
    >>> bars = Bars("X", "1d", np.arange(2), price, price, price, price, np.zeros(2))
    >>> costs = CostModel(commission_bps=10.0, slippage_bps=20.0)
    >>> fill = Fill("1", "X", OrderSide.BUY, 2.0, 100.2, 0.2004, 1, 1)
    >>> parts = cost_parts([fill], [0], market_of(bars, np.zeros(2, np.int64), costs), costs)
    >>> round(parts.commission, 6), round(parts.slippage, 6)
    (0.2004, 0.4)
    """
    if not fills:
        return CostParts(0.0, 0.0, 0.0, 0.0, 0.0, borrow, financing, 0.0)
    signal = np.array(signal_bars, dtype=np.int64)
    quantity = np.array([fill.quantity for fill in fills])
    price = np.array([fill.price for fill in fills])
    charged = sum(fill.commission for fill in fills)
    notional = quantity * price
    # Price before everything that made it worse: price = before x (1 + side x worse).
    side = np.array([1.0 if fill.signed_quantity > 0.0 else -1.0 for fill in fills])
    crosses = np.array([fill.client_order_id not in limit_orders for fill in fills], dtype=float)
    rate = market.price_rates[signal] * crosses
    moved = np.minimum(market.impact_scales[signal] * np.sqrt(quantity), MOST_WORSE - rate)
    moved = moved * crosses
    before = quantity * price / (1.0 + side * (rate + moved))
    spread = float(np.sum(before * crosses)) * costs.spread_bps * BPS
    preset = float(np.sum(notional * _preset_rates(costs, market, signal)))
    return CostParts(
        commission=max(charged - preset, 0.0),
        preset=min(preset, charged),
        spread=spread,
        slippage=max(float(np.sum(before * rate)) - spread, 0.0),
        impact=float(np.sum(before * moved)),
        borrow=borrow,
        financing=financing,
        notional=float(np.sum(notional)),
    )


def _preset_rates(costs: CostModel, market: Market, signal: IntArray) -> FloatArray:
    preset = CostModel(preset=costs.preset, preset_scale=costs.preset_scale)
    return commission_rates(preset, market.codes[signal])
