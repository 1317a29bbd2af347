"""Instruments prepared once for every rule: regimes, costs, calendar.

INPUT    bars, a label and a cost preset per instrument
OUTPUT   `EvidenceInstrument`, all arrays of shape (n_bars,)
LOOKBACK 1,008 bars for the regime
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketdata.types import Bars
from trading.engine.costs import CostModel, commission_rates
from trading.engine.hybrid import HybridInputs, hybrid_inputs
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.market import DAY_NS
from trading.engine.regimes import RegimeSeries, regimes_of
from trading.engine.schedule import FIRST_WEEKDAY
from trading.engine.types import AssetClass
from trading.engine.walkforward import years_of

SATURDAY = 5
DAYS_PER_WEEK = 7


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceInstrument:
    """One instrument under the protocol.

    Attributes
    ----------
    symbol, asset_class : str
        As the manifest names them; the class is the label of the split by class.
    preset : AssetClass
        Decides costs and whether the hybrid rule trades it.
    bars : Bars
        Oldest first.
    regimes : RegimeSeries
        Of the same bars.
    rates : float64, shape (n_bars,)
        Cost per side at each bar, fraction: the preset's times the regime's multiplier.
    inputs : HybridInputs
        What the hybrid rule reads.
    months, years, days : int64, shape (n_bars,)
        Month number (year * 12 + month - 1), calendar year and weekday number of each close, UTC;
        a bar of a weekend counts to the Monday after it.
    """

    symbol: str
    asset_class: str
    preset: AssetClass
    bars: Bars
    regimes: RegimeSeries
    rates: FloatArray
    inputs: HybridInputs
    months: IntArray
    years: IntArray
    days: IntArray

    @property
    def codes(self) -> IntArray:
        """Regime by percentile at each bar; -1 while there are fewer than 252 volatilities."""
        return self.regimes.relative_codes


def prepare(
    bars: Bars, *, asset_class: str, preset: AssetClass, symbol: str = ""
) -> EvidenceInstrument:
    """Compute everything the evidence needs of one instrument.

    Parameters
    ----------
    bars : Bars
        At least one bar.
    asset_class : str
        Label for the split by class.
    preset : AssetClass
        Of the cost table.
    symbol : str
        Name to report; empty takes the bars' own.

    Returns
    -------
    EvidenceInstrument
        Value at i uses bars 0..i only.
    """
    regimes = regimes_of(bars)
    months = bars.closed_at.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    return EvidenceInstrument(
        symbol=symbol or bars.symbol,
        asset_class=asset_class,
        preset=preset,
        bars=bars,
        regimes=regimes,
        rates=commission_rates(CostModel(preset=preset), regimes.relative_codes),
        inputs=hybrid_inputs(bars),
        months=months + 1970 * 12,
        years=years_of(bars.closed_at),
        days=weekdays_of(bars.closed_at),
    )


def weekdays_of(times: IntArray) -> IntArray:
    """Return the number of the weekday of each time; Saturday and Sunday count to Monday.

    Parameters
    ----------
    times : int64, shape (n,)
        Nanoseconds UTC.

    Returns
    -------
    int64, shape (n,)
        Weekdays since Monday 1969-12-29.

    Examples
    --------
    >>> weekdays_of(np.array([0, 1, 2, 3, 4]) * DAY_NS).tolist()
    [3, 4, 5, 5, 5]
    """
    days = times // DAY_NS + FIRST_WEEKDAY
    weeks, weekday = days // DAYS_PER_WEEK, days % DAYS_PER_WEEK
    numbers: IntArray = weeks * SATURDAY + np.minimum(weekday, SATURDAY)
    return numbers
