"""Indicators follow TA-Lib's conventions and refuse impossible windows."""

import json
from pathlib import Path

import numpy as np
import pytest

from trading.engine import indicators
from trading.engine.errors import ParameterInvalid
from trading.engine.returns import ewma_volatility, realized_volatility
from trading.tests.engine.walks import random_walk

# TA-Lib 0.8.2 on a seeded random walk: docs/research/talib_equality.py --golden wrote it.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "talib.json").read_text())
BARS = random_walk(GOLDEN["seed"], GOLDEN["n_bars"])
BANDS = indicators.bollinger(BARS.close, 20, 2.0)
OURS = {
    "sma_20": indicators.sma(BARS.close, 20),
    "ema_20": indicators.ema(BARS.close, 20),
    "rsi_14": indicators.rsi(BARS.close, 14),
    "rsi_2": indicators.rsi(BARS.close, 2),
    "atr_14": indicators.atr(BARS.high, BARS.low, BARS.close, 14),
    "adx_14": indicators.adx(BARS.high, BARS.low, BARS.close, 14),
    "adx_5": indicators.adx(BARS.high, BARS.low, BARS.close, 5),
    "bollinger_upper_20": BANDS.upper,
    "bollinger_middle_20": BANDS.middle,
    "bollinger_lower_20": BANDS.lower,
    "rolling_max_20": indicators.rolling_max(BARS.high, 20),
    "rolling_min_20": indicators.rolling_min(BARS.low, 20),
}


@pytest.mark.parametrize("name", sorted(GOLDEN["indicators"]))
def test_indicator_equals_talib_from_its_first_value_on(name):
    expected = GOLDEN["indicators"][name]

    ours = OURS[name]

    assert int(np.argmax(np.isfinite(ours))) == expected["first"]
    for index, value in expected["values"].items():
        assert ours[int(index)] == pytest.approx(value, rel=0, abs=1e-9)


@pytest.mark.parametrize("window", [0, -3])
def test_indicator_refuses_a_window_below_one(window):
    with pytest.raises(ParameterInvalid, match=f"window {window}"):
        indicators.sma(BARS.close, window)


def test_adx_refuses_a_window_of_one():
    with pytest.raises(ParameterInvalid, match="at least 2"):
        indicators.adx(BARS.high, BARS.low, BARS.close, 1)


def test_atr_refuses_columns_of_different_length():
    with pytest.raises(ParameterInvalid, match="differ in length"):
        indicators.atr(BARS.high[:5], BARS.low, BARS.close)


def test_ewma_volatility_refuses_a_weight_above_one():
    with pytest.raises(ParameterInvalid, match="alpha"):
        ewma_volatility(BARS.close, alpha=1.5)


def test_realized_volatility_is_the_sample_deviation_of_log_returns():
    returns = np.diff(np.log(BARS.close))

    found = realized_volatility(BARS.close, 20, 252.0)[100]

    assert found == pytest.approx(np.std(returns[80:100], ddof=1) * np.sqrt(252.0), rel=1e-12)


def test_rsi_of_a_price_that_never_moved_is_zero():
    assert indicators.rsi(np.full(5, 7.0), 2)[2:].tolist() == [0.0, 0.0, 0.0]


def test_a_read_only_series_is_accepted():
    closes = BARS.close.copy()
    closes.setflags(write=False)

    assert np.array_equal(indicators.sma(closes, 20), OURS["sma_20"], equal_nan=True)
