"""Stops and targets that rest: typed bars, laws over walks, equal on every path, no look-ahead."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.allocation import Allocation, AllocationRule
from trading.engine.backtest import BacktestConfig, curve_of, run
from trading.engine.fill_rules import FillRules
from trading.engine.fills import BarPrices
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.positions import Position, begin_nb, protected_nb
from trading.engine.protection import level_of, protection_met, protective_orders
from trading.engine.rules import REASONS
from trading.engine.shared_account import Leg
from trading.engine.state import start
from trading.engine.strategies import strategy_get
from trading.engine.strategies.base import Proposal
from trading.engine.types import AssetClass, OrderStatus, OrderType, TimeInForce
from trading.tests.engine.laws import examples, length, stepping
from trading.tests.engine.rules_by_hand import by_hand
from trading.tests.engine.walks import random_walk, tape

N_BARS = length(420, quick=330)
CALM = (100.0, 101.0, 99.0, 100.0)
PLAIN = BacktestConfig(cash=1_000.0)
FREE = replace(PLAIN, keeps_decisions=True)
ATR_STOPS = {"protection": "resting", "target_atr.NORMAL": 1.5, "target_atr.HIGH": 2.0}


def guarded(side=1.0, leaves_at=-1, enters_at=0, **distances):
    """A rule that enters once with half of its money and leaves at a given bar, if at all."""
    distances = {"stop_distance": 5.0, "target_distance": 10.0} | distances
    trail = distances.pop("trail_distance", None)

    def decide(features, i, state):
        if i == leaves_at:
            return Proposal(0.0, 0.0, "EXIT")
        if state.is_flat and i != enters_at:
            return Proposal(0.0, 0.0, "WAIT")
        entry = distances if state.is_flat else {"trail_distance": trail}
        return Proposal(0.5 * side, side, "ENTRY", kind="TREND", rests_protection=True, **entry)

    return by_hand(decide)


def fills_of(result):
    return [
        (fill.bar, str(fill.side), fill.price, reason)
        for fill, reason in zip(result.fills, result.fill_reasons, strict=True)
    ]


@pytest.mark.parametrize(
    ("bars", "expected"),
    [
        # Touched within the bar, exactly at its low, gapped through, not reached.
        ([CALM, (100, 101, 94, 96)], (2, "SELL", 95.0, "STOP_REACHED")),
        ([CALM, (100, 101, 95, 96)], (2, "SELL", 95.0, "STOP_REACHED")),
        ([CALM, (92, 94, 90, 93)], (2, "SELL", 92.0, "STOP_GAPPED")),
        ([CALM, (100, 109, 96, 96)], None),
        # The target at its level, or at an open beyond it; both in one bar is the stop.
        ([CALM, (100, 110, 99, 105)], (2, "SELL", 110.0, "TARGET_REACHED")),
        ([CALM, (112, 113, 111, 112)], (2, "SELL", 112.0, "TARGET_REACHED")),
        ([CALM, (100, 112, 94, 105)], (2, "SELL", 95.0, "STOP_REACHED")),
        ([CALM, (111, 112, 94, 100)], (2, "SELL", 111.0, "TARGET_REACHED")),
        # The bar of the entry, which was filled at its open.
        ([(100, 101, 94, 98)], (1, "SELL", 95.0, "STOP_REACHED")),
    ],
)
def test_a_bar_meets_what_rests_for_a_long_position(bars, expected):
    result = run(tape([CALM, *bars, CALM]), guarded(), config=FREE)

    entry, *rest = fills_of(result)
    assert entry == (1, "BUY", 100.0, "ENTRY")
    assert rest == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("bar", "price", "reason"),
    [
        ((100, 106, 99, 104), 105.0, "STOP_REACHED"),
        ((107, 108, 106, 107), 107.0, "STOP_GAPPED"),
        ((100, 106, 89, 95), 105.0, "STOP_REACHED"),
        ((100, 101, 90, 95), 90.0, "TARGET_REACHED"),
        ((88, 106, 87, 95), 88.0, "TARGET_REACHED"),
    ],
)
def test_a_short_position_is_protected_the_other_way_round(bar, price, reason):
    result = run(tape([CALM, CALM, bar, CALM]), guarded(-1.0), config=FREE)

    assert fills_of(result)[1:] == [(2, "BUY", price, reason)]
    assert result.final_state.quantity == 0.0


def test_a_stop_that_trails_rests_at_its_new_level_from_the_next_bar_on():
    # Bar 2 trades at 104 and closes at 108: its stop of 105 is met by bar 3 only.
    rows = [CALM, CALM, (104, 109, 104, 108), (108, 109, 104, 107), CALM]

    result = run(tape(rows), guarded(trail_distance=3.0, target_distance=None), config=FREE)

    assert fills_of(result)[1:] == [(3, "SELL", 105.0, "STOP_REACHED")]
    assert result.decisions[0].reason.endswith(
        " A stop will rest 5.00 below the entry price once it is filled."
    )
    assert result.decisions[1].reason.endswith("Stop 97.00 rests: 3.00 below the entry at 100.00, "
                                               "filled inside a bar.")  # fmt: skip
    assert result.decisions[2].to_dict()["parameters"]["stop"]["now"] == 105.0


def test_an_entry_says_what_will_rest_on_both_sides_of_it():
    result = run(tape([CALM, CALM]), guarded(-1.0), config=FREE)

    assert result.decisions[0].reason.endswith(
        " A stop will rest 5.00 above the entry price once it is filled; "
        "a target will rest 10.00 below the entry price once it is filled."
    )


def test_the_stop_of_a_short_position_only_falls():
    rows = [CALM, CALM, (96, 96, 91, 92), (92, 96, 91.5, 95.5), CALM]

    result = run(tape(rows), guarded(-1.0, trail_distance=3.0, target_distance=20.0), config=FREE)

    assert fills_of(result)[1:] == [(3, "BUY", 95.0, "STOP_REACHED")]


def test_an_exit_at_the_open_comes_before_the_stop():
    rows = [CALM, CALM, (97, 98, 90, 91), CALM]

    result = run(tape(rows), guarded(leaves_at=1), config=FREE)

    assert fills_of(result)[1:] == [(2, "SELL", 97.0, "EXIT")]
    assert result.final_state.rests_protection is False


def test_orders_filled_at_the_close_come_after_what_rests():
    rows = [CALM, (99, 101, 94, 100), (97, 98, 90, 91), CALM]
    bars = replace(tape(rows), exec_price="CLOSE")

    result = run(bars, guarded(leaves_at=1), config=FREE)

    # The fall to 94 came before the purchase at the close; the exit finds nothing left to sell.
    assert fills_of(result)[1:] == [(2, "SELL", 95.0, "STOP_REACHED")]
    assert result.final_state.quantity == 0.0


@pytest.mark.parametrize(
    ("side", "bar", "price", "reason"),
    [
        # The open is no traded price: only a bar that lies beyond a level has begun there, and
        # what it traded at then is its close.
        (1.0, (92, 94, 90, 93), 93.0, "STOP_GAPPED"),
        (1.0, (92, 98, 90, 93), 95.0, "STOP_REACHED"),
        (1.0, (112, 113, 111, 112.5), 112.5, "TARGET_REACHED"),
        (1.0, (112, 113, 108, 112.5), 110.0, "TARGET_REACHED"),
        (1.0, (112, 113, 94, 112.5), 95.0, "STOP_REACHED"),
        (1.0, (93, 93, 93, 93), 93.0, "STOP_GAPPED"),
        (-1.0, (108, 109, 106, 107), 107.0, "STOP_GAPPED"),
        (-1.0, (108, 109, 104, 107), 105.0, "STOP_REACHED"),
        (-1.0, (88, 89, 87, 88.5), 88.5, "TARGET_REACHED"),
        (-1.0, (88, 91, 87, 88.5), 90.0, "TARGET_REACHED"),
    ],
)
def test_a_bar_without_a_traded_open_gaps_only_where_all_of_it_lies_beyond(
    side, bar, price, reason
):
    bars = replace(tape([CALM, CALM, bar, bar]), exec_price="CLOSE")

    result = run(bars, guarded(side), config=FREE)

    assert fills_of(result)[1:] == [(2, "SELL" if side > 0.0 else "BUY", price, reason)]


@pytest.mark.parametrize("time_in_force", [TimeInForce.DAY, TimeInForce.GTC])
def test_what_volume_leaves_of_a_stop_goes_at_the_next_opens(time_in_force):
    # Half of 1,000 buys 5 units; bars of 20 units give an order 2.
    rows = [CALM, CALM, CALM, CALM, (100, 101, 94, 99), (98, 99, 97, 98), CALM, CALM]
    volumes = [0.0, 50.0, 0.0, 0.0, 20.0, 20.0, 20.0, 20.0]
    bars = replace(tape(rows), volume=np.array(volumes))
    config = replace(FREE, max_participation=0.1, time_in_force=time_in_force)

    result = run(bars, guarded(target_distance=None), config=config)

    assert [(fill.bar, fill.quantity, fill.price) for fill in result.fills[1:]] == [
        (4, 2.0, 95.0),
        (5, 2.0, 98.0),
        (6, 1.0, 100.0),
    ]
    assert result.fill_reasons[1:] == ("STOP_REACHED",) * 3
    assert "volume of the bar was too small" in result.decisions[4].reason


def test_a_stop_met_without_volume_is_met_all_the_same():
    rows = [CALM, CALM, (100, 101, 94, 99), (98, 99, 97, 98), CALM]
    bars = replace(tape(rows), volume=np.array([0.0, 50.0, 0.0, 50.0, 50.0]))

    result = run(bars, guarded(), config=replace(FREE, max_participation=0.1))

    assert [(fill.bar, fill.price) for fill in result.fills] == [(1, 100.0), (3, 98.0)]


def test_a_target_filled_in_part_rests_on_for_the_rest():
    rows = [CALM, CALM, (100, 111, 99, 105), (105, 112, 104, 105), CALM]
    bars = replace(tape(rows), volume=np.array([0.0, 50.0, 30.0, 30.0, 30.0]))

    result = run(bars, guarded(), config=replace(FREE, max_participation=0.1))

    assert [(fill.bar, fill.quantity, fill.price) for fill in result.fills[1:]] == [
        (2, 3.0, 110.0),
        (3, 2.0, 110.0),
    ]
    statuses = [order.status for order in result.orders[1:]]
    assert statuses == [OrderStatus.CANCELED, OrderStatus.FILLED]


def test_a_stop_pays_the_slippage_and_a_target_does_not():
    costs = replace(FREE, slippage_bps=100.0, commission_bps=10.0)
    stopped = run(tape([CALM, CALM, (100, 101, 90, 96), CALM]), guarded(), config=costs)
    won = run(tape([CALM, CALM, (100, 120, 99, 110), CALM]), guarded(), config=costs)

    # Bought at 101: the stop rests at 96, the target at 111.
    assert stopped.fills[1].price == 96.0 * 0.99
    assert won.fills[1].price == 111.0
    assert won.fills[1].commission == pytest.approx(won.fills[1].notional * 0.001)
    assert won.costs.slippage == pytest.approx(won.fills[0].quantity)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), stop=st.floats(0.5, 6.0), trail=st.sampled_from([0.0, 2.0]))
@examples(20)
def test_nothing_is_filled_outside_its_bar_and_no_stop_better_than_it_rests(seed, stop, trail):
    bars = random_walk(seed, length(220, quick=110), 0.02)
    params = {**ATR_STOPS, "stop_atr": stop, "trail_atr": trail}

    result = run(bars, "volatility_adaptive_trend", params)

    for fill, order in zip(result.fills, result.orders, strict=True):
        low, high = bars.low[fill.bar], bars.high[fill.bar]
        assert low * (1 - 1e-12) <= fill.price <= high * (1 + 1e-12)
        if order.stop_price is not None:
            assert fill.price == min(bars.open[fill.bar], order.stop_price)
        if order.limit_price is not None:
            assert fill.price == max(bars.open[fill.bar], order.limit_price)


@pytest.mark.parametrize("key", ["volatility_adaptive_trend", "hybrid"])
def test_what_comes_later_changes_no_fill_of_what_rests(key):
    bars = random_walk(5, N_BARS, 0.02)
    whole = run(bars, key, {"protection": "resting"})
    assert {"STOP_REACHED", "TARGET_REACHED", "STOP_GAPPED"} & set(whole.fill_reasons)

    for cut in (290, 333, 400):
        part = run(bars.until(cut), key, {"protection": "resting"})
        assert part.fills == tuple(fill for fill in whole.fills if fill.bar <= cut)


def test_watched_at_the_close_is_the_default_and_sells_at_the_next_open():
    bars = random_walk(5, N_BARS, 0.02)

    plain = run(bars, "volatility_adaptive_trend")
    named = run(bars, "volatility_adaptive_trend", {"protection": "close"})

    assert plain.fills == named.fills
    assert "STOP" in plain.fill_reasons
    assert not {"STOP_REACHED", "STOP_GAPPED"} & set(plain.fill_reasons)


@pytest.mark.slow
def test_one_account_fills_what_rests_as_a_single_run_does():
    bars = random_walk(5, N_BARS, 0.02)
    config = stepping(PLAIN)
    alone = run(bars, "volatility_adaptive_trend", {"protection": "resting"}, config)

    shared = run_portfolio(
        [Leg(bars, "volatility_adaptive_trend", {"protection": "resting"})], config
    )

    account = shared.account
    assert [(f.bar, f.side) for f in account.fills] == [(f.bar, f.side) for f in alone.fills]
    assert account.fill_reasons == alone.fill_reasons
    prices = [fill.price for fill in alone.fills]
    assert [fill.price for fill in account.fills] == pytest.approx(prices)
    assert account.final_equity == pytest.approx(alone.final_equity)


@pytest.mark.parametrize("config", [PLAIN, stepping(PLAIN)], ids=["loop", "step"])
def test_a_trade_within_one_bar_counts_for_a_search(config):
    bars = random_walk(5, N_BARS, 0.02)
    params = {"protection": "resting", "stop_atr": 0.5}
    spec = strategy_get("volatility_adaptive_trend")

    curve, whole = curve_of(bars, spec, params, config), run(bars, spec, params, config)

    assert any(trip.entry_bar == trip.exit_bar for trip in whole.round_trips)
    assert curve.n_round_trips == len(whole.round_trips)
    assert curve.win_rate == whole.metrics["win_rate"]


@pytest.mark.parametrize("explains", [False, True])
def test_a_turned_position_has_its_own_stop_and_is_a_trade_of_its_own(explains):
    def decide(features, i, state):
        side = 1.0 if i == 0 else -1.0
        stop = {"stop_distance": 2.0, "rests_protection": True} if i else {}
        return Proposal(0.5 * side, side, "TURN", kind="TREND", rebalances=i < 2, **stop)

    bars = tape([CALM, CALM, (100.0, 103.0, 99.0, 100.0)])
    spec, config = replace(guarded(), decide=decide), replace(FREE, keeps_decisions=explains)

    curve, whole = curve_of(bars, spec, {}, config), run(bars, spec, {}, config)

    assert [(fill.bar, fill.signed_quantity) for fill in whole.fills] == [(1, 5), (2, -10), (2, 5)]
    assert whole.fill_reasons == ("TURN", "TURN", "STOP_REACHED")
    assert whole.fills[-1].price == 102.0
    assert curve.n_round_trips == len(whole.round_trips) == 2
    assert curve.n_wins == sum(trip.pnl > 0.0 for trip in whole.round_trips)


@pytest.mark.parametrize("key", ["volatility_adaptive_trend", "hybrid"])
def test_the_compiled_loop_leaves_the_orders_and_the_state_of_the_step(key):
    bars = random_walk(5, 420, 0.02)
    config = BacktestConfig(
        slippage_bps=2.0, cost_preset=AssetClass.EQUITY, quantity_step=1.0, tick_size=0.01
    )
    params = {"protection": "resting"}

    compiled = run(bars, key, params, config)
    stepped = run(bars, key, params, stepping(config))

    assert {OrderType.STOP_MARKET, OrderType.LIMIT} & {o.order_type for o in compiled.orders}
    assert compiled.orders == stepped.orders
    assert compiled.fills == stepped.fills
    assert compiled.final_state == stepped.final_state
    assert compiled.costs == stepped.costs


@pytest.mark.parametrize("stop", [95.004, np.nan])
@pytest.mark.parametrize("target", [110.006, np.nan])
@pytest.mark.parametrize("price_field", ["OPEN", "CLOSE"])
def test_a_compiled_bar_meets_what_its_source_meets(stop, target, price_field):
    position = Position(1, 3, stop, target, 0)
    rng = np.random.default_rng(3)
    drawn = np.sort(rng.uniform(90.0, 115.0, (200, 3)))
    # Opens and extremes exactly at the levels, rounded to the tick.
    at_levels = [(94, 95.0, 96), (109, 110.01, 111), (95.0, 97, 99), (99, 100, 110.01)]
    for low, opened, high in (*drawn, *np.array(at_levels)):
        close = rng.uniform(low, high)
        begin = begin_nb.py_func(opened, high, low, close, price_field == "CLOSE")
        args = (position, begin, high, low, 0.01, 0.001)
        assert protected_nb(*args) == protected_nb.py_func(*args)
        reason, price, level = protected_nb(*args)
        held = replace(start(9.0), quantity=2.0, rests_protection=True)
        held = replace(
            held,
            stop_price=None if np.isnan(stop) else stop,
            target_price=None if np.isnan(target) else target,
        )
        bar = BarPrices(opened, high, low, close, 0.0, 0)
        rules = FillRules(slippage_rate=0.001, price_field=price_field)
        met = protection_met(protective_orders(held, "X", 0.01), bar, rules)
        if met is None:
            assert reason == 0
        else:
            assert (REASONS[reason], price) == (met.reason, met.execution.price)
            assert level == level_of(met.order)


def test_money_that_comes_inside_a_bar_buys_nothing_at_its_open():
    stopped = [CALM, CALM, (100.0, 201.0, 100.0, 200.0), (200.0, 200.0, 90.0, 90.0)]
    at_close = replace(tape(stopped), symbol="A", exec_price="CLOSE")
    at_open = replace(tape([CALM] * 4), symbol="B")
    legs = [
        Leg(at_close, guarded(side=2.0, target_distance=None)),
        Leg(at_open, guarded(side=2.0, enters_at=2, stop_distance=None, target_distance=None)),
    ]
    shares = Allocation(AllocationRule.FIXED_WEIGHT, {"A": 0.9, "B": 0.1})

    found = run_portfolio(legs, FREE, shares).account

    assert found.fill_reasons == ("ENTRY", "STOP_REACHED", "ENTRY")
    # A tenth of 1,900 was asked for, and 100 of cash was there until A was stopped.
    assert found.fills[-1].notional == pytest.approx(100.0)


def test_a_stop_shares_the_volume_of_the_bar_with_the_order_before_it():
    rows = [CALM, (100, 101, 94, 99), (98, 99, 97, 98), CALM]
    bars = replace(tape(rows), volume=np.full(4, 50.0))

    result = run(bars, guarded(), config=replace(FREE, max_participation=0.1))

    # The entry takes all 5 units that bar 1 gives, so the stop it meets sells at the next open.
    assert fills_of(result) == [(1, "BUY", 100.0, "ENTRY"), (2, "SELL", 98.0, "STOP_REACHED")]
