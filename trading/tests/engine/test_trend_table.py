"""The columns of the volatility-adaptive trend: written at once as bar by bar, to the bit."""

import numpy as np
import pytest

from trading.engine import rules
from trading.engine.adaptive import AdaptiveBase, regime_values
from trading.engine.indicators import atr, rsi, sma
from trading.engine.regimes import regimes_of
from trading.engine.strategies.trend_table import (
    LONGEST,
    adaptive_rows_nb,
    blended_rows_nb,
    measured_nb,
)
from trading.tests.engine.walks import random_walk, tape

WALK = random_walk(8, 420, 0.03)
FLAT = tape([(10.0, 10.0, 10.0, 10.0)] * 30)
TERMS = (0.15, 0.95, 0.5)
BASES = [
    AdaptiveBase(lookback_bars=20, entry_threshold=25.0),
    AdaptiveBase(target_atr=1.5, own_values=(("lookback_bars", 2, 300.0),)),
]


def market(bars, base):
    regimes = regimes_of(bars)
    measured = measured_nb(bars.high, bars.low, bars.close)
    values, falls_at_once = regime_values(base)
    return (
        (bars.close, *measured, regimes.volatility, regimes.settled_codes, values),
        falls_at_once,
    )


@pytest.mark.parametrize("bars", [WALK, FLAT], ids=["walk", "flat"])
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("trail_atr", [0.0, 3.0])
def test_columns_written_at_once_equal_those_written_bar_by_bar(bars, base, trail_atr):
    inputs, falls_at_once = market(bars, base)

    found = adaptive_rows_nb(*inputs, *TERMS, trail_atr)

    plain = blended_rows_nb(*inputs, falls_at_once, 1, 1.0, *TERMS, trail_atr)
    assert np.array_equal(found, plain, equal_nan=True)
    assert found.T.flags.c_contiguous
    assert plain.T.flags.c_contiguous


@pytest.mark.filterwarnings("ignore:.*divide:RuntimeWarning")
def test_the_uncompiled_columns_are_those_of_the_compiled():
    inputs, falls_at_once = market(WALK, BASES[0])

    assert np.array_equal(
        adaptive_rows_nb.py_func(*inputs, *TERMS, 0.0),
        adaptive_rows_nb(*inputs, *TERMS, 0.0),
        equal_nan=True,
    )
    blend = (falls_at_once, 3, 0.25, *TERMS, 0.0)
    assert np.array_equal(
        blended_rows_nb.py_func(*inputs, *blend), blended_rows_nb(*inputs, *blend), equal_nan=True
    )


def test_a_trend_is_looked_for_only_once_its_average_is_full():
    inputs, _ = market(WALK, BASES[0])

    signals = adaptive_rows_nb(*inputs, *TERMS, 0.0)[:, rules.SIGNALS].astype(int)

    trend_bits = rules.ENTER_TREND | rules.LEAVE_TREND
    assert not (signals[:19] & trend_bits).any()
    assert (signals[19:60] & trend_bits).any()


def test_what_is_measured_once_equals_the_indicators():
    sums, exit_mean, ranges, strength = measured_nb(WALK.high, WALK.low, WALK.close)

    assert not sums[:LONGEST].any()
    assert np.array_equal(sums[LONGEST:], np.cumsum(WALK.close))
    assert np.array_equal(exit_mean, sma(WALK.close, 5), equal_nan=True)
    assert np.array_equal(ranges, atr(WALK.high, WALK.low, WALK.close, 14), equal_nan=True)
    assert np.array_equal(strength, rsi(WALK.close, 2), equal_nan=True)
