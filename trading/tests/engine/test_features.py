"""Features are causal, scale-free and silent where a source is silent."""

import numpy as np
import pytest

from marketdata.types import Bars
from trading.engine.errors import ConfigInvalid
from trading.engine.indicators import rsi
from trading.engine.learning.features import FEATURES, GATE_FEATURES, MEANINGS, feature_table
from trading.engine.regimes import classify
from trading.tests.engine.walks import random_walk

BARS = random_walk(31, 700)
RATES = np.full(700, 0.0004)


def table(bars, rates=None):
    rates = RATES[: len(bars)] if rates is None else rates
    return feature_table(bars, classify(bars.close, bars.bars_per_year), rates)


def scaled(bars, factor, **changes):
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    columns = prices | {"volume": bars.volume * 7.0} | changes
    return Bars("WALK", "1d", bars.closed_at, **columns)


@pytest.mark.parametrize("cut", [10, 260, 500])
def test_bars_after_a_row_do_not_change_it(cut):
    future = random_walk(99, 700)
    columns = {
        name: np.concatenate((getattr(BARS, name)[: cut + 1], getattr(future, name)[cut + 1 :]))
        for name in ("open", "high", "low", "close", "volume")
    }

    other = table(Bars("WALK", "1d", BARS.closed_at, **columns))

    whole = table(BARS).values[: cut + 1]
    assert np.array_equal(whole, other.values[: cut + 1], equal_nan=True)
    assert np.array_equal(whole, table(BARS.until(cut)).values, equal_nan=True)


def test_another_unit_of_price_and_volume_gives_the_same_features():
    assert np.allclose(table(BARS).values, table(scaled(BARS, 13.0)).values, equal_nan=True)


def test_every_row_is_complete_after_the_warm_up():
    assert np.isfinite(table(BARS).values[252:]).all()


def test_a_close_only_series_without_volume_lacks_nothing_but_its_volume():
    close = BARS.close
    flat = {"open": close, "high": close, "low": close, "close": close, "volume": 0.0 * close}

    found = table(Bars("WALK", "1d", BARS.closed_at, **flat))

    missing = np.isnan(found.values[300:]).all(axis=0)
    assert [name for name, is_missing in zip(FEATURES, missing, strict=True) if is_missing] == [
        "volume_ratio"
    ]


def test_a_price_that_never_moved_gives_no_infinity():
    one = np.full(400, 5.0)

    values = table(Bars("FLAT", "1d", BARS.closed_at[:400], one, one, one, one, one)).values

    assert not np.isinf(values).any()


def test_columns_come_in_the_order_asked_for():
    found = table(BARS).columns(("rsi14", "rsi"))

    assert np.array_equal(found[:, 0], rsi(BARS.close, 14) / 100.0, equal_nan=True)
    assert found.flags.c_contiguous
    with pytest.raises(ConfigInvalid, match="no feature 'moon'"):
        table(BARS).columns(("moon",))


def test_costs_of_another_length_are_refused():
    with pytest.raises(ConfigInvalid, match="length of the bars 700"):
        table(BARS, np.zeros(3))


def test_every_feature_has_a_meaning():
    assert set(MEANINGS) == set(FEATURES) > set(GATE_FEATURES)
