"""One random trade ends as one of the run does: laws over walks, closes by hand."""

import numpy as np
import pytest

from trading.engine import null_kernels
from trading.engine.nulls import charged_rates, trades_of_run
from trading.engine.rules import DIP, PROTECTED
from trading.engine.rules import TREND as TREND_KIND
from trading.engine.types import OrderSide
from trading.tests.engine.protected_runs import (
    AT_CLOSE,
    BARS,
    CALM,
    COSTS,
    HYBRID,
    LONG,
    TREND,
    WAYS,
    levels_of,
    own_trades,
    protected,
    resting,
)


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("key", "params"), [TREND, HYBRID, CALM])
def test_from_its_own_entries_a_null_makes_the_trades_of_the_run(key, params, way, bars):
    found = protected(way, key, params, bars)

    drawn = own_trades(found, bars)

    assert_same(drawn, found)
    ended = [trip.exit_reason in PROTECTED for trip in found.round_trips]
    assert drawn.insides.tolist() == ended


def assert_same(drawn, found):
    """Entries, ends and prices are those of the run, to the last bit."""
    ends = {fill.bar: fill.price for fill in found.fills if fill.side is OrderSide.SELL}
    assert drawn.entries.tolist() == [trip.entry_bar for trip in found.round_trips]
    assert drawn.exits.tolist() == [trip.exit_bar for trip in found.round_trips]
    assert drawn.prices.tolist() == [ends[trip.exit_bar] for trip in found.round_trips]


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_leave_is_among_the_trades_a_null_makes_again(way, bars):
    reasons = {
        trip.exit_reason
        for key, params in (TREND, HYBRID, CALM)
        for trip in protected(way, key, params, bars).round_trips
    }

    own = {"TREND_DOWN", "RECOVERED", "HOLDING_LIMIT", "BREAKER"}
    levels = (
        {"STOP_REACHED", "TARGET_REACHED"} if way == "resting" else {"STOP", "TARGET", "PROFIT"}
    )
    assert own | levels <= reasons


@pytest.mark.parametrize("way", WAYS)
def test_from_its_own_entries_a_null_has_the_equity_and_the_wins_of_the_run(way):
    found = protected(way, *HYBRID)
    drawn = own_trades(found, BARS)
    rates, slippage = charged_rates(COSTS.costs, found.costs, found.regime_codes)

    equity, n_wins = null_kernels.random_entry_path_nb(
        BARS.exec_prices, BARS.close, drawn.entries, drawn.exits, drawn.prices, drawn.weights,
        rates, slippage, np.zeros(len(BARS)), 1,
    )  # fmt: skip

    until = found.round_trips[-1].exit_bar
    np.testing.assert_allclose(equity[:until] * COSTS.cash, found.equity[:until], rtol=1e-12)
    assert n_wins == sum(trip.pnl > 0.0 for trip in found.round_trips)


