"""What a model may know about a bar: few, scale-free, causal numbers.

INPUT    bars of one instrument, their regimes, the cost per side at each bar
OUTPUT   one row of `FEATURES` per bar; NaN where a window is not full or a source is silent
LOOKBACK 252 bars; value at i uses bars 0..i only, so a truncated history gives the same rows

The first ten are the inputs of the hybrid rule's gate; the last four serve models that want more.
Close-only series (high equal to low) and series without volume work: what they cannot say is NaN or
a constant, never an invented number. Prices times a constant give the same features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marketdata.types import Bars
from trading.engine import hybrid
from trading.engine.errors import ConfigInvalid
from trading.engine.indicators import rsi, sma
from trading.engine.kernels import FloatArray
from trading.engine.regimes import RegimeSeries

VOLUME_BARS = 20

GATE_FEATURES = hybrid.FEATURE_NAMES
FEATURES = (*GATE_FEATURES, "rsi14", "distance_sma50_atr", "gap_atr", "volume_ratio")

MEANINGS = {
    "rsi": "RSI(2) / 100",
    "range_position": "Close inside the bar's range: 0 at the low, 1 at the high",
    "is_close_only": "1 where the bar is a single price",
    "distance_sma5_atr": "Close above its 5-bar mean, in ATR(14)",
    "distance_sma200": "Close above its 200-bar mean, in volatility of 200 bars",
    "volatility_percentile": "Rank of volatility in its own trailing 1,008 bars",
    "return_252": "Log return of 252 bars, in volatility of a year",
    "drawdown_252": "Log distance to the highest close of 252 bars, in volatility of a year",
    "volatility_change_63": "Log change of volatility over 63 bars",
    "cost_share": "Cost per side, in ATR(14)",
    "rsi14": "RSI(14) / 100",
    "distance_sma50_atr": "Close above its 50-bar mean, in ATR(14)",
    "gap_atr": "Open above the close before, in ATR(14)",
    "volume_ratio": "Log of volume over the mean of the 20 bars before",
}


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Features of every bar of one instrument.

    Attributes
    ----------
    names : tuple of str
        Names of the columns.
    values : float64, shape (n_bars, n_features)
        C-contiguous; NaN where unknown.
    """

    names: tuple[str, ...]
    values: FloatArray

    def columns(self, names: tuple[str, ...]) -> FloatArray:
        """Return the named columns in this order, float64, shape (n_bars, len(names)).

        Raises
        ------
        ConfigInvalid
            Naming the first unknown name.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise ConfigInvalid(f"no feature {unknown[0]!r}; there are {', '.join(self.names)}")
        places = [self.names.index(name) for name in names]
        return np.ascontiguousarray(self.values[:, places])


def feature_table(bars: Bars, regimes: RegimeSeries, cost_rates: FloatArray) -> FeatureTable:
    """Compute every feature of `FEATURES` at every bar.

    Parameters
    ----------
    bars : Bars
        Prices and volumes.
    regimes : RegimeSeries
        ``classify(bars.close, bars.bars_per_year)``.
    cost_rates : float64, shape (n_bars,)
        Cost per side known at each bar, fraction of notional, >= 0.

    Returns
    -------
    FeatureTable
        See there and `MEANINGS`.

    Raises
    ------
    ConfigInvalid
        If ``cost_rates`` has another length than the bars.

    Notes
    -----
    Timing: row i is known at the close of bar i. Every value is finite or NaN: where a price never
    moved there is no ATR, and what is measured in it is NaN.

    Examples
    --------
    >>> from trading.engine.regimes import classify
    >>> close = 100.0 * np.exp(0.01 * np.sin(np.arange(300.0)))
    >>> at = np.arange(300) * 86_400_000_000_000
    >>> bars = Bars("SPX", "1d", at, close, close, close, close, np.zeros(300))
    >>> table = feature_table(bars, classify(close), np.zeros(300))
    >>> [name for name, value in zip(table.names, table.values[299]) if np.isnan(value)]
    ['volume_ratio']
    """
    if cost_rates.shape != (len(bars),):
        raise ConfigInvalid(
            f"cost_rates {cost_rates.shape} must have the length of the bars {len(bars)}"
        )
    inputs = hybrid.hybrid_inputs(bars)
    more = (
        rsi(bars.close, 14) / 100.0,
        _over(bars.close - sma(bars.close, 50), inputs.atr),
        _over(bars.open - _before(bars.close), _before(inputs.atr)),
        _volume_ratio(bars.volume),
    )
    gate = hybrid.model_features(bars, inputs, regimes, cost_rates)
    values = np.ascontiguousarray(np.column_stack((gate, *more)))
    values[~np.isfinite(values)] = np.nan
    return FeatureTable(FEATURES, values)


def _volume_ratio(volume: FloatArray) -> FloatArray:
    # Zero stands for "not known" as well as for "none": neither has a logarithm.
    known = np.where(volume > 0.0, volume, np.nan)
    return np.asarray(np.log(_over(known, _before(sma(known, VOLUME_BARS)))), dtype=np.float64)


def _before(values: FloatArray) -> FloatArray:
    out = np.full(values.shape[0], np.nan)
    out[1:] = values[:-1]
    return out


def _over(values: FloatArray, unit: FloatArray) -> FloatArray:
    out = np.full(values.shape[0], np.nan)
    np.divide(values, unit, out=out, where=unit > 0.0)
    return out
