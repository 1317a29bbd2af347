"""The vocabulary of market data: pure NumPy, shared by providers, selectors and the engine.

INPUT   columns of one instrument and one timeframe
OUTPUT  frozen `Bars`, refused at the door when a row is wrong
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PRICE_COLUMNS = ("open", "high", "low", "close")
SECONDS_PER_DAY = 86_400
SECONDS_PER_YEAR = 365.25 * SECONDS_PER_DAY
TIMEFRAME_SECONDS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "1d": SECONDS_PER_DAY}


class BarsError(ValueError):
    """Say why a series of bars was refused: `row` counts from 0, `value` is what stood there."""

    code = "bars_invalid"

    def __init__(self, message: str, *, row: int | None = None, value: object = None) -> None:
        super().__init__(message)
        self.row = row
        self.value = value


class BarsLengthMismatch(BarsError):
    """Columns of different length."""

    code = "bars_length_mismatch"


class BarsEmpty(BarsError):
    """No row where at least one is needed."""

    code = "bars_empty"


class BarNotFinite(BarsError):
    """A price or volume is NaN or infinite."""

    code = "bar_not_finite"


class BarPriceNotPositive(BarsError):
    """A price is zero or negative."""

    code = "bar_price_not_positive"


class BarVolumeNegative(BarsError):
    """A volume is negative."""

    code = "bar_volume_negative"


class BarHighBelowLow(BarsError):
    """The high of a bar lies below its low."""

    code = "bar_high_below_low"


class BarOutsideRange(BarsError):
    """The open or the close of a bar lies above its high or below its low."""

    code = "bar_outside_range"


class BarsUnsorted(BarsError):
    """A bar closes before the bar in front of it."""

    code = "bars_unsorted"


class BarDuplicated(BarsError):
    """Two bars close at the same time."""

    code = "bar_duplicated"


@dataclass(frozen=True, slots=True)
class InstrumentId:
    """Our name of a tradable: the venue's symbol and the venue.

    Examples
    --------
    >>> str(InstrumentId("SPX", "XNYS"))
    'SPX.XNYS'
    """

    symbol: str
    venue: str

    def __str__(self) -> str:
        """Write the id the way logs and URLs show it."""
        return f"{self.symbol}.{self.venue}"


@dataclass(frozen=True, slots=True)
class Quote:
    """Top of book at one moment; prices and sizes in the instrument's own units."""

    instrument_id: InstrumentId
    quoted_at: int
    bid: float
    ask: float
    bid_size: float
    ask_size: float


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Bars:
    """Hold the closed bars of one instrument and timeframe, oldest first.

    Parameters
    ----------
    symbol, timeframe : str
        For example ``"SPX"`` and ``"1d"``.
    closed_at : int64, shape (n_bars,)
        Time of each bar's close, nanoseconds since 1970-01-01 UTC, strictly increasing.
    open, high, low, close : float64, shape (n_bars,)
        Prices, > 0 and finite, ``low <= open, close <= high``.
    volume : float64, shape (n_bars,)
        Units traded, >= 0; 0 also where the source does not know it.
    bars_per_year : float
        For annualizing: 252 for daily stocks, 365 for daily crypto. > 0.
    exec_price : {"OPEN", "CLOSE"}
        Which price of the *next* bar an order decided on this bar meets. CLOSE is for series whose
        opens are not traded prices (close-only series).
    asset_class : str
        Name of the instrument's class, such as ``"CRYPTO"``; empty where it is not known.
    time_zone : str
        Name of the exchange's time zone, such as ``"America/New_York"``; empty reads as UTC.

    Raises
    ------
    BarsError
        One of its subclasses, naming row and value, on the first bad row found.

    Notes
    -----
    Every column is copied to a float64, C-contiguous, writable array: one numba signature for the
    whole engine (a read-only array is another type and would compile every kernel again).
    """

    symbol: str
    timeframe: str
    closed_at: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    bars_per_year: float = 252.0
    exec_price: Literal["OPEN", "CLOSE"] = "OPEN"
    asset_class: str = ""
    time_zone: str = ""

    def __post_init__(self) -> None:
        """Copy the columns and refuse the first bad row."""
        object.__setattr__(self, "closed_at", _own_copy(self.closed_at, np.int64))
        for name in (*PRICE_COLUMNS, "volume"):
            object.__setattr__(self, name, _own_copy(getattr(self, name), np.float64))
        if not self.bars_per_year > 0:
            raise BarsError(
                f"bars_per_year {self.bars_per_year} must be above 0", value=self.bars_per_year
            )
        if self.exec_price not in ("OPEN", "CLOSE"):
            raise BarsError(f"exec_price {self.exec_price!r} must be OPEN or CLOSE")
        _check_lengths(self)
        if not _is_sound(self):
            _check_prices(self)
            _check_order(self.closed_at)

    def __len__(self) -> int:
        """Count the bars."""
        return int(self.closed_at.shape[0])

    def slice(self, start: int, stop: int) -> Bars:
        """Return bars ``start`` to ``stop`` (exclusive) as a new, independent `Bars`."""
        return Bars(
            symbol=self.symbol,
            timeframe=self.timeframe,
            closed_at=self.closed_at[start:stop],
            open=self.open[start:stop],
            high=self.high[start:stop],
            low=self.low[start:stop],
            close=self.close[start:stop],
            volume=self.volume[start:stop],
            bars_per_year=self.bars_per_year,
            exec_price=self.exec_price,
            asset_class=self.asset_class,
            time_zone=self.time_zone,
        )

    def until(self, i: int) -> Bars:
        """Return what was known at the close of bar ``i``: bars 0 to ``i`` inclusive."""
        return self.slice(0, i + 1)

    @property
    def exec_prices(self) -> FloatArray:
        """Price an order meets on each bar, float64, shape (n_bars,)."""
        return self.open if self.exec_price == "OPEN" else self.close


