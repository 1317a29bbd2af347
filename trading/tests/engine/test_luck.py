"""Luck is deflated: noise is called noise, an edge is called an edge."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid, InsufficientBars, NonFiniteInput
from trading.engine.luck import (
    bar_sharpe,
    deflated_sharpe_ratio,
    expected_max_sharpe,
    overfitting,
    probabilistic_sharpe_ratio,
)


def noise(seed, n_bars, n_trials):
    return 0.01 * np.random.default_rng(seed).standard_normal((n_bars, n_trials))


def sharpes(returns):
    return returns.mean(axis=0) / returns.std(axis=0, ddof=1)


def plain_overfitting(performance, n_blocks):
    """The paper's procedure, one split and one trial at a time."""
    n_bars, n_trials = performance.shape
    edges = [n_bars * k // n_blocks for k in range(n_blocks + 1)]
    blocks = [performance[a:b] for a, b in pairwise(edges)]
    logits = []
    for picked in combinations(range(n_blocks), n_blocks // 2):
        rest = [k for k in range(n_blocks) if k not in picked]
        inside = sharpes(np.concatenate([blocks[k] for k in picked]))
        outside = sharpes(np.concatenate([blocks[k] for k in rest]))
        rank = np.sum(outside <= outside[np.argmax(inside)])
        share = rank / (n_trials + 1)
        logits.append(math.log(share / (1 - share)))
    return np.array(logits)


@pytest.mark.parametrize("n_bars", [96, 101])
def test_overfitting_equals_the_paper_step_by_step(n_bars):
    returns = noise(1, n_bars, 7)

    found = overfitting(returns, n_blocks=6)

    np.testing.assert_allclose(found.logits, plain_overfitting(returns, 6), rtol=1e-9)


def test_overfitting_of_noise_is_a_coin():
    chances = [overfitting(noise(seed, 240, 20), n_blocks=8).probability for seed in range(40)]

    assert 0.42 < np.mean(chances) < 0.58


def test_overfitting_of_a_real_edge_is_small():
    returns = noise(3, 960, 50)
    returns[:, 17] += 0.003

    found = overfitting(returns, n_blocks=10)

    assert found.probability < 0.02
    assert found.loss_probability < 0.02


def test_overfitting_in_batches_equals_overfitting_at_once(monkeypatch):
    returns = noise(4, 96, 30)
    at_once = overfitting(returns, n_blocks=8)
    monkeypatch.setattr("trading.engine.luck.BATCH_VALUES", 100)

    assert np.array_equal(overfitting(returns, n_blocks=8).logits, at_once.logits)


def test_overfitting_gives_trials_that_never_trade_a_sharpe_of_zero():
    found = overfitting(np.zeros((64, 5)), n_blocks=4)

    assert (found.in_sample == 0.0).all()


def test_trials_that_are_all_alike_say_nothing_for_or_against_the_choice():
    alike = np.repeat(noise(6, 64, 1), 4, axis=1)

    assert overfitting(alike, n_blocks=4).probability == 0.5


@pytest.mark.slow
def test_the_best_of_ten_thousand_noise_trials_is_deflated_to_a_coin_at_most():
    returns = noise(5, 150, 10_000)
    ratios = sharpes(returns)
    best = returns[:, int(np.argmax(ratios))]

    alone = probabilistic_sharpe_ratio(best)
    deflated = deflated_sharpe_ratio(best, 10_000, float(ratios.std()))

    assert alone > 0.999
    assert deflated < 0.9


def test_the_expected_maximum_is_what_noise_reaches():
    rng = np.random.default_rng(6)
    reached = rng.standard_normal((400, 1000)).max(axis=1).mean()

    assert expected_max_sharpe(1000, 1.0) == pytest.approx(reached, rel=0.02)


def test_an_edge_survives_a_hundred_trials():
    returns = noise(7, 2000, 1)[:, 0] + 0.0015

    assert deflated_sharpe_ratio(returns, 100, 0.02) > 0.95


@given(st.integers(1, 100_000), st.floats(0.0, 1.0))
def test_more_trials_never_expect_less(n_trials, deviation):
    assert expected_max_sharpe(n_trials + 1, deviation) >= expected_max_sharpe(n_trials, deviation)


@given(st.integers(0, 1000), st.floats(0.001, 1000.0))
def test_scaling_returns_leaves_the_probability(seed, scale):
    returns = noise(seed, 50, 1)[:, 0]

    once, scaled = probabilistic_sharpe_ratio(returns), probabilistic_sharpe_ratio(returns * scale)

    assert scaled == pytest.approx(once, rel=1e-9)


def test_fat_left_tails_lower_the_probability():
    calm = np.tile([0.011, -0.009], 100)
    crash = calm.copy()
    crash[50] = -0.2
    crash += bar_sharpe(calm) * crash.std(ddof=1) - crash.mean()

    assert bar_sharpe(crash) == pytest.approx(bar_sharpe(calm))
    assert probabilistic_sharpe_ratio(crash) < probabilistic_sharpe_ratio(calm)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: expected_max_sharpe(0, 1.0), ConfigInvalid, "n_trials 0"),
        (lambda: expected_max_sharpe(5, -1.0), ConfigInvalid, "sharpe_std -1.0"),
        (lambda: probabilistic_sharpe_ratio([0.1] * 3), InsufficientBars, "3 returns"),
        (lambda: probabilistic_sharpe_ratio([0.1, math.nan, 0, 0]), NonFiniteInput, "return 1"),
        (lambda: overfitting(np.zeros((64, 1))), ConfigInvalid, r"\(64, 1\)"),
        (lambda: overfitting(np.zeros((64, 2)), n_blocks=5), ConfigInvalid, "n_blocks 5"),
        (lambda: overfitting(np.zeros((31, 2))), InsufficientBars, "31 bars"),
        (lambda: overfitting(np.full((64, 2), math.inf)), NonFiniteInput, "trial 0 at bar 0"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_returns_that_never_move_show_nothing():
    assert probabilistic_sharpe_ratio(np.full(10, 0.25)) == 0.0
