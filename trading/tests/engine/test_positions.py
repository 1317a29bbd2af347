"""A trend that stays is told apart before it is decided on, and decided no other way."""

import numpy as np
import pytest

from trading.engine import positions, rules
from trading.engine.positions import Pending, Position, Sizing

NOTHING = Pending(0, np.nan, np.nan, 0.0, 0)
TREND_BITS = (0, rules.ENTER_TREND, rules.LEAVE_TREND, rules.ENTER_TREND | rules.LEAVE_TREND)


def sizing(rebalances, band):
    return Sizing(0.0, band, rebalances, False, False, 0.0005, False, False, 0.0)


def ask(position, row, terms, cash, held, close, factor):
    """Ask both; return whether it stays, what the shortcut gives and what the full decision."""
    signals = int(row.signals)
    stays = positions.stays_nb.py_func(
        position,
        signals,
        factor * row.trend_weight,
        row.cost_rate,
        terms.no_trade_band,
        cash,
        held,
        close,
    )
    kept = positions.kept_nb.py_func(position, rules.TREND, close, row.trail_distance)
    short = (kept, NOTHING, (0.0, positions.trend_reason_nb.py_func(signals), False))
    full = positions.decided_nb.py_func(
        position, NOTHING, row, terms, cash, held, close, 0.0005, factor
    )
    return stays, short, full


@pytest.mark.parametrize("rebalances", [True, False])
def test_a_trend_that_stays_is_decided_as_in_full(rebalances):
    rng = np.random.default_rng(7)
    n_staying = 0
    for _ in range(400):
        stop, target = rng.uniform(80.0, 105.0), rng.uniform(95.0, 130.0)
        position = Position(rules.TREND, int(rng.integers(1, 9)), stop, target, 0)
        signals = TREND_BITS[rng.integers(4)] | rules.LEAVE_DIP * rng.integers(2)
        weight = rng.choice([0.0, 0.5, 0.6, 0.9])
        trail = rng.choice([np.nan, 3.0])
        row = rules.Row(float(signals), weight, 0.3, 5.0, 2.0, 3.0, trail, 0.001)
        terms, factor = sizing(rebalances, 0.1), rng.choice([1.0, 0.75, 0.0])

        stays, short, full = ask(position, row, terms, 50.0, 0.5, 100.0, factor)

        n_staying += stays
        if stays:
            np.testing.assert_equal(tuple(full), short)
    assert 20 < n_staying < 300


@pytest.mark.parametrize(
    ("changed", "stays"),
    [
        ({}, True),
        ({"stop": 100.0}, False),
        ({"target": 99.0}, False),
        ({"signals": rules.LEAVE_TREND}, False),
        ({"weight": 0.61}, False),
        ({"factor": 0.0}, False),
    ],
    ids=["nothing speaks", "stop", "target", "the trend is over", "drift", "breaker"],
)
def test_a_trend_stays_only_where_nothing_speaks(changed, stays):
    case = {"stop": 95.0, "target": np.nan, "signals": 0, "weight": 0.5, "factor": 1.0} | changed
    position = Position(rules.TREND, 1, case["stop"], case["target"], 0)
    row = rules.Row(float(case["signals"]), case["weight"], 0.0, 0.0, np.nan, np.nan, np.nan, 0.0)

    found, _, _ = ask(position, row, sizing(True, 0.1), 50.0, 0.5, 100.0, case["factor"])

    assert found == stays