@pytest.mark.parametrize("bars", [BARS, AT_CLOSE], ids=["open", "close"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_compiled_trade_is_its_source_to_the_last_bit(side, way, bars):
    levels = trades_of_run(protected(way, *TREND, bars), bars, 2e-4).levels
    rng = np.random.default_rng(2)
    starts = np.sort(rng.integers(260, len(bars) - 1, 12))
    terms = np.column_stack((np.full(12, side), rng.integers(1, 3, 12), np.ones(12), np.ones(12)))
    given = starts, rng.integers(1, 9, 12), terms, levels

    compiled = null_kernels.protected_trades_nb(*given)

    source = null_kernels.protected_trades_nb.py_func(*given)
    assert [column.tobytes() for column in compiled] == [column.tobytes() for column in source]
    for start, limit, row in zip(*given[:3], strict=True):
        own = null_kernels.terms_of_nb(row)
        found = null_kernels.protected_trade_nb(start, limit, own, levels)
        alone = null_kernels.protected_trade_nb.py_func(start, limit, own, levels)
        np.testing.assert_array_equal(found, alone)


def test_a_stop_does_not_trail_at_the_close_that_decides_to_leave():
    close = np.array([10.0, 10.0, 14.0, 13.5, 13.5])
    levels = levels_of(
        close, low=np.array([10.0, 10.0, 10.0, 12.0, 12.0]), stop=np.full(5, 5.0),
        trail=np.ones(5), fills_at_close=True, rests=True,
    )  # fmt: skip

    # Raised to 13 at the second close, the stop would have been met inside the bar after it.
    assert null_kernels.protected_trade_nb(1, 2, LONG, levels) == (3, 13.5, False)
    assert null_kernels.protected_trade_nb(1, 3, LONG, levels) == (3, 13.0, True)


CLOSE = np.array([10.0, 10.0, 10.5, 11.0, 12.0, 9.0, 8.0, 7.0, 6.0])


@pytest.mark.parametrize(
    ("given", "bar"),
    [
        # A close at the stop is enough, one at the target is not.
        ({"stop": np.full(9, 1.0)}, 6),
        ({"target": np.full(9, 0.9)}, 4),
        ({"target": np.full(9, 1.0)}, 5),
        # Out of 12 a cost of a tenth leaves 10.8, and 11 was paid: no close is 0.9 above that.
        ({"target": np.full(9, 0.9), "rate": np.full(9, 0.1)}, 9),
        # What is watched is compared after costs: 11.4 of 12 is above 0.6 over the 10.5 paid.
        ({"target": np.full(9, 0.6), "rate": np.full(9, 0.05)}, 5),
        # Trailing 2 below 11, then below 12.
        ({"trail": np.full(9, 2.0)}, 6),
        ({}, 9),
    ],
)
def test_a_level_that_is_watched_sells_at_the_fill_after_the_close_beyond_it(given, bar):
    levels = levels_of(CLOSE, **given)

    found = null_kernels.protected_trade_nb(1, 99, LONG, levels)

    np.testing.assert_array_equal(found, (bar, CLOSE[bar] if bar < 9 else np.nan, False))


@pytest.mark.parametrize(
    ("kind", "turns", "keeps", "bar"),
    [
        # Three closes from the entry on by the row of the third, or two by that of the signal.
        (DIP, 9, False, 4),
        (DIP, 9, True, 3),
        (TREND_KIND, 9, True, 9),
        # What has become a trend is no dip any more; too late it does not help.
        (DIP, 2, True, 9),
        (DIP, 3, True, 3),
    ],
)
def test_a_dip_is_held_as_long_as_its_limit_says_unless_it_becomes_a_trend(kind, turns, keeps, bar):
    holding = np.array([2.0, 3, 3, 3, 3, 3, 3, 3, 3])
    becomes = (np.arange(9) == turns).astype(np.int64)
    levels = levels_of(CLOSE, holding=holding, turns=becomes, keeps_limit=keeps)

    found = null_kernels.protected_trade_nb(1, 99, LONG._replace(kind=kind), levels)

    assert found[0] == bar


@pytest.mark.parametrize(("level", "close"), [("stop", 9.92), ("target", 10.07)])
def test_a_level_that_rests_is_not_watched_as_well(level, close):
    # 0.05 away it rests a tick of 0.1 away, where the price never was.
    prices = np.array([10.0, 10.0, close, 10.0])
    levels = levels_of(prices, rests=True, tick_size=0.1, **{level: np.full(4, 0.05)})

    assert null_kernels.protected_trade_nb(1, 99, LONG, levels)[0] == 4


def test_a_short_trade_is_a_long_one_upside_down():
    upside_down = levels_of(20.0 - CLOSE, stop=np.ones(9), target=np.full(9, 1.5))
    levels = levels_of(CLOSE, stop=np.ones(9), target=np.full(9, 1.5))
    short = LONG._replace(side=-1.0)

    for entry in range(1, 9):
        bar, price, is_inside = null_kernels.protected_trade_nb(entry, 99, LONG, levels)
        found = null_kernels.protected_trade_nb(entry, 99, short, upside_down)
        np.testing.assert_array_equal(found, (bar, 20.0 - price, is_inside))


def test_trades_wait_until_the_one_before_has_ended():
    trades = trades_of_run(resting(*HYBRID), BARS, 0.0)
    starts = np.full(len(trades), 300)

    drawn = trades.played(starts, np.full(len(trades), 2), np.arange(len(trades)))

    begun = drawn.entries < len(BARS)
    inside = drawn.insides[begun].astype(int)[:-1]
    assert (drawn.entries[begun][1:] == drawn.exits[begun][:-1] + inside).all()
    assert (drawn.exits[begun] - drawn.entries[begun]).max() == 2
