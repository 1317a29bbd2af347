"""The detector is judged by counts that add up and delays that can be checked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid
from trading.engine.regime_quality import added_up, detector_quality, hindsight_codes
from trading.tests.engine.laws import examples

CODES = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=60)


def prices(swings):
    rng = np.random.default_rng(2)
    return 100.0 * np.exp(np.cumsum(rng.normal(0.0, 1.0, len(swings)) * np.array(swings)))


def plain_volatility(close, i, half):
    returns = [math.log(close[k] / close[k - 1]) for k in range(i - half, i + half + 1)]
    return math.sqrt(sum(r * r for r in returns) / len(returns))


def test_hindsight_ranks_the_volatility_around_each_bar():
    close = prices([0.01] * 30 + [0.05] * 15 + [0.01] * 30)

    codes = hindsight_codes(close, 3)

    values = {i: plain_volatility(close, i, 3) for i in range(4, 72)}
    assert [i for i, code in enumerate(codes) if code >= 0] == list(values)
    highest = sorted(values, key=values.get)[-3:]
    assert {int(codes[i]) for i in highest} == {3}


def test_hindsight_shares_are_those_of_the_cuts():
    codes = hindsight_codes(prices([0.01] * 421))
    known = codes[codes >= 0]

    shares = [np.mean(known == code) for code in range(4)]
    assert shares == pytest.approx([0.25, 0.5, 0.2, 0.05], abs=0.01)


@pytest.mark.parametrize("n", [1, 2, 21])
def test_a_series_shorter_than_the_window_has_no_label(n):
    assert (hindsight_codes(prices([0.01] * n)) == -1).all()


def test_a_perfect_detector_has_no_delay_and_only_a_diagonal():
    truth = np.array([0] * 5 + [2] * 6 + [1] * 4 + [3] * 5)

    found = detector_quality(truth, truth)

    assert found.agreement == 1.0
    assert found.delays_bars == (0, 0)
    assert found.n_flips == 3


def test_rows_are_hindsight_and_columns_what_was_called():
    found = detector_quality(np.array([1, 1, 2]), np.array([3, 3, 0]))

    assert found.confusion[3, 1] == 2
    assert found.confusion[0, 2] == 1
    assert found.agreement == 0.0


def test_a_stretch_never_called_is_missed_and_a_short_one_is_ignored():
    truth = np.array([1, 2, 2, 1, 1] + [2] * 5)

    found = detector_quality(np.ones(10, dtype=np.int64), truth)

    assert found.n_missed == 1
    assert found.delays_bars == ()
    assert math.isnan(found.median_delay_bars)


@examples(60)
@given(CODES)
def test_counts_add_up_and_unknown_bars_are_left_out(pairs):
    codes, truth = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))

    found = detector_quality(codes, truth)

    n_known = sum(a >= 0 and b >= 0 for a, b in pairs)
    assert found.confusion.sum() == found.n_bars == n_known
    assert added_up([found, found]).confusion.sum() == 2 * n_known


def test_nothing_compared_is_not_a_number():
    found = added_up([])

    assert math.isnan(found.agreement)
    assert math.isnan(found.flips_per_100_bars)


def test_impossible_input_is_refused():
    with pytest.raises(ConfigInvalid, match="half_window 0"):
        hindsight_codes(prices([0.01] * 30), 0)
    with pytest.raises(ConfigInvalid, match="equally long"):
        detector_quality(np.zeros(3, dtype=np.int64), np.zeros(2, dtype=np.int64))
