"""Round trips: exits, costs and one position at a time."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.backtest import BacktestConfig, run
from trading.engine.evidence import trips
from trading.engine.evidence.rules import HybridChoice, hybrid_plan, rule_get
from trading.engine.strategies import strategy_get
from trading.tests.engine.evidence.markets import market, ones
from trading.tests.engine.laws import examples


def arguments(instrument, signals, plan):
    columns = (getattr(plan, field.name) for field in fields(plan))
    return (
        signals, instrument.bars.exec_prices, instrument.bars.close, instrument.rates, *columns,
    )  # fmt: skip


def test_outcomes_equal_their_uncompiled_loop():
    instrument = market(0, 600)
    case = arguments(instrument, ones(instrument), hybrid_plan(instrument, HybridChoice()))

    compiled = trips.outcomes_nb(*case)

    for fast, slow in zip(compiled, trips.outcomes_nb.py_func(*case), strict=True):
        np.testing.assert_array_equal(fast, slow)


def test_outcome_of_a_signal_pays_both_sides_of_the_trade():
    instrument = market(0, 600)
    plan = trips.flat_plan(600, ends=np.zeros(600, dtype=np.int64), limit=3)

    played = trips.outcomes(instrument, ones(instrument), plan)

    paid, received = instrument.bars.open[401], instrument.bars.open[404]
    cost_in, cost_out = instrument.rates[400], instrument.rates[403]
    assert played.exit_bars[400] == 404
    assert played.gross[400] == received / paid - 1.0
    assert played.net[400] == received * (1.0 - cost_out) / (paid * (1.0 + cost_in)) - 1.0


def test_close_only_series_fill_at_the_next_close():
    instrument = market(1, 600, closes_only=True)
    plan = trips.flat_plan(600, ends=np.zeros(600, dtype=np.int64), limit=3)

    played = trips.outcomes(instrument, ones(instrument), plan)

    assert played.gross[400] == instrument.bars.close[404] / instrument.bars.close[401] - 1.0


def test_double_costs_are_never_better_than_single_costs():
    instrument = market(0, 600)

    played = trips.outcomes(instrument, ones(instrument), hybrid_plan(instrument, HybridChoice()))

    done = played.exit_bars >= 0
    assert (played.net_double[done] < played.net[done]).all()
    assert (played.net[done] < played.gross[done]).all()


@examples(100)
@given(st.lists(st.integers(0, 1), min_size=3, max_size=60), st.integers(1, 9))
def test_one_at_a_time_never_holds_two_positions(signals, length):
    marked = np.array(signals, dtype=np.int64)
    exits = np.arange(marked.size) + length

    taken = trips.one_at_a_time_nb(marked, exits)

    rows = np.flatnonzero(taken)
    assert (np.diff(rows) >= length).all()
    assert (taken <= marked).all()
    assert taken.tolist() == trips.one_at_a_time_nb.py_func(marked, exits).tolist()


def test_a_trade_still_open_at_the_end_blocks_later_signals():
    signals, exits = np.ones(4, dtype=np.int64), np.array([-1, 3, 3, 3])

    assert trips.one_at_a_time_nb(signals, exits).sum() == 0


@pytest.mark.parametrize("key", ["sma_cross", "rsi2_reversion", "donchian_breakout"])
def test_trips_of_a_rule_are_those_of_the_strategys_own_targets(key):
    instrument = market(0, 900)
    setup, spec = rule_get(key).setup(instrument), strategy_get(key)
    # Targets know no regime, so let every bar have one.
    known = replace(
        instrument, regimes=replace(instrument.regimes, relative_codes=np.ones(900, dtype=np.int64))
    )
    features = spec.prepare(instrument.bars, spec.defaults)

    found = trips.taken_trips(0, known, setup.signals, setup.exits, np.full(900, np.nan))

    target = spec.targets(features, features.first)
    change = np.diff(np.concatenate(([0], target)))
    entries, exits = np.flatnonzero(change == 1), np.flatnonzero(change == -1) + 1
    assert found.signal.tolist() == entries[: len(found)].tolist()
    assert found.exit.tolist() == exits[: len(found)].tolist()
    assert len(found) >= 5


@pytest.mark.parametrize("closes_only", [False, True])
def test_trips_of_the_hybrid_are_those_of_the_strategy_in_a_backtest(closes_only):
    instrument = market(5, 1_500, closes_only=closes_only)
    setup = rule_get("hybrid").setup(instrument)

    found = trips.taken_trips(0, instrument, setup.signals, setup.exits, np.full(1_500, np.nan))

    config = BacktestConfig(cost_preset=instrument.preset)
    # The evidence is about the rule; what a deployment adds is its circuit breaker.
    params = {"cost_class": str(instrument.preset), "breaker": "off"}
    done = run(instrument.bars, "hybrid", params, config)
    assert [trip.signal_bar for trip in done.round_trips] == found.signal.tolist()
    assert [trip.exit_bar for trip in done.round_trips] == found.exit.tolist()
    assert [trip.is_win for trip in done.round_trips] == (found.net > 0.0).tolist()
    assert len(found) > 10
