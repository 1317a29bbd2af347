"""The rule of the hybrid strategy: which dips it buys, when it leaves, what its model looks at.

INPUT    bars of one instrument, its regimes and its cost per side at each bar
OUTPUT   candidates, exits and model inputs per bar, as compiled rules over plain arrays
LOOKBACK 252 bars for the model's inputs and for the first regime

At the close of bar t, flat, with a known regime: a *candidate* is RSI(2) < 10 with a close in the
lowest fifth of the bar's range. It is bought on bar t + 1 unless the model puts it among the worst
tenth. The position is left on the bar after the first close that would win after costs and
`TAKE_ATR`, that lies `STOP_ATR` below the entry, or that is the `MAX_BARS`-th. Distances are in
ATRs of the signal bar, so they widen with volatility.

Where the constants were chosen, and what was tried: docs/research/win-rates.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marketdata.types import Bars
from trading.engine import kernels
from trading.engine.indicators import atr, rsi, sma
from trading.engine.kernels import FloatArray, IntArray, kernel
from trading.engine.once import once_per_bars
from trading.engine.regimes import RegimeSeries
from trading.engine.types import AssetClass, RegimeCode

RSI_BARS = 2
ATR_BARS = 14
EXIT_BARS = 5
TREND_BARS = 200
YEAR_BARS = 252
QUARTER_BARS = 63

ENTRY_LEVEL = 10.0
RANGE_SHARE = 0.2
# Setups the model learns from: a wider net than the one that trades.
LEARNING_LEVEL = 20.0

# LOW, NORMAL, HIGH, EXTREME. The profit to wait for; in a storm a bounce is taken at once.
TAKE_ATR = (0.25, 0.25, 0.25, 0.10)
# Far away: nearer stops sell the dips that recover.
STOP_ATR = (10.0, 10.0, 10.0, 10.0)
# Recoveries take longer when volatility is high.
MAX_BARS = (40, 40, 60, 60)

# The profit-blind exit: close above its 5-bar mean, or so many bars.
BLIND_BARS = 10

# The model vetoes a probability that only this share of its calibration setups lay below.
VETO_SHARE = 0.1
# Risk of all open positions together, in units of one position's risk.
MOST_POSITIONS = 4.0

TRADABLE_CLASSES = frozenset(
    {AssetClass.EQUITY, AssetClass.EQUITY_CLOSE, AssetClass.ETF, AssetClass.INDEX}
)
MOST_COST_SHARE = 0.15
MOST_BARS_PER_YEAR = 366.0

HOLD, PROFIT, STOP, TIME_LIMIT = 0, 1, 2, 3

FEATURE_NAMES = (
    "rsi",
    "range_position",
    "is_close_only",
    "distance_sma5_atr",
    "distance_sma200",
    "volatility_percentile",
    "return_252",
    "drawdown_252",
    "volatility_change_63",
    "cost_share",
)


class HybridInputs(NamedTuple):
    """What the rule reads at each bar, each float64 of shape (n_bars,); NaN while unknown."""

    rsi: FloatArray
    range_position: FloatArray
    atr: FloatArray
    exit_mean: FloatArray
    trend_mean: FloatArray


@kernel
def candidate_nb(
    rsi: float, range_position: float, code: int, entry_level: float, range_share: float
) -> bool:
    """Tell whether one bar is a dip to buy; `code` is its regime by percentile, -1 unknown."""
    return code >= 0 and rsi < entry_level and range_position < range_share


@kernel
def candidates_nb(
    rsi: FloatArray,
    range_position: FloatArray,
    codes: IntArray,
    entry_level: float,
    range_share: float,
) -> IntArray:
    """Apply `candidate_nb` to each bar; 1 for a candidate."""
    n = rsi.shape[0]
    out = np.zeros(n, dtype=np.int64)
    for i in range(n):
        if candidate_nb(rsi[i], range_position[i], codes[i], entry_level, range_share):
            out[i] = 1
    return out


@kernel
def exit_next_nb(
    close: float,
    entry_price: float,
    bars_held: int,
    entry_rate: float,
    exit_rate: float,
    atr: float,
    take_atr: float,
    stop_atr: float,
    max_bars: int,
) -> int:
    """Decide at one close whether to leave a long position: HOLD, PROFIT, STOP or TIME_LIMIT.

    Rates are costs per side as fractions; `atr` belongs to the signal bar; `bars_held` counts bars
    since the signal. A negative `take_atr` never takes a profit, 0 switches stop and limit off.
    """
    if take_atr >= 0.0:
        received = close * (1.0 - exit_rate)
        if received > entry_price * (1.0 + entry_rate) + take_atr * atr:
            return 1
    if stop_atr > 0.0 and close <= entry_price - stop_atr * atr:
        return 2
    if max_bars > 0 and bars_held >= max_bars:
        return 3
    return 0


def holding_limit(max_bars: int, code: int) -> int:
    """Return the longest time a position is held, by the regime of its signal.

    Parameters
    ----------
    max_bars : int
        The limit in a NORMAL regime, >= 0 bars; 0 is no limit.
    code : int
        Regime of the signal bar, 0 LOW to 3 EXTREME.

    Returns
    -------
    int
        Bars since the signal, in the proportions of ``MAX_BARS``.

    Examples
    --------
    >>> [holding_limit(40, code) for code in range(4)]
    [40, 40, 60, 60]
    """
    return max_bars * MAX_BARS[code] // MAX_BARS[RegimeCode.NORMAL]


@once_per_bars
def hybrid_inputs(bars: Bars) -> HybridInputs:
    """Compute what the rule reads.

    Parameters
    ----------
    bars : Bars
        At least one bar.

    Returns
    -------
    HybridInputs
        Value at i uses bars 0..i only. ``range_position`` is (close - low) / (high - low) in
        [0, 1]; 0 where the bar has no range, so that a close-only series is judged by its RSI.

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.full(3, 2.0)
    >>> bars = Bars("X", "1d", np.arange(1, 4), flat, flat, flat, flat, flat)
    >>> hybrid_inputs(bars).range_position.tolist()
    [0.0, 0.0, 0.0]
    """
    span = bars.high - bars.low
    position = np.zeros(len(bars))
    np.divide(bars.close - bars.low, span, out=position, where=span > 0.0)
    return HybridInputs(
        rsi=rsi(bars.close, RSI_BARS),
        range_position=position,
        atr=atr(bars.high, bars.low, bars.close, ATR_BARS),
        exit_mean=sma(bars.close, EXIT_BARS),
        trend_mean=sma(bars.close, TREND_BARS),
    )


def cost_shares(bars: Bars, rates: FloatArray, atr_values: FloatArray) -> FloatArray:
    """Return what a round trip costs as a share of one ATR.

    Parameters
    ----------
    bars : Bars
        Of the instrument.
    rates : float64, shape (n_bars,)
        Cost per side at each bar, fraction.
    atr_values : float64, shape (n_bars,)
        Price units; NaN while unknown.

    Returns
    -------
    float64, shape (n_bars,)
        Ratio >= 0; infinite where the ATR is 0, NaN where it is unknown.
    """
    shares = np.full(len(bars), np.inf)
    known = ~(atr_values <= 0.0)
    np.divide(2.0 * rates * bars.close, atr_values, out=shares, where=known)
    return shares


def tradable_bars(
    bars: Bars, asset_class: AssetClass, rates: FloatArray, atr_values: FloatArray
) -> IntArray:
    """Mark the bars on which the rule may buy at all: class, bar length and cost allow it.

    Parameters
    ----------
    bars : Bars
        Of the instrument.
    asset_class : AssetClass
        Dips of equities, ETFs and indices only; outside them costs eat the edge.
    rates, atr_values : float64, shape (n_bars,)
        Cost per side as a fraction, and ATR in price units, at each bar.

    Returns
    -------
    int64, shape (n_bars,)
        1 where allowed. Value at i uses bars 0..i only.

    Notes
    -----
    Bars shorter than a day are left out: their dips do not pay for a round trip.
    """
    if asset_class not in TRADABLE_CLASSES or bars.bars_per_year > MOST_BARS_PER_YEAR:
        return np.zeros(len(bars), dtype=np.int64)
    return (cost_shares(bars, rates, atr_values) < MOST_COST_SHARE).astype(np.int64)


def model_features(
    bars: Bars, inputs: HybridInputs, regimes: RegimeSeries, rates: FloatArray
) -> FloatArray:
    """Compute what the model looks at, without units so that instruments can be pooled.

    Parameters
    ----------
    bars : Bars
        Of one instrument.
    inputs : HybridInputs
        Of the same bars.
    regimes : RegimeSeries
        Of the same bars.
    rates : float64, shape (n_bars,)
        Cost per side at each bar, fraction.

    Returns
    -------
    float64, shape (n_bars, 10)
        Columns as in ``FEATURE_NAMES``; a row with a NaN is not usable. Row i uses bars 0..i only.
    """
    close = bars.close
    sigma = np.maximum(regimes.volatility / np.sqrt(bars.bars_per_year), 1e-6)
    level = np.log(np.maximum(regimes.volatility, 1e-4))
    year = sigma * np.sqrt(YEAR_BARS)
    trend = (close - inputs.trend_mean) / (close * sigma * np.sqrt(TREND_BARS))
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (close - inputs.exit_mean) / inputs.atr
    columns = (
        inputs.rsi / 100.0,
        inputs.range_position,
        (bars.high == bars.low).astype(np.float64),
        np.clip(distance, -10.0, 10.0),
        np.clip(trend, -3.0, 3.0),
        regimes.percentile,
        np.clip(_change(np.log(close), YEAR_BARS) / year, -6.0, 6.0),
        np.clip(np.log(close / _top(close)) / year, -3.0, 0.0),
        np.clip(_change(level, QUARTER_BARS), -2.0, 2.0),
        np.minimum(cost_shares(bars, rates, inputs.atr) / 2.0, 1.0),
    )
    return np.column_stack(columns)


def _change(values: FloatArray, n_bars: int) -> FloatArray:
    out = np.full(values.shape[0], np.nan)
    out[n_bars:] = values[n_bars:] - values[:-n_bars]
    return out


def _top(close: FloatArray) -> FloatArray:
    # Until a whole year exists, the highest close so far.
    top = np.maximum.accumulate(close)
    highest = kernels.rolling_max_nb(close, YEAR_BARS)
    full = ~np.isnan(highest)
    top[full] = highest[full]
    return top
