"""Each compiled kernel equals its own source and a plain version of it."""

import numpy as np
import pytest

from trading.engine import kernels, loops, smoothing
from trading.tests.engine import plain
from trading.tests.engine.walks import random_walk


def ranks_by_hand(values, window, minimum, places):
    return plain.percentile_rank(values, window, minimum)


SERIES = [
    (kernels.sma_nb, plain.sma, (5,)),
    (kernels.mean_nb, plain.sma, (5,)),
    (kernels.ema_nb, plain.ema, (5,)),
    (smoothing.rsi_nb, plain.rsi, (2, np.nan)),
    (smoothing.rsi_nb, plain.rsi, (14, 0.0)),
    (kernels.deviation_nb, plain.deviation, (7,)),
    (kernels.rolling_max_nb, plain.rolling_max, (6,)),
    (kernels.rolling_min_nb, plain.rolling_min, (6,)),
    (kernels.percentile_rank_nb, ranks_by_hand, (20, 5, kernels.PLACES)),
    (kernels.percentile_rank_nb, ranks_by_hand, (20, 5, kernels.WIDE_PLACES)),
    (kernels.ewma_volatility_nb, plain.ewma_volatility, (0.06, 252.0)),
]
NAMES = [f"{row}-{kernel.__name__}" for row, (kernel, _, _) in enumerate(SERIES)]


@pytest.mark.parametrize(("kernel", "oracle", "args"), SERIES, ids=NAMES)
@pytest.mark.parametrize("n_bars", [0, 1, 2, 60])
def test_kernel_equals_its_plain_version(kernel, oracle, args, n_bars):
    values = random_walk(3, 60).close[:n_bars]

    np.testing.assert_allclose(kernel(values, *args), oracle(values, *args), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kernel", "oracle", "args"), SERIES, ids=NAMES)
@pytest.mark.parametrize("n_bars", [0, 1, 40])
def test_compiled_kernel_gives_the_bits_of_its_source(kernel, oracle, args, n_bars):
    values = random_walk(4, 40).close[:n_bars]

    assert np.array_equal(kernel(values, *args), kernel.py_func(values, *args), equal_nan=True)


@pytest.mark.parametrize(
    ("kernel", "oracle", "args"), [row for row in SERIES if row[0] is not smoothing.rsi_nb]
)
def test_kernel_keeps_a_gap_out_of_its_numbers(kernel, oracle, args):
    values = random_walk(5, 60).close
    values[[20, 21, 40]] = np.nan

    if kernel is kernels.ema_nb:
        assert np.isnan(kernel(values, *args)[20:]).all()
        return
    np.testing.assert_allclose(kernel(values, *args), oracle(values, *args), rtol=1e-9, atol=1e-9)


def test_rsi_stays_undefined_after_a_gap():
    values = random_walk(5, 60).close
    values[20] = np.nan

    out = smoothing.rsi_nb(values, 5, 0.0)

    assert np.isfinite(out[5:20]).all()
    assert np.isnan(out[20:]).all()


@pytest.mark.parametrize("n_bars", [0, 1, 14, 60])
def test_atr_equals_its_plain_version(n_bars):
    bars = random_walk(6, 60).slice(0, n_bars)
    columns = (bars.high, bars.low, bars.close)

    found = smoothing.atr_nb(*columns, 14)

    np.testing.assert_allclose(found, plain.atr(*columns, 14), rtol=1e-12)
    assert np.array_equal(found, smoothing.atr_nb.py_func(*columns, 14), equal_nan=True)


@pytest.mark.parametrize("n_bars", [0, 1, 28, 80])
def test_adx_compiled_gives_the_bits_of_its_source(n_bars):
    bars = random_walk(6, 80).slice(0, n_bars)
    columns = (bars.high, bars.low, bars.close)

    found = smoothing.adx_nb(*columns, 14)

    assert np.array_equal(found, smoothing.adx_nb.py_func(*columns, 14), equal_nan=True)
    assert np.isfinite(found).sum() == max(n_bars - 27, 0)


@pytest.mark.parametrize("places", [kernels.PLACES, kernels.WIDE_PLACES])
def test_ranks_of_equal_and_crowded_values_are_counted_one_by_one(places):
    values = np.random.default_rng(3).integers(0, 6, 300).astype(float)
    values[150] = 1e9  # all others lie in one part from here to the end of the window
    values[[7, 200]] = np.nan, -1e9

    found = kernels.percentile_rank_nb(values, 50, 5, places)

    assert np.array_equal(found, plain.percentile_rank(values, 50, 5), equal_nan=True)


def test_values_too_close_for_parts_are_ranked_all_the_same():
    values = np.array([0.0, 5e-324, 1e-323, 5e-324])

    found = kernels.percentile_rank_nb(values, 4, 1, kernels.PLACES)

    assert found.tolist() == [1.0, 1.0, 1.0, 0.625]


def settled(codes, n_confirm):
    held, found = kernels.Settled(-1, 0, -1), []
    for code in codes:
        held = kernels.settled_nb(held, code, n_confirm)
        found.append(held.code)
    return found


def test_hysteresis_rises_at_once_and_falls_after_confirmation():
    codes = np.array([-1, 1, 3, 1, 2, 1, 0, 0, 0, 2])

    assert settled(codes, 3) == [-1, 1, 3, 3, 3, 2, 2, 2, 0, 2]


def test_hysteresis_of_one_bar_follows_every_change():
    codes = np.array([0, 3, 1, 0])

    assert settled(codes, 1) == [0, 3, 1, 0]


def test_reversion_targets_hold_until_the_price_recovers_or_time_is_up():
    rsi = np.array([50.0, 5.0, 5.0, 5.0, 90.0, 5.0, 5.0, 5.0])
    close = np.array([10.0, 9.0, 8.0, 8.0, 12.0, 9.0, 8.0, 7.0])
    mean, trend = np.full(8, 10.0), np.full(8, -1.0)

    targets = loops.reversion_targets_nb(rsi, close, mean, trend, 10.0, 2, 0)

    assert targets.tolist() == [0, 1, 1, 0, 0, 1, 1, 0]


def test_breakout_targets_enter_above_and_leave_below_the_channel():
    close = np.array([5.0, 11.0, 7.0, 4.0, 5.0])
    upper, lower = np.full(5, 10.0), np.full(5, 5.0)

    assert loops.breakout_targets_nb(close, upper, lower, 0).tolist() == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("n_bars", [1, 2, 120])
def test_simulation_compiled_gives_the_bits_of_its_source(n_bars):
    bars = random_walk(7, 120).slice(0, n_bars)
    targets = np.random.default_rng(1).integers(0, 2, n_bars)
    costs = (np.full(n_bars, 5e-4), np.full(n_bars, 2e-4))
    arguments = (bars.open, bars.close, targets, *costs, 1_000.0, 0)

    compiled = loops.simulate_all_in_nb(*arguments)
    source = loops.simulate_all_in_nb.py_func(*arguments)

    n_orders = compiled[-1]
    assert n_orders == source[-1]
    for ours, theirs in zip(compiled[:2], source[:2], strict=True):
        assert np.array_equal(ours, theirs)
    for ours, theirs in zip(compiled[2:6], source[2:6], strict=True):
        assert np.array_equal(ours[:n_orders], theirs[:n_orders])
