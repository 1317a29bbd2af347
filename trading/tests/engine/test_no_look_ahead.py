"""Nothing after a bar changes anything at or before it, for every strategy and indicator."""

from functools import cache

import numpy as np
import pytest

from marketdata.types import Bars
from trading.engine.backtest import BacktestConfig, run
from trading.engine.strategies import STRATEGIES, strategy_get
from trading.tests.engine.laws import some
from trading.tests.engine.walks import random_walk

KEYS = sorted(STRATEGIES)
BARS = random_walk(21, 360)
CUTS = [80, 300]
LONG_ENOUGH = [
    (key, cut)
    for key in KEYS
    for cut in CUTS
    if cut > STRATEGIES[key].warm_up(STRATEGIES[key].defaults)
]


@cache
def whole_run(key, keeps_decisions=False):
    config = BacktestConfig(commission_bps=5.0, keeps_decisions=keeps_decisions)
    return run(BARS, key, {}, config)


def with_another_future(cut):
    """The same bars up to and including `cut`, then a market ten times as high."""
    columns = {
        name: getattr(BARS, name).copy() for name in ("open", "high", "low", "close", "volume")
    }
    for column in columns.values():
        column[cut + 1 :] = column[cut + 1 :][::-1] * 10.0
    return Bars("WALK", "1d", BARS.closed_at, **columns)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("key", KEYS)
def test_features_up_to_a_bar_ignore_its_future(key, cut):
    spec = strategy_get(key)

    whole = spec.prepare(BARS, spec.defaults)
    other = spec.prepare(with_another_future(cut), spec.defaults)

    for name, array in whole.arrays.items():
        assert np.array_equal(array[: cut + 1], other.arrays[name][: cut + 1], equal_nan=True)
    assert np.array_equal(
        whole.regimes.settled_codes[: cut + 1], other.regimes.settled_codes[: cut + 1]
    )


@pytest.mark.parametrize(
    ("cut", "keeps_decisions"), some([(80, False), (80, True), (300, False), (300, True)], 2)
)
@pytest.mark.parametrize("key", KEYS)
def test_orders_and_equity_up_to_a_bar_ignore_its_future(key, cut, keeps_decisions):
    whole = whole_run(key, keeps_decisions)

    other = run(with_another_future(cut), key, {}, whole.config)

    before = [fill for fill in whole.fills if fill.bar <= cut]
    assert before == [fill for fill in other.fills if fill.bar <= cut]
    assert np.array_equal(whole.equity[: cut + 1], other.equity[: cut + 1])
    assert whole.decisions[: cut + 1] == other.decisions[: cut + 1]


@pytest.mark.parametrize(("key", "cut"), LONG_ENOUGH)
def test_truncated_history_gives_the_same_prefix(key, cut):
    whole = whole_run(key)

    part = run(BARS.until(cut), key, {}, whole.config)

    assert part.fills == whole.fills[: len(part.fills)]
    assert np.array_equal(part.equity, whole.equity[: cut + 1])
