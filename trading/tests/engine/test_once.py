"""What is kept for a series: computed once, bounded, equal, and gone when the series is."""

import gc
import pickle
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import numpy as np
import pytest

from trading.engine import once
from trading.engine.once import once_per_bars
from trading.engine.regimes import classify, regimes_of
from trading.engine.strategies import STRATEGIES
from trading.tests.engine.walks import random_walk


def counted():
    calls = []

    @once_per_bars
    def scaled(bars, factor=1.0):
        calls.append(factor)
        return bars.close * factor

    return scaled, calls


def test_a_value_is_computed_once_for_each_series_and_argument():
    scaled, calls = counted()
    bars, other = random_walk(1, 40), random_walk(1, 40)

    found = [scaled(bars, 2.0), scaled(bars, 2.0), scaled(bars, 3.0), scaled(other, 2.0)]

    assert calls == [2.0, 3.0, 2.0]
    assert found[0] is found[1]
    assert found[0] is not found[3]
    assert np.array_equal(found[0], found[3])


def test_only_the_newest_values_of_a_series_are_kept():
    scaled, calls = counted()
    bars = random_walk(1, 40)

    for factor in range(once.MOST_VALUES + 1):
        scaled(bars, factor)
    scaled(bars, 1)
    scaled(bars, 0)

    assert calls == [*range(once.MOST_VALUES + 1), 0]


@pytest.mark.slow
def test_what_was_kept_ends_with_its_series():
    bars = random_walk(1, 300)
    kept = ref(regimes_of(bars).codes)
    assert kept() is not None

    del bars
    gc.collect()

    assert kept() is None


def test_the_regimes_of_bars_are_those_of_their_closes():
    bars = random_walk(2, 400)

    found, plain = regimes_of(bars), classify(bars.close, bars.bars_per_year)

    for name in ("volatility", "percentile", "codes", "settled_codes", "is_fallback"):
        assert np.array_equal(getattr(found, name), getattr(plain, name), equal_nan=True)


def test_a_named_argument_is_refused_since_it_would_be_another_key():
    scaled, _ = counted()

    with pytest.raises(TypeError, match="scaled takes its arguments by position"):
        scaled(random_walk(1, 40), factor=2.0)


def test_bars_can_still_be_sent_to_another_process():
    bars = random_walk(1, 40)

    assert np.array_equal(pickle.loads(pickle.dumps(bars)).close, bars.close)  # noqa: S301


@pytest.mark.parametrize("spec", STRATEGIES.values(), ids=list(STRATEGIES))
def test_no_strategy_writes_into_what_is_shared(spec):
    bars = random_walk(3, 400)
    before = [array.copy() for array in (regimes_of(bars).codes, regimes_of(bars).percentile)]

    for _ in range(2):
        spec.prepare(bars, spec.defaults)

    after = (regimes_of(bars).codes, regimes_of(bars).percentile)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))


def test_threads_that_ask_for_more_values_than_are_kept_all_get_theirs():
    scaled, _ = counted()
    bars = random_walk(1, 40)
    factors = [float(k % (once.MOST_VALUES + 2)) for k in range(400)]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda factor: scaled(bars, factor)[0], factors))

    assert found == [bars.close[0] * factor for factor in factors]
