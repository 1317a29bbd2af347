"""Range estimators equal their formulas bar by bar, and each other where they should."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine import volatility
from trading.engine.errors import NonFiniteInput, ParameterInvalid
from trading.tests.engine.laws import examples, length
from trading.tests.engine.walks import random_walk

BARS = random_walk(11, 120)
COLUMNS = (BARS.open, BARS.high, BARS.low, BARS.close)
ALL = {
    "parkinson": lambda o, h, low, c, n: volatility.parkinson(h, low, n),
    "garman_klass": volatility.garman_klass,
    "yang_zhang": volatility.yang_zhang,
}


def plain_parkinson(i, n):
    terms = [math.log(BARS.high[k] / BARS.low[k]) ** 2 for k in range(i - n + 1, i + 1)]
    return math.sqrt(252.0 * sum(terms) / n / (4.0 * math.log(2.0)))


def plain_garman_klass(i, n):
    total = 0.0
    for k in range(i - n + 1, i + 1):
        total += 0.5 * math.log(BARS.high[k] / BARS.low[k]) ** 2
        total -= (2.0 * math.log(2.0) - 1.0) * math.log(BARS.close[k] / BARS.open[k]) ** 2
    return math.sqrt(max(252.0 * total / n, 0.0))


def plain_yang_zhang(i, n):
    span = range(i - n + 1, i + 1)
    jumps = [math.log(BARS.open[k] / BARS.close[k - 1]) for k in span]
    moves = [math.log(BARS.close[k] / BARS.open[k]) for k in span]
    inside = [
        math.log(BARS.high[k] / BARS.close[k]) * math.log(BARS.high[k] / BARS.open[k])
        + math.log(BARS.low[k] / BARS.close[k]) * math.log(BARS.low[k] / BARS.open[k])
        for k in span
    ]
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    total = np.var(jumps, ddof=1) + k * np.var(moves, ddof=1) + (1 - k) * sum(inside) / n
    return math.sqrt(252.0 * total)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("parkinson", plain_parkinson),
        ("garman_klass", plain_garman_klass),
        ("yang_zhang", plain_yang_zhang),
    ],
)
def test_estimator_equals_its_formula(name, plain):
    found = ALL[name](*COLUMNS, 15)

    assert found[60] == pytest.approx(plain(60, 15), rel=1e-10)
    assert found[-1] == pytest.approx(plain(119, 15), rel=1e-10)


@pytest.mark.parametrize(("name", "first"), [("parkinson", 9), ("garman_klass", 9),
                                             ("yang_zhang", 10)])  # fmt: skip
def test_the_first_value_stands_where_the_window_is_full(name, first):
    found = ALL[name](*COLUMNS, 10)

    assert np.flatnonzero(np.isfinite(found))[0] == first
    assert np.isnan(ALL[name](*(column[:5] for column in COLUMNS), 10)).all()


@pytest.mark.parametrize("name", sorted(ALL))
def test_later_bars_change_no_earlier_value(name):
    whole = ALL[name](*COLUMNS, 10)
    part = ALL[name](*(column[:70] for column in COLUMNS), 10)

    np.testing.assert_array_equal(whole[:70], part)


@examples(25)
@given(st.sampled_from(sorted(ALL)), st.floats(0.01, 100.0))
def test_the_unit_of_the_price_does_not_matter(name, factor):
    scaled = ALL[name](*(column * factor for column in COLUMNS), 10)

    np.testing.assert_allclose(scaled, ALL[name](*COLUMNS, 10), rtol=1e-7, atol=1e-9)


def test_estimators_agree_on_a_driftless_walk_without_gaps():
    rng, n_bars = np.random.default_rng(4), length(4_000, quick=1_500)
    path = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01 / 20.0, (n_bars, 400)).ravel()))
    bars = path.reshape(n_bars, 400)
    opens = np.concatenate(([100.0], bars[:-1, -1]))
    tops, bottoms = np.maximum(bars.max(axis=1), opens), np.minimum(bars.min(axis=1), opens)
    columns = opens, tops, bottoms, bars[:, -1]

    truth = 0.01 * math.sqrt(252.0)
    for name in ALL:
        assert ALL[name](*columns, n_bars - 1)[-1] == pytest.approx(truth, rel=0.06)


def test_impossible_input_is_refused_by_name():
    with pytest.raises(ParameterInvalid, match="window 0"):
        volatility.parkinson(BARS.high, BARS.low, 0)
    with pytest.raises(ParameterInvalid, match="window 1 of yang_zhang"):
        volatility.yang_zhang(*COLUMNS, 1)
    with pytest.raises(ParameterInvalid, match="differ in length"):
        volatility.parkinson(BARS.high, BARS.low[1:])
    with pytest.raises(NonFiniteInput, match=r"low\[0\] 0.0 must be a price"):
        volatility.parkinson([1.0], [0.0])
    with pytest.raises(ParameterInvalid, match="bars_per_year 0"):
        volatility.parkinson(BARS.high, BARS.low, 5, 0.0)
