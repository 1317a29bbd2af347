"""Figures obey their laws and equal empyrical's where the definitions agree."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine import luck, metrics
from trading.engine.errors import InsufficientBars, NonFiniteInput
from trading.tests.engine.laws import examples

CURVES = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40)
RETURNS = np.random.default_rng(11).normal(0.0004, 0.012, 500)
# empyrical-reloaded 0.7.1 on RETURNS, 252 bars a year.
EMPYRICAL = {
    "sharpe_ratio": 1.0561910442780444,
    "sortino_ratio": 1.5558166490417722,
    "calmar_ratio": 1.8493169511943344,
    "volatility": 0.18481773892194137,
    "annual_return": 0.1949457202868825,
}


@pytest.mark.parametrize("name", sorted(EMPYRICAL))
def test_metric_equals_empyrical(name):
    assert getattr(metrics, name)(RETURNS, 252.0) == pytest.approx(EMPYRICAL[name], rel=1e-12)


def test_max_drawdown_equals_empyrical():
    curve = np.cumprod(1.0 + RETURNS)

    found = metrics.max_drawdown(curve, start=1.0)

    assert found == pytest.approx(-0.10541498587409896, rel=1e-12)


def test_max_drawdown_counts_loss_on_first_bar():
    assert metrics.max_drawdown([90.0, 95.0], start=100.0) == pytest.approx(-0.1)


@examples(25)
@given(CURVES)
def test_drawdown_lies_between_minus_one_and_zero(curve):
    found = metrics.drawdowns(curve)

    assert (found <= 0.0).all()
    assert (found > -1.0).all()


@examples(25)
@given(CURVES, st.floats(0.0, 1e6))
def test_adding_money_never_deepens_a_drawdown(curve, gift):
    richer = np.array(curve) + gift

    assert metrics.max_drawdown(richer) >= metrics.max_drawdown(curve) - 1e-12


@examples(25)
@given(CURVES, st.sampled_from([0.5, 2.0, 1_024.0]))
def test_scaling_the_curve_changes_no_ratio(curve, factor):
    ours = metrics.simple_returns(curve)
    scaled = metrics.simple_returns(np.array(curve) * factor)

    assert np.array_equal(ours, scaled)


@examples(25)
@given(st.integers(0, 400), st.integers(0, 400))
def test_wilson_interval_holds_the_share_inside_zero_and_one(n_wins, n_losses):
    n = n_wins + n_losses
    low, high = metrics.wilson_interval(n_wins, n)

    assert 0.0 <= low <= high <= 1.0
    if n:
        assert low - 1e-12 <= n_wins / n <= high + 1e-12


def test_returns_compound_back_to_the_curve():
    curve = np.cumprod(1.0 + RETURNS) * 50.0

    rebuilt = 50.0 * np.cumprod(1.0 + metrics.simple_returns(curve, start=50.0))

    np.testing.assert_allclose(rebuilt, curve, rtol=1e-12)


@pytest.mark.parametrize(
    "figure", [metrics.sharpe_ratio, metrics.sortino_ratio, metrics.volatility]
)
@pytest.mark.parametrize("returns", [[], [0.01]])
def test_ratios_of_fewer_than_two_bars_are_not_numbers(figure, returns):
    assert math.isnan(figure(returns, 252.0))


def test_ratios_without_variation_or_loss_are_not_numbers():
    assert math.isnan(metrics.sharpe_ratio([0.0, 0.0], 252.0))
    assert math.isnan(metrics.sortino_ratio([0.01, 0.02], 252.0))
    assert math.isnan(metrics.calmar_ratio([0.01, 0.02], 252.0))
    assert math.isnan(metrics.calmar_ratio([], 252.0))
    assert math.isnan(metrics.annual_return([], 252.0))


def test_an_hour_says_nothing_about_a_year():
    rising = [0.0016] * 60

    assert math.isnan(metrics.annual_return(rising, 525_600.0))
    assert math.isnan(metrics.calmar_ratio([0.01, -0.01] * 30, 525_600.0))


def test_a_rate_too_large_to_be_written_is_not_a_number():
    assert math.isnan(metrics.annual_return([9.0] * 252, 252.0 * 12.0))
    assert metrics.annual_return([1.0] * 252, 252.0) == pytest.approx(2.0**252 - 1.0)


def test_equal_returns_have_no_ratio_whatever_rounding_leaves_of_them():
    equal = [0.001] * 100

    assert np.std(equal, ddof=1) > 0.0
    assert math.isnan(metrics.sharpe_ratio(equal, 252.0))
    assert luck.bar_sharpe(equal) == 0.0
    assert luck.probabilistic_sharpe_ratio(equal) == 0.0


def test_losing_everything_is_a_return_of_minus_one():
    assert metrics.annual_return([-1.0], 252.0) == -1.0


def test_trade_figures_without_trades_are_not_numbers():
    assert math.isnan(metrics.hit_rate([]))
    assert math.isnan(metrics.profit_factor([]))
    assert math.isnan(metrics.expectancy_bps([]))


def test_an_empty_curve_is_refused():
    with pytest.raises(InsufficientBars, match="at least 1 bar"):
        metrics.drawdowns([])


def test_a_broken_curve_is_refused_with_its_bar():
    with pytest.raises(NonFiniteInput, match="bar 1"):
        metrics.simple_returns([1.0, math.nan])
