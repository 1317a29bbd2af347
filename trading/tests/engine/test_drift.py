"""Drift is quiet on the same distribution and sees a shifted one."""

import numpy as np
import pytest

from trading.engine.errors import ConfigInvalid
from trading.engine.learning.drift import Light, drift, mix_shift
from trading.engine.learning.fitted import QUANTILES

TRAINING = np.random.default_rng(1).standard_normal(5_000)
BEFORE = np.quantile(TRAINING, QUANTILES)


@pytest.mark.slow
def test_the_same_distribution_is_quiet_in_nearly_every_sample():
    rng = np.random.default_rng(2)

    lights = [
        drift(BEFORE, rng.standard_normal(n)).light for n in (50, 100, 400) for _ in range(99)
    ]

    assert lights.count(Light.OK) >= 0.97 * len(lights)
    assert Light.CRITICAL not in lights


@pytest.mark.parametrize("n", [60, 400, 4_000])
def test_a_shift_of_one_deviation_is_critical(n):
    values = 1.0 + np.random.default_rng(3).standard_normal(n)

    found = drift(BEFORE, values)

    assert found.light is Light.CRITICAL
    assert found.psi > 0.25


def test_a_wider_distribution_with_the_same_mean_is_seen():
    assert drift(BEFORE, 2.0 * TRAINING).light is Light.CRITICAL


def test_a_difference_too_small_to_matter_is_quiet_however_large_the_sample():
    values = 0.05 + np.random.default_rng(4).standard_normal(200_000)

    assert drift(BEFORE, values).light is Light.OK


def test_too_few_values_have_no_light_and_gaps_do_not_count():
    found = drift(BEFORE, np.append(TRAINING[:49], [np.nan] * 60))

    assert (found.n, found.light) == (49, Light.UNKNOWN)
    assert np.isnan([found.psi, found.ks]).all()


def test_a_feature_with_few_values_is_compared_too():
    before = np.quantile(np.repeat([0.0, 1.0], [900, 100]), QUANTILES)

    assert drift(before, np.repeat([0.0, 1.0], [90, 10])).light is Light.OK
    assert drift(before, np.repeat([0.0, 1.0], [10, 90])).light is Light.CRITICAL
    assert drift(np.zeros(101), np.zeros(60)).light is Light.OK


def test_a_clipped_end_is_no_drift():
    clipped = np.minimum(TRAINING, 0.0)
    now = np.minimum(np.random.default_rng(5).standard_normal(2_000), 0.0)

    found = drift(np.quantile(clipped, QUANTILES), now)

    assert found.light is Light.OK
    assert found.ks < 0.05


def test_the_distance_is_the_widest_gap_of_the_two_distributions():
    values = np.sort(0.3 + np.random.default_rng(6).standard_normal(500))

    before = np.searchsorted(np.sort(TRAINING), values) / TRAINING.shape[0]
    above, below = np.arange(1, 501) / 500 - before, before - np.arange(500) / 500
    assert drift(BEFORE, values).ks == pytest.approx(max(above.max(), below.max()), abs=0.015)


def test_quantiles_out_of_order_are_refused():
    with pytest.raises(ConfigInvalid, match="ascending"):
        drift(BEFORE[::-1], TRAINING)


def test_a_mix_is_compared_by_what_would_have_to_move():
    assert mix_shift([10, 10, 0], [0, 10, 10]) == 0.5
    assert mix_shift([1, 2], [10, 20]) == 0.0
    assert np.isnan(mix_shift([0, 0], [1, 1]))
    with pytest.raises(ConfigInvalid, match="same groups"):
        mix_shift([1], [1, 2])