def bars_per_year_estimate(closed_at: ArrayLike) -> float:
    """Estimate how many bars of this series make a year.

    Parameters
    ----------
    closed_at : int64, shape (n_bars,)
        Close times, nanoseconds UTC, increasing.

    Returns
    -------
    float
        Bars per 365.25 days over the whole span, > 0; 252.0 where fewer than two bars exist.

    Notes
    -----
    It looks at the whole span, so estimate once per instrument and store the result; estimating
    again on each prefix would let the end of the data move earlier volatilities.

    Examples
    --------
    >>> day = 86_400 * 10**9
    >>> round(bars_per_year_estimate(np.arange(731) * day))
    365
    """
    times = np.asarray(closed_at, dtype=np.int64)
    if times.shape[0] < 2 or times[-1] <= times[0]:
        return 252.0
    seconds = float(times[-1] - times[0]) / 1e9
    return float(times.shape[0] - 1) * SECONDS_PER_YEAR / seconds


def gap_seconds_allowed(timeframe: str, bars_per_year: int) -> int:
    """Longest distance between two bars that is not called a gap.

    Venues that never close: one and a half bars. Others: weekends with holidays on both sides, five
    days, so that a gap means missing rows and not a closed market.
    """
    if bars_per_year >= 360:
        return TIMEFRAME_SECONDS[timeframe] * 3 // 2
    return 5 * SECONDS_PER_DAY


def _own_copy(values: ArrayLike, dtype: type) -> NDArray[np.generic]:
    return np.array(values, dtype=dtype, order="C", copy=True, ndmin=1)


def _check_lengths(bars: Bars) -> None:
    n_bars = len(bars)
    for name in (*PRICE_COLUMNS, "volume"):
        shape = getattr(bars, name).shape
        if shape != (n_bars,):
            raise BarsLengthMismatch(
                f"column {name} of {bars.symbol} has shape {shape}, closed_at has {n_bars} rows",
                value=shape,
            )


def _is_sound(bars: Bars) -> bool:
    """Tell whether no row is bad, in a third of the time that finding the bad one takes."""
    if len(bars) == 0:
        return True
    least, most = np.minimum.reduce, np.maximum.reduce
    # A NaN is the least and the most of its column, and no comparison with it holds. What is not
    # asked follows: open and close are above 0 where the low is, and finite where the high is.
    return bool(
        least(bars.low) > 0.0
        and most(bars.high) < np.inf
        and least(bars.volume) >= 0.0
        and most(bars.volume) < np.inf
        and (bars.low <= bars.open).all()
        and (bars.low <= bars.close).all()
        and (bars.open <= bars.high).all()
        and (bars.close <= bars.high).all()
        and (bars.closed_at[1:] > bars.closed_at[:-1]).all()
    )


def _check_prices(bars: Bars) -> None:
    for name in (*PRICE_COLUMNS, "volume"):
        column = getattr(bars, name)
        row = _first(~np.isfinite(column))
        if row is not None:
            raise BarNotFinite(
                _text(bars, row, name, "is not a number"), row=row, value=column[row]
            )
    for name in PRICE_COLUMNS:
        column = getattr(bars, name)
        row = _first(column <= 0.0)
        if row is not None:
            raise BarPriceNotPositive(
                _text(bars, row, name, "is not above 0"), row=row, value=column[row]
            )
    row = _first(bars.volume < 0.0)
    if row is not None:
        raise BarVolumeNegative(
            _text(bars, row, "volume", "is below 0"), row=row, value=bars.volume[row]
        )
    row = _first(bars.high < bars.low)
    if row is not None:
        raise BarHighBelowLow(
            _text(bars, row, "high", f"is below low {bars.low[row]:g}"),
            row=row,
            value=bars.high[row],
        )
    for name in ("open", "close"):
        column = getattr(bars, name)
        for bound, is_beyond in (("high", column > bars.high), ("low", column < bars.low)):
            row = _first(is_beyond)
            if row is not None:
                side = "above" if bound == "high" else "below"
                fault = f"is {side} {bound} {getattr(bars, bound)[row]:g}"
                raise BarOutsideRange(_text(bars, row, name, fault), row=row, value=column[row])


def _check_order(closed_at: IntArray) -> None:
    steps = np.diff(closed_at)
    row = _first(steps <= 0)
    if row is None:
        return
    later = np.datetime64(int(closed_at[row + 1]), "ns")
    if steps[row] == 0:
        raise BarDuplicated(
            f"row {row + 1}: a second bar closes at {later}", row=row + 1, value=later
        )
    earlier = np.datetime64(int(closed_at[row]), "ns")
    raise BarsUnsorted(
        f"row {row + 1}: {later} comes after {earlier}; bars must be sorted, oldest first",
        row=row + 1,
        value=later,
    )


def _first(mask: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(mask)) if mask.any() else None


def _text(bars: Bars, row: int, name: str, fault: str) -> str:
    at = np.datetime64(int(bars.closed_at[row]), "ns")
    return f"row {row} ({at}) of {bars.symbol}: {name} {getattr(bars, name)[row]:g} {fault}"
