"""Meta-labels by hand, their overlap weights and the purge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid
from trading.engine.indicators import sma
from trading.engine.learning.labels import is_purged, label_nb, meta_labels
from trading.tests.engine.walks import random_walk, tape

FLAT = [(10.0, 10.0, 10.0, 10.0)] * 4


def test_a_candidate_is_bought_at_the_next_open_and_sold_after_its_exit_close():
    bars = tape([*FLAT, (10, 10, 9, 9), (9.5, 9.5, 9, 9), (9, 12, 9, 12), (11, 11, 11, 11)])

    labels = meta_labels(bars, [4], np.full(8, 0.01))

    assert labels.exit_bar.tolist() == [7]
    assert labels.net_return[0] == pytest.approx(11 * 0.99 / (9.5 * 1.01) - 1, abs=1e-15)
    assert labels.is_win.tolist() == [True]


def test_each_side_pays_the_rate_of_the_bar_that_decided_it():
    bars = tape([*FLAT, (10, 10, 9, 9), (9.5, 9.5, 9, 9), (9, 12, 9, 12), (11, 11, 11, 11)])
    rates = np.array([9.0, 9.0, 9.0, 9.0, 0.01, 9.0, 0.03, 9.0])

    labels = meta_labels(bars, [4], rates)

    assert labels.net_return[0] == pytest.approx(11 * 0.97 / (9.5 * 1.01) - 1, abs=1e-15)


def test_the_close_of_the_entry_bar_may_already_sell():
    bars = tape([*FLAT, (10, 10, 9, 9), (9.5, 12, 9.5, 12), (11, 11, 11, 11), (8, 8, 8, 8)])

    labels = meta_labels(bars, [4], np.zeros(8))

    assert labels.exit_bar.tolist() == [6]
    assert labels.net_return[0] == pytest.approx(11 / 9.5 - 1)


def test_a_price_that_never_recovers_is_sold_after_the_limit():
    close = 100.0 * 0.99 ** np.arange(30)
    bars = tape([(price, price, price, price) for price in close])

    labels = meta_labels(bars, [5], np.zeros(30), max_bars=10)

    assert labels.exit_bar.tolist() == [16]
    assert labels.is_win.tolist() == [False]


def test_a_candidate_without_a_filled_exit_has_no_label():
    bars = tape([*FLAT, (10, 10, 9, 9), (9, 9, 9, 9), (9, 12, 9, 12)])

    assert len(meta_labels(bars, [4], np.zeros(7))) == 0
    assert len(meta_labels(bars, [], np.zeros(7))) == 0


def test_costs_turn_a_small_win_into_a_loss():
    bars = random_walk(3, 400)
    signals = np.arange(50, 380, 3)

    free = meta_labels(bars, signals, np.zeros(400))
    dear = meta_labels(bars, signals, np.full(400, 0.002))

    assert (dear.net_return < free.net_return).all()
    assert dear.exit_bar.tolist() == free.exit_bar.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_compiled_labels_are_their_python(seed):
    bars, rng = random_walk(seed, 200), np.random.default_rng(seed)
    signals = np.flatnonzero(rng.random(200) < 0.3)
    given_ = (bars.open, bars.close, sma(bars.close, 5), np.full(200, 0.001), signals, 10)

    exits, returns = label_nb(*given_)

    python = label_nb.py_func(*given_)
    assert np.array_equal(exits, python[0])
    assert np.array_equal(returns, python[1], equal_nan=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal_bars": [3, 3]}, "increasing"),
        ({"signal_bars": [3, 99]}, "3 to 99 must lie within 0 to 9"),
        ({"cost_rates": np.zeros(4)}, "length of the bars 10"),
        ({"max_bars": 0}, "max_bars 0 must be at least 1"),
        ({"exit_bars": 0}, "exit_bars 0 must be at least 1"),
    ],
)
def test_impossible_candidates_are_refused(change, message):
    bars = tape(FLAT + FLAT + FLAT[:2])

    with pytest.raises(ConfigInvalid, match=message):
        meta_labels(**{"bars": bars, "signal_bars": [3], "cost_rates": np.zeros(10)} | change)


@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=40),
    st.integers(0, 120),
    st.integers(0, 15),
)
def test_nothing_kept_by_the_purge_was_unknown_when_the_test_began(lives, test_from, embargo):
    decided = np.array([start for start, _ in lives], dtype=np.int64)
    resolved = decided + np.array([length for _, length in lives], dtype=np.int64)

    kept = ~is_purged(decided, resolved, test_from, embargo)

    assert (resolved[kept] < test_from - embargo).all()
    assert (resolved[~kept] >= test_from - embargo).all()


def test_a_label_known_on_the_last_bar_before_the_embargo_is_kept():
    resolved = np.array([92, 93, 94, 95])

    assert is_purged(resolved - 7, resolved, 100, 6).tolist() == [False, False, True, True]
    assert is_purged(resolved - 7, resolved, 94).tolist() == [False, False, True, True]
