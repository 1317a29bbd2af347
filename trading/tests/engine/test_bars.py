"""Bars refuse what is wrong, with row and value."""

import numpy as np
import pytest

from marketdata.types import (
    BarDuplicated,
    BarHighBelowLow,
    BarNotFinite,
    BarOutsideRange,
    BarPriceNotPositive,
    Bars,
    BarsError,
    BarsLengthMismatch,
    BarsUnsorted,
    BarVolumeNegative,
    bars_per_year_estimate,
)
from trading.tests.engine.walks import DAY_NS, random_walk, tape

ROWS = [(10.0, 12.0, 9.0, 11.0), (11.0, 13.0, 10.0, 12.0), (12.0, 14.0, 11.0, 13.0)]


def build(**changes: object) -> Bars:
    good = tape(ROWS)
    columns = {
        name: getattr(good, name).copy()
        for name in ("closed_at", "open", "high", "low", "close", "volume")
    }
    for name, (row, value) in changes.items():
        columns[name][row] = value
    return Bars("TAPE", "1d", **columns)


@pytest.mark.parametrize(
    ("column", "row", "value", "error"),
    [
        ("close", 1, np.nan, BarNotFinite),
        ("open", 2, np.inf, BarNotFinite),
        ("volume", 0, np.nan, BarNotFinite),
        ("low", 1, 0.0, BarPriceNotPositive),
        ("close", 2, -3.0, BarPriceNotPositive),
        ("volume", 1, -1.0, BarVolumeNegative),
        ("high", 1, 9.5, BarHighBelowLow),
        ("open", 0, 12.5, BarOutsideRange),
        ("open", 1, 9.5, BarOutsideRange),
        ("close", 2, 14.5, BarOutsideRange),
        ("close", 0, 8.0, BarOutsideRange),
    ],
)
def test_bars_refuse_a_bad_value_and_name_its_row(column, row, value, error):
    with pytest.raises(error) as refused:
        build(**{column: (row, value)})

    assert refused.value.row == row
    assert f"row {row}" in str(refused.value)
    assert column in str(refused.value)


def test_a_price_outside_the_range_of_its_bar_is_told_with_the_bound():
    with pytest.raises(BarOutsideRange, match=r"of TAPE: close 14.5 is above high 14$"):
        build(close=(2, 14.5))


def test_bars_refuse_a_bar_before_its_predecessor():
    with pytest.raises(BarsUnsorted, match="row 2: 1970-01-01"):
        build(closed_at=(2, DAY_NS // 2))


def test_bars_refuse_two_bars_at_one_time():
    with pytest.raises(BarDuplicated, match="row 1: a second bar closes at 1970-01-01"):
        build(closed_at=(1, 0))


def test_bars_refuse_columns_of_different_length():
    good = tape(ROWS)

    with pytest.raises(BarsLengthMismatch, match="column high of TAPE has shape"):
        Bars("TAPE", "1d", good.closed_at, good.open, good.high[:2], good.low, good.close, good.low)


@pytest.mark.parametrize("rate", [0.0, -252.0, np.nan])
def test_bars_refuse_a_year_without_bars(rate):
    good = tape(ROWS)

    with pytest.raises(BarsError, match="bars_per_year"):
        Bars("T", "1d", good.closed_at, good.open, good.high, good.low, good.close, good.low, rate)


def test_bars_own_their_columns_as_writable_contiguous_float64():
    closes = np.array([1.0, 2.0, 3.0, 4.0], dtype=np.float32)[::2]
    closes.setflags(write=False)

    bars = Bars("T", "1d", [1, 2], closes, closes, closes, closes, [0, 0])

    assert bars.close.dtype == np.float64
    assert bars.close.flags.c_contiguous
    assert bars.close.flags.writeable
    assert bars.closed_at.dtype == np.int64


def test_until_keeps_bars_up_to_and_including_the_index():
    bars = random_walk(1, 50)

    part = bars.until(9)

    assert len(part) == 10
    assert part.close[-1] == bars.close[9]
    assert not np.shares_memory(part.close, bars.close)


def test_bars_of_no_rows_are_allowed_and_empty():
    assert len(tape(ROWS).slice(0, 0)) == 0


def test_exec_prices_are_closes_where_opens_are_not_traded():
    good = tape(ROWS)

    bars = Bars(
        "T",
        "1d",
        good.closed_at,
        good.open,
        good.high,
        good.low,
        good.close,
        good.volume,
        exec_price="CLOSE",
    )

    assert np.array_equal(bars.exec_prices, good.close)


def test_bars_per_year_of_a_single_bar_is_the_default():
    assert bars_per_year_estimate([5]) == 252.0
