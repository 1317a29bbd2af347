"""How much an instrument moves with what else is held: pairs, sides, calendars, no look-ahead."""

import math
from dataclasses import replace

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig
from trading.engine.correlation import (
    WINDOW_RETURNS,
    mean_correlation,
    pair_correlation_nb,
    pearson_nb,
)
from trading.engine.portfolio_backtest import Leg, run_portfolio
from trading.tests.engine.laws import length
from trading.tests.engine.walks import DAY_NS, random_walk

N_BARS = length(400, quick=310)
LAST = length(399, quick=219)  # bar of the tests that replay an account
OWN, OTHER, THIRD = (random_walk(seed, N_BARS) for seed in (54, 52, 53))
NOW = int(OWN.closed_at[-1])


def every(bars, rows, later_ns=0):
    """Some bars of a series, closed a little later."""
    columns = {
        name: getattr(bars, name)[rows] for name in ("open", "high", "low", "close", "volume")
    }
    return replace(bars, closed_at=bars.closed_at[rows] + later_ns, **columns)


def returns(bars):
    return np.diff(np.log(bars.close))


def test_a_pair_of_one_calendar_has_the_correlation_of_numpy():
    found = mean_correlation(OWN, 0.0, [(OTHER, 1.0)], NOW)

    last = slice(-WINDOW_RETURNS, None)
    expected = np.corrcoef(returns(OWN)[last], returns(OTHER)[last])[0, 1]
    assert found == pytest.approx(expected, abs=1e-13)


def test_several_pairs_are_averaged_in_any_order():
    pairs = [(OTHER, 1.0), (THIRD, 2.0)]

    found = mean_correlation(OWN, 0.0, pairs, NOW)

    each = [mean_correlation(OWN, 0.0, [pair], NOW) for pair in pairs]
    assert found == pytest.approx(sum(each) / 2, abs=1e-15)
    assert mean_correlation(OWN, 0.0, pairs[::-1], NOW) == found


@pytest.mark.parametrize(("own", "other", "sign"), [(-1, -1, 1), (-1, 1, -1), (1, -1, -1)])
def test_an_opposite_side_hedges_and_turns_the_sign(own, other, sign):
    alike = mean_correlation(OWN, 1.0, [(OTHER, 1.0)], NOW)

    assert mean_correlation(OWN, own, [(OTHER, other)], NOW) == sign * alike


def test_nothing_else_held_is_not_known():
    assert math.isnan(mean_correlation(OWN, 1.0, [], NOW))
    assert math.isnan(mean_correlation(OWN, 1.0, [(OTHER, 0.0)], NOW))


def test_too_short_a_history_is_not_known_and_left_out_of_the_mean():
    short = OTHER.until(WINDOW_RETURNS - 1)
    just = OTHER.until(WINDOW_RETURNS)

    assert math.isnan(mean_correlation(short, 1.0, [(OWN, 1.0)], NOW))
    assert not math.isnan(mean_correlation(just, 1.0, [(OWN, 1.0)], NOW))
    both = mean_correlation(OWN, 1.0, [(short, 1.0), (THIRD, 1.0)], NOW)
    assert both == mean_correlation(OWN, 1.0, [(THIRD, 1.0)], NOW)


def test_a_price_that_stands_still_is_not_known():
    flat = np.full(N_BARS, 100.0)
    still = replace(OTHER, open=flat, high=flat, low=flat, close=flat)

    assert math.isnan(mean_correlation(OWN, 1.0, [(still, 1.0)], NOW))


def test_nothing_that_closes_later_is_read():
    i = 300
    now = int(OWN.closed_at[i])

    known = mean_correlation(OWN.until(i), 1.0, [(OTHER.until(i), 1.0)], now)

    assert mean_correlation(OWN, 1.0, [(OTHER, 1.0)], now) == known


def test_days_off_of_one_market_are_skipped_in_both():
    open_days = np.flatnonzero(np.arange(N_BARS) % 7 < 5)
    weekly = every(OTHER, open_days)

    found = mean_correlation(OWN, 1.0, [(weekly, 1.0)], NOW)

    last = slice(-WINDOW_RETURNS, None)
    expected = np.corrcoef(returns(every(OWN, open_days))[last], returns(weekly)[last])[0, 1]
    assert found == pytest.approx(expected, abs=1e-13)


def test_closes_at_other_hours_of_the_same_day_are_one_point():
    later = every(OTHER, np.arange(N_BARS), later_ns=DAY_NS // 6)

    found = mean_correlation(later, 1.0, [(OWN, 1.0)], int(later.closed_at[-1]))

    assert found == mean_correlation(OWN, 1.0, [(OTHER, 1.0)], NOW)


def test_compiled_and_plain_kernels_give_the_same_bits():
    weekly = every(OTHER, np.flatnonzero(np.arange(N_BARS) % 7 < 5))
    given = (OWN.closed_at, OWN.close, weekly.closed_at, weekly.close, NOW, WINDOW_RETURNS)

    assert pair_correlation_nb(*given) == pair_correlation_nb.py_func(*given)
    x, y = returns(OWN), returns(OTHER)
    assert pearson_nb(x, y) == pearson_nb.py_func(x, y)


@pytest.mark.slow
def test_the_breakers_of_a_portfolio_know_the_correlation_of_what_is_held():
    twin = replace(OWN, symbol="TWIN")
    legs = [
        Leg(bars, "volatility_adaptive_trend", {"breaker_drawdown": 0.9})
        for bars in (OWN.until(LAST), twin.until(LAST))
    ]

    found = run_portfolio(legs, BacktestConfig(keeps_decisions=True)).account.decisions

    seen = [d.inputs["correlation"] for d in found if "correlation" in d.inputs]
    assert len(seen) > 10
    assert min(seen) == pytest.approx(1.0)
    assert any("correlation 100.0% reached the limit" in str(d.parameters) for d in found)


@pytest.mark.slow
def test_a_breaker_alone_in_its_portfolio_knows_no_correlation():
    alone = [Leg(OWN.until(LAST), "volatility_adaptive_trend")]

    found = run_portfolio(alone, BacktestConfig(keeps_decisions=True)).account.decisions

    assert len(found) == LAST + 1
    assert all("correlation" not in decision.inputs for decision in found)
