"""What a model may know about a bar: few, scale-free, causal numbers.

INPUT    bars of one instrument, their regimes, the cost per side at each bar
OUTPUT   one row of `FEATURES` per bar; NaN where a window is not full or a source is silent
LOOKBACK 252 bars; value at i uses bars 0..i only, so a truncated history gives the same rows

Close-only series (high equal to low) and series without volume work: what they cannot say is NaN or
a constant, never an invented number. Prices times a constant give the same features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from marketdata.types import Bars
from trading.engine.errors import ConfigInvalid
from trading.engine.indicators import atr, rolling_max, rsi, sma
from trading.engine.kernels import FloatArray
from trading.engine.regimes import RegimeSeries

ATR_BARS = 14
YEAR_BARS = 252
QUARTER_BARS = 63
VOLUME_BARS = 20

# Chosen on data/dev by the model gate of the hybrid rule (docs/research); the order is the model's.
GATE_FEATURES = (
    "rsi2",
    "range_position",
    "is_close_only",
    "distance_sma5",
    "distance_sma200",
    "volatility_percentile",
    "momentum",
    "drawdown",
    "volatility_change",
    "cost_in_atr",
)
FEATURES = (*GATE_FEATURES, "rsi14", "distance_sma50", "gap", "volume_ratio")

MEANINGS = {
    "rsi2": "RSI(2) / 100",
    "range_position": "close inside the bar's range, 0 at the low and 1 at the high",
    "is_close_only": "1 where orders meet the next close because opens are not traded prices",
    "distance_sma5": "(close - SMA(5)) / ATR(14)",
    "distance_sma200": "(close - SMA(200)) over the bar's volatility times sqrt(200), within 3",
    "volatility_percentile": "rank of EWMA volatility in its own trailing 1,008 bars",
    "momentum": "log return of 252 bars over volatility times sqrt(252), within 6",
    "drawdown": "log distance to the highest close of 252 bars, same unit, from -3 to 0",
    "volatility_change": "log change of EWMA volatility over 63 bars, within 2",
    "cost_in_atr": "cost per side in ATR(14)",
    "rsi14": "RSI(14) / 100",
    "distance_sma50": "(close - SMA(50)) / ATR(14)",
    "gap": "(open - close before) / ATR(14) of the bar before",
    "volume_ratio": "log of volume over the mean of the 20 bars before; NaN without volume",
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


def feature_table(
    bars: Bars, regimes: RegimeSeries, cost_rates: ArrayLike | float = 0.0
) -> FeatureTable:
    """Compute every feature of `FEATURES` at every bar.

    Parameters
    ----------
    bars : Bars
        Prices and volumes.
    regimes : RegimeSeries
        ``classify(bars.close, bars.bars_per_year)``.
    cost_rates : float64, shape (n_bars,), or float
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
    Timing: row i is known at the close of bar i. `is_close_only` says how the instrument is traded,
    which is known beforehand. Every value is finite or NaN: a flat price has no ATR and no
    volatility, so what is measured in them is NaN.

    Examples
    --------
    >>> from trading.engine.regimes import classify
    >>> close = 100.0 * np.exp(0.01 * np.sin(np.arange(300.0)))
    >>> at = np.arange(300) * 86_400_000_000_000
    >>> bars = Bars("SPX", "1d", at, close, close, close, close, np.zeros(300))
    >>> table = feature_table(bars, classify(close))
    >>> table.values.shape, int(np.isnan(table.values[299]).sum())
    ((300, 14), 2)
    """
    rates = np.asarray(cost_rates, dtype=np.float64)
    if rates.ndim == 0:
        rates = np.full(len(bars), float(rates))
    if rates.shape != (len(bars),):
        raise ConfigInvalid(f"cost_rates {rates.shape} must have the length of the bars {len(bars)}")
    columns = _price_columns(bars, rates) | _volatility_columns(bars, regimes)
    columns["volume_ratio"] = _volume_ratio(bars.volume)
    values = np.column_stack([columns[name] for name in FEATURES])
    values[~np.isfinite(values)] = np.nan
    return FeatureTable(FEATURES, np.ascontiguousarray(values))


def known_rows(values: FloatArray) -> NDArray[np.bool_]:
    """Tell which rows hold at least one number: a row of nothing but NaN says nothing.

    Examples
    --------
    >>> known_rows(np.array([[np.nan, 1.0], [np.nan, np.nan]])).tolist()
    [True, False]
    """
    return np.asarray(~np.isnan(values).all(axis=1), dtype=np.bool_)


def _price_columns(bars: Bars, rates: FloatArray) -> dict[str, FloatArray]:
    close = bars.close
    span = bars.high - bars.low
    ranges = atr(bars.high, bars.low, close, ATR_BARS)
    position = np.zeros(len(bars))
    np.divide(close - bars.low, span, out=position, where=span > 0.0)
    return {
        "rsi2": rsi(close, 2) / 100.0,
        "rsi14": rsi(close, 14) / 100.0,
        "range_position": position,
        "is_close_only": np.full(len(bars), float(bars.exec_price == "CLOSE")),
        "distance_sma5": _over(close - sma(close, 5), ranges),
        "distance_sma50": _over(close - sma(close, 50), ranges),
        "gap": _over(bars.open - _before(close, 1), _before(ranges, 1)),
        "cost_in_atr": _over(rates * close, ranges),
    }


def _volatility_columns(bars: Bars, regimes: RegimeSeries) -> dict[str, FloatArray]:
    close = bars.close
    deviation = regimes.volatility / np.sqrt(bars.bars_per_year)
    year = deviation * np.sqrt(float(YEAR_BARS))
    logs = np.log(close)
    mean_distance = _over(close - sma(close, 200), close * deviation * np.sqrt(200.0))
    change = _logs(regimes.volatility) - _before(_logs(regimes.volatility), QUARTER_BARS)
    return {
        "distance_sma200": np.clip(mean_distance, -3.0, 3.0),
        "volatility_percentile": regimes.percentile,
        "momentum": np.clip(_over(logs - _before(logs, YEAR_BARS), year), -6.0, 6.0),
        "drawdown": np.clip(_over(logs - rolling_max(logs, YEAR_BARS), year), -3.0, 0.0),
        "volatility_change": np.clip(change, -2.0, 2.0),
    }


def _volume_ratio(volume: FloatArray) -> FloatArray:
    known = np.where(volume > 0.0, volume, np.nan)
    return _logs(_over(known, _before(sma(known, VOLUME_BARS), 1)))


def _before(values: FloatArray, n_bars: int) -> FloatArray:
    """Return the value `n_bars` earlier, NaN where there is none."""
    out = np.full(values.shape[0], np.nan)
    if values.shape[0] > n_bars:
        out[n_bars:] = values[:-n_bars]
    return out


def _over(values: FloatArray, unit: FloatArray) -> FloatArray:
    out = np.full(values.shape[0], np.nan)
    return np.divide(values, unit, out=out, where=unit > 0.0)


def _logs(values: FloatArray) -> FloatArray:
    out = np.full(values.shape[0], np.nan)
    return np.log(values, out=out, where=values > 0.0)
