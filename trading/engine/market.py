"""What orders meet: one series with what its costs depend on, and the terms they are filled on.

INPUT    bars, the regime at each, a cost model
OUTPUT   per signal bar the rules of a fill; per bar the prices it meets
LOOKBACK one bar for spread and slippage, that of `costs.impact_scales` for the impact
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketdata.types import Bars, FloatArray, IntArray
from trading.engine.costs import CostModel, impact_scales, price_rates
from trading.engine.errors import ConfigInvalid
from trading.engine.fill_rules import FillRules, rules_of
from trading.engine.fills import BarPrices
from trading.engine.types import TimeInForce

DAY_NS = 86_400 * 10**9
BACKTEST_TIMES = (TimeInForce.DAY, TimeInForce.GTC)


@dataclass(frozen=True, slots=True)
class ExecutionTerms:
    """On what terms orders meet bars.

    Attributes
    ----------
    costs : CostModel
        Rates.
    quantity_step : float
        Lot size; 0 for fractional units.
    tick_size : float
        Prices of resting orders are multiples of it; 0 for any price.
    max_participation : float or None
        Largest share of a bar's volume one order may take, in (0, 1]; None for no limit. Series
        without any volume are not limited; in all others a bar with volume 0 fills nothing.
    time_in_force : TimeInForce
        DAY cancels what one bar does not fill, GTC carries it to the next bars.
    """

    costs: CostModel
    quantity_step: float = 0.0
    max_participation: float | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    tick_size: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a share outside (0, 1] and times in force a backtest does not know."""
        share = self.max_participation
        if share is not None and not 0.0 < share <= 1.0:
            raise ConfigInvalid(f"max_participation {share} must lie in (0, 1]")
        if self.time_in_force not in BACKTEST_TIMES:
            raise ConfigInvalid(f"time_in_force {self.time_in_force} must be DAY or GTC")

    @property
    def is_plain(self) -> bool:
        """Tell whether every order fills whole at a cost proportional to its notional."""
        return self.costs.is_proportional and self.max_participation is None


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One series with what its costs depend on, per signal bar; every array is (n_bars,).

    `days_between` are the calendar days since the bar before.
    """

    bars: Bars
    codes: IntArray
    price_rates: FloatArray
    impact_scales: FloatArray
    days_between: FloatArray
    has_volume: bool

    @property
    def fills_at_close(self) -> bool:
        """Tell whether market orders get the close, after everything else of a bar."""
        return self.bars.exec_price == "CLOSE"

    def prices(self, i: int) -> BarPrices:
        """Return the bar an order meets."""
        bars = self.bars
        return BarPrices(
            float(bars.open[i]),
            float(bars.high[i]),
            float(bars.low[i]),
            float(bars.close[i]),
            float(bars.volume[i]),
            int(bars.closed_at[i]),
        )

    def rules(self, signal_bar: int, terms: ExecutionTerms) -> FillRules:
        """Return the fill rules of an order decided on a bar."""
        return rules_of(
            terms.costs,
            int(self.codes[signal_bar]),
            quantity_step=terms.quantity_step,
            price_field=self.bars.exec_price,
            volume_share=terms.max_participation if self.has_volume else None,
            price_rate=float(self.price_rates[signal_bar]),
            impact_scale=float(self.impact_scales[signal_bar]),
        )


def market_of(bars: Bars, codes: IntArray, costs: CostModel) -> Market:
    """Compute what execution needs of a series.

    Parameters
    ----------
    bars : Bars
        Prices and volume.
    codes : int64, shape (n_bars,)
        Regime at each bar, -1 to 3.
    costs : CostModel
        Rates.

    Returns
    -------
    Market
        See there.
    """
    return Market(
        bars=bars,
        codes=codes,
        price_rates=price_rates(costs, codes, bars.high, bars.low, bars.close),
        impact_scales=impact_scales(costs, codes, bars.close, bars.volume),
        days_between=days_between(bars.closed_at),
        has_volume=has_volume(bars),
    )


def days_between(closed_at: IntArray) -> FloatArray:
    """Count the calendar days from each close to the next.

    Parameters
    ----------
    closed_at : int64, shape (n_bars,)
        Nanoseconds since 1970, increasing.

    Returns
    -------
    float64, shape (n_bars,)
        Days since the bar before, > 0; 0 for the first.

    Examples
    --------
    >>> days_between(np.array([0, 1, 4]) * DAY_NS).tolist()
    [0.0, 1.0, 3.0]
    """
    days: FloatArray = np.diff(closed_at, prepend=closed_at[:1]) / DAY_NS
    return days


def has_volume(bars: Bars) -> bool:
    """Tell whether a source knows volumes: one that does not limits no order by them."""
    return bool((bars.volume > 0.0).any())
