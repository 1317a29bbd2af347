"""Accounting laws: cash and position explain equity, round trips explain cash."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.portfolio import apply_fill, round_trips
from trading.engine.state import StrategyState, book_fill, start, worth
from trading.engine.types import Fill, OrderSide, Position, Regime
from trading.tests.engine.laws import examples

MOVES = st.lists(
    st.tuples(
        st.sampled_from([OrderSide.BUY, OrderSide.SELL]),
        st.floats(0.01, 100.0),
        st.floats(1.0, 500.0),
        st.floats(0.0, 3.0),
    ),
    min_size=1,
    max_size=12,
)


def fills_of(moves):
    return [
        Fill(f"o-{k}", "TAPE", side, quantity, price, commission, k, k)
        for k, (side, quantity, price, commission) in enumerate(moves)
    ]


@examples(25)
@given(MOVES, st.floats(1.0, 500.0))
def test_cash_plus_position_equals_start_plus_all_results(moves, price):
    fills, position = fills_of(moves), Position("TAPE")
    for fill in fills:
        position = apply_fill(position, fill)

    equity = 1e6 + sum(fill.cash_flow for fill in fills) + position.market_value(price)

    results = position.realized_pnl + position.unrealized_pnl(price)
    assert equity == pytest.approx(1e6 + results, abs=1e-6)


@examples(25)
@given(MOVES, st.floats(1.0, 500.0))
def test_strategy_state_keeps_the_same_books_as_the_position(moves, price):
    state, position = start(1e6), Position("TAPE")
    for fill in fills_of(moves):
        state, position = book_fill(state, fill), apply_fill(position, fill)

    assert state.quantity == pytest.approx(position.quantity, abs=1e-9)
    assert worth(state, price) == pytest.approx(
        1e6 + position.realized_pnl + position.unrealized_pnl(price), abs=1e-6
    )


def test_crossing_zero_realizes_the_old_side_and_opens_the_new_at_the_fill_price():
    long = apply_fill(Position("TAPE"), Fill("1", "TAPE", OrderSide.BUY, 2.0, 10.0, 0.0, 0, 0))

    short = apply_fill(long, Fill("2", "TAPE", OrderSide.SELL, 5.0, 12.0, 0.0, 1, 1))

    assert (short.quantity, short.avg_entry_price, short.realized_pnl) == (-3.0, 12.0, 4.0)


def test_reducing_keeps_the_average_price():
    position = Position("TAPE")
    for side, quantity, price in (("BUY", 2.0, 10.0), ("BUY", 2.0, 20.0), ("SELL", 1.0, 30.0)):
        position = apply_fill(
            position, Fill("x", "TAPE", OrderSide(side), quantity, price, 0.0, 0, 0)
        )

    assert (position.quantity, position.avg_entry_price, position.realized_pnl) == (3.0, 15.0, 15.0)


def test_round_trip_sums_its_scaled_entry_and_exit_net_of_commission():
    tape = [("BUY", 2.0, 10.0), ("BUY", 2.0, 14.0), ("SELL", 1.0, 15.0), ("SELL", 3.0, 11.0)]
    fills = [
        Fill(f"o-{k}", "TAPE", OrderSide(side), quantity, price, 0.5, k + 1, k + 1)
        for k, (side, quantity, price) in enumerate(tape)
    ]

    trips, still_open = round_trips(
        fills, signal_bars=[0, 1, 2, 3], reasons=list("abcd"), regime_codes=np.array([3, 0, 0, 0])
    )

    (trip,) = trips
    assert trip.pnl == pytest.approx(48.0 - 48.0 - 2.0)
    assert (trip.entry_price, trip.exit_price, trip.quantity) == (12.0, 12.0, 4.0)
    assert (trip.regime, trip.signal_bar, trip.bars_held) == (Regime.EXTREME, 0, 3)
    assert (trip.exit_reason, still_open) == ("d", [])


def test_short_round_trip_wins_when_the_price_falls():
    fills = [
        Fill("1", "TAPE", OrderSide.SELL, 2.0, 10.0, 0.0, 1, 1),
        Fill("2", "TAPE", OrderSide.BUY, 2.0, 8.0, 0.0, 2, 2),
    ]

    trips, _ = round_trips(
        fills, signal_bars=[0, 1], reasons=["", ""], regime_codes=np.array([-1, -1])
    )

    assert trips[0].pnl == 4.0
    assert trips[0].regime is None
    assert trips[0].is_win


def test_money_that_comes_back_into_a_trade_is_counted_once():
    tape = [("BUY", 10.0, 10.0), ("SELL", 5.0, 11.0), ("BUY", 5.0, 11.0), ("SELL", 10.0, 11.0)]
    fills = [
        Fill(f"o-{k}", "TAPE", OrderSide(side), quantity, price, 0.0, k + 1, k + 1)
        for k, (side, quantity, price) in enumerate(tape)
    ]

    (trip,), _ = round_trips(
        fills, signal_bars=range(4), reasons=list("abcd"), regime_codes=np.zeros(4, np.int64)
    )

    assert (trip.quantity, trip.entry_notional, trip.traded_notional) == (10.0, 105.0, 320.0)
    assert trip.return_ratio == pytest.approx(10.0 / 105.0)


def test_borrow_belongs_to_the_short_trade_that_was_held_when_it_was_charged():
    fills = [
        Fill("1", "TAPE", OrderSide.SELL, 2.0, 10.0, 0.0, 1, 1),
        Fill("2", "TAPE", OrderSide.BUY, 4.0, 8.0, 0.0, 3, 3),
        Fill("3", "TAPE", OrderSide.SELL, 4.0, 8.0, 0.0, 5, 5),
        Fill("4", "TAPE", OrderSide.BUY, 1.0, 8.0, 0.0, 7, 7),
    ]
    charged = {2: 0.25, 3: 0.5, 6: 0.125, 7: 0.0625, 8: 0.03125}

    trips, _ = round_trips(
        fills,
        signal_bars=range(4),
        reasons=list("abcd"),
        regime_codes=np.zeros(9, np.int64),
        borrow=charged,
    )

    assert [trip.borrow for trip in trips] == [0.75, 0.0]
    assert [trip.pnl for trip in trips] == [4.0 - 0.75, 0.0]


def test_fills_of_an_open_trade_are_returned_apart():
    fills = [Fill("1", "TAPE", OrderSide.BUY, 2.0, 10.0, 0.0, 1, 1)]

    trips, still_open = round_trips(
        fills, signal_bars=[0], reasons=[""], regime_codes=np.array([0])
    )

    assert (trips, still_open) == ([], fills)


def test_a_fill_that_turns_a_position_around_ends_one_trade_and_begins_the_next():
    fills = [
        Fill("1", "TAPE", OrderSide.BUY, 2.0, 10.0, 0.0, 1, 1),
        Fill("2", "TAPE", OrderSide.SELL, 5.0, 12.0, 1.0, 2, 2),
        Fill("3", "TAPE", OrderSide.BUY, 4.0, 11.0, 0.0, 3, 3),
    ]

    trips, (still_open,) = round_trips(
        fills, signal_bars=[0, 1, 2], reasons=["", "TURN", "BACK"], regime_codes=np.array([0, 1, 2])
    )

    assert [(trip.quantity, trip.signal_bar, trip.exit_reason) for trip in trips] == [
        (2.0, 0, "TURN"), (3.0, 1, "BACK"),
    ]  # fmt: skip
    assert [trip.pnl for trip in trips] == pytest.approx([4.0 - 0.4, 3.0 - 0.6])
    assert (still_open.quantity, still_open.side) == (1.0, OrderSide.BUY)


def test_state_is_plain_json_both_ways():
    state = StrategyState(1.0, 2.0, quantity=3.0, stop_price=4.5, entry_kind="TREND")

    assert StrategyState.from_dict(state.to_dict()) == state


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"cash": 1.0, "equity": 1.0, "mood": 3}, "mood"),
        ({"cash": 1.0}, "equity None"),
        ({"cash": float("nan"), "equity": 1.0}, "cash nan"),
    ],
)
def test_state_refuses_what_it_cannot_read(stored, words):
    with pytest.raises(ValueError, match=words):
        StrategyState.from_dict(stored)


@pytest.mark.parametrize("cash", [0.0, -1.0, float("nan")])
def test_state_cannot_start_without_cash(cash):
    with pytest.raises(ValueError, match="above 0"):
        start(cash)


def test_stop_and_target_are_set_from_the_entry_fill():
    waiting = StrategyState(
        1e3, 1e3, pending_kind="DIP", pending_stop_distance=2.0, pending_target_distance=5.0
    )

    held = book_fill(waiting, Fill("1", "TAPE", OrderSide.BUY, 1.0, 50.0, 0.0, 4, 40))

    assert (held.stop_price, held.target_price, held.entry_kind) == (48.0, 55.0, "DIP")
    assert (held.entry_bar, held.pending_kind) == (4, "")


def test_going_flat_clears_the_position_from_the_state():
    held = StrategyState(0.0, 100.0, quantity=2.0, avg_entry_price=50.0, entry_bar=1, bars_held=3)

    flat = book_fill(held, Fill("2", "TAPE", OrderSide.SELL, 2.0, 60.0, 1.0, 5, 50))

    assert flat == StrategyState(cash=119.0, equity=100.0)
