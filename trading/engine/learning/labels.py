"""Meta-labels: did the candidate trade win after costs, and when was that known.

INPUT    bars, the bars whose close gave a candidate, cost per side at each bar
OUTPUT   one label per resolved candidate with the bar that resolved it
LOOKBACK none: a label looks forward on purpose. It may only be learned from after `exit_bar`

The exit is profit-blind (close above its short average, or a number of bars), because an exit that
waits for a profit would label nearly everything a win and teach nothing about entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from marketdata.types import Bars
from trading.engine import hybrid
from trading.engine.errors import ConfigInvalid
from trading.engine.indicators import sma
from trading.engine.kernels import FloatArray, IntArray, kernel


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Resolved candidates of one instrument, in order of their signal bars.

    Attributes
    ----------
    signal_bar : int64, shape (n,)
        Bar whose close gave the candidate; it is bought on the next one.
    exit_bar : int64, shape (n,)
        Bar of the exit's fill: nothing about the label is known before it closes.
    net_return : float64, shape (n,)
        Result after costs on both sides, fraction of the money put in.
    """

    signal_bar: IntArray
    exit_bar: IntArray
    net_return: FloatArray

    @property
    def is_win(self) -> NDArray[np.bool_]:
        """Tell which candidates ended above zero after costs, bool, shape (n,)."""
        return np.asarray(self.net_return > 0.0, dtype=np.bool_)

    def __len__(self) -> int:
        """Count the labels."""
        return int(self.signal_bar.shape[0])


def meta_labels(
    bars: Bars,
    signal_bars: ArrayLike,
    cost_rates: ArrayLike,
    *,
    exit_bars: int = hybrid.EXIT_BARS,
    max_bars: int = hybrid.BLIND_BARS,
) -> Labels:
    """Follow each candidate to its profit-blind exit.

    Parameters
    ----------
    bars : Bars
        Prices; `bars.exec_price` says which price of the next bar a decision meets.
    signal_bars : int64, shape (n,)
        Increasing bar indices, 0 <= bar < n_bars.
    cost_rates : float64, shape (n_bars,)
        Cost per side at each bar as a fraction; the rate of the bar that decided counts.
    exit_bars : int
        Sell when the close is above the mean of so many closes, >= 1.
    max_bars : int
        Sell after so many closes since the signal, >= 1.

    Returns
    -------
    Labels
        Without the candidates whose exit is not filled by the last bar: they are not known yet.

    Raises
    ------
    ConfigInvalid
        If an index is out of range or not increasing, a length differs or a window is below 1.

    Notes
    -----
    Each candidate is its own trade, whether or not the one before is still open. Weights for the
    overlap were tried and made the models worse (docs/research/win-rates.md).

    References
    ----------
    López de Prado, Advances in Financial Machine Learning (2018), ch. 3.6 (meta-labeling).

    Examples
    --------
    >>> close = np.array([10.0, 10.0, 10.0, 10.0, 9.0, 9.0, 12.0, 12.0, 12.0])
    >>> at = np.arange(9) * 86_400_000_000_000
    >>> bars = Bars("SPX", "1d", at, close, close, close, close, np.zeros(9))
    >>> labels = meta_labels(bars, [4, 8], np.zeros(9))
    >>> labels.exit_bar.tolist(), labels.net_return.round(4).tolist()
    ([7], [0.3333])
    """
    signals = np.asarray(signal_bars, dtype=np.int64)
    rates = np.asarray(cost_rates, dtype=np.float64)
    _check(bars, signals, rates, exit_bars, max_bars)
    exits, returns = label_nb(
        bars.exec_prices,
        bars.close,
        sma(bars.close, exit_bars),
        np.ascontiguousarray(rates),
        np.ascontiguousarray(signals),
        max_bars,
    )
    is_resolved = exits >= 0
    return Labels(signals[is_resolved], exits[is_resolved], returns[is_resolved])


def is_purged(
    decided_at: ArrayLike, resolved_at: ArrayLike, test_from: int, embargo: int = 0
) -> NDArray[np.bool_]:
    """Tell which labels must be left out of training before a test that begins at `test_from`.

    Parameters
    ----------
    decided_at, resolved_at : int64, shape (n,)
        When each candidate was decided and when its result was known, any one unit of time.
    test_from : int
        First moment of the test, same unit.
    embargo : int
        Further distance kept between training and test, same unit, >= 0.

    Returns
    -------
    bool, shape (n,)
        True for labels resolved at or after ``test_from - embargo`` (also those decided later).

    Examples
    --------
    >>> is_purged([1, 2, 3], [2, 5, 9], test_from=6, embargo=1).tolist()
    [False, True, True]
    """
    decided = np.asarray(decided_at, dtype=np.int64)
    resolved = np.asarray(resolved_at, dtype=np.int64)
    limit = test_from - embargo
    return np.asarray((resolved >= limit) | (decided >= limit), dtype=np.bool_)


@kernel
def label_nb(
    exec_prices: FloatArray,
    close: FloatArray,
    exit_mean: FloatArray,
    rates: FloatArray,
    signals: IntArray,
    max_bars: int,
) -> tuple[IntArray, FloatArray]:
    """Return the exit's fill bar (-1 while open) and the net return of each candidate."""
    n = close.shape[0]
    exits = np.full(signals.shape[0], -1, dtype=np.int64)
    returns = np.full(signals.shape[0], np.nan)
    for k in range(signals.shape[0]):
        signal = signals[k]
        entry = signal + 1
        for i in range(entry, n - 1):
            if close[i] > exit_mean[i] or i - signal >= max_bars:
                paid = exec_prices[entry] * (1.0 + rates[signal])
                received = exec_prices[i + 1] * (1.0 - rates[i])
                exits[k] = i + 1
                returns[k] = received / paid - 1.0
                break
    return exits, returns


def _check(bars: Bars, signals: IntArray, rates: FloatArray, exit_bars: int, max_bars: int) -> None:
    for name, value in (("exit_bars", exit_bars), ("max_bars", max_bars)):
        if value < 1:
            raise ConfigInvalid(f"{name} {value} must be at least 1")
    if rates.shape != (len(bars),):
        raise ConfigInvalid(
            f"cost_rates {rates.shape} must have the length of the bars {len(bars)}"
        )
    if signals.ndim != 1 or (np.diff(signals) <= 0).any():
        raise ConfigInvalid("signal_bars must be flat and increasing")
    if signals.shape[0] and not 0 <= signals[0] <= signals[-1] < len(bars):
        raise ConfigInvalid(
            f"signal_bars {signals[0]} to {signals[-1]} must lie within 0 to {len(bars) - 1}"
        )
