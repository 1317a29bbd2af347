"""The portfolio of all round trips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.evidence import portfolio
from trading.engine.evidence.decisions import decide_all, exit_trips
from trading.engine.evidence.instruments import prepare
from trading.engine.evidence.portfolio import (
    TARGET_VOLATILITY,
    DailyResults,
    add_positions_nb,
    allotted_units_nb,
    always_long_days,
    figures,
    strategy_days,
)
from trading.engine.evidence.rules import rule_get
from trading.engine.evidence.trips import blind_plan, outcomes
from trading.engine.types import AssetClass
from trading.tests.engine.evidence.markets import market, markets, ones
from trading.tests.engine.laws import examples

SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=40)


@examples(100)
@given(SPANS, st.floats(0.5, 6.0))
def test_open_units_never_exceed_the_cap(spans, cap):
    spans = sorted(spans)
    entry = np.array([start for start, _ in spans])
    leave = entry + np.array([length for _, length in spans])

    units = allotted_units_nb(entry, leave, cap)

    assert (units >= 0.0).all()
    for day in range(45):
        assert units[(entry <= day) & (leave > day)].sum() <= cap + 1e-9
    assert units.tolist() == allotted_units_nb.py_func(entry, leave, cap).tolist()


def test_a_unit_comes_free_on_the_exit_day_behind_one_still_open():
    entry, leave = np.array([0, 1, 5]), np.array([10, 5, 8])

    assert allotted_units_nb(entry, leave, 2.0).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("closes_only", [False, True])
def test_daily_results_of_one_position_add_up_to_its_result(closes_only):
    instrument = market(1, 900, closes_only=closes_only)
    played = outcomes(instrument, ones(instrument), blind_plan(instrument))
    signal, leave = 500, int(played.exit_bars[500])
    results, days = np.zeros(900), np.arange(900)

    add_positions_nb(
        results, days, instrument.bars.exec_prices, instrument.bars.close, instrument.rates,
        closes_only, np.array([signal]), np.array([leave]), np.array([1.0]),
    )  # fmt: skip

    # A result is a share of what was paid with costs, the day's booking of the price alone.
    assert results.sum() == pytest.approx(played.net[signal] * (1.0 + instrument.rates[signal]))
    assert not results[: signal + 1].any()
    assert not results[leave + 1 :].any()


def test_a_portfolio_is_scaled_to_its_target_and_its_ratio_does_not_depend_on_scale():
    returns = 0.0004 + 0.01 * np.random.default_rng(2).standard_normal(600)
    days = np.arange(600)

    found = figures(DailyResults(days, returns))
    tenfold = figures(DailyResults(days, returns * 10.0))

    assert found.volatility == TARGET_VOLATILITY
    assert tenfold.sharpe_ratio == pytest.approx(found.sharpe_ratio)
    assert tenfold.max_drawdown == pytest.approx(found.max_drawdown)


def test_holding_one_instrument_at_equal_risk_has_about_that_risk():
    instrument = market(0)

    held = always_long_days([instrument], int(instrument.days[0]), int(instrument.days[-1]))

    known = held.returns[held.returns != 0.0]
    assert known.std() * np.sqrt(portfolio.WEEKDAYS_PER_YEAR) == pytest.approx(0.12, abs=0.03)


def test_a_price_that_stands_still_for_a_year_is_not_held_a_thousandfold():
    bars = market(0).bars
    halted = slice(1_000, 1_300)
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    stood = bars.close[halted.start - 1]
    for column in columns.values():
        column[halted.stop :] *= stood / bars.open[halted.stop]
        column[halted] = stood
    instrument = prepare(replace(bars, **columns), asset_class="equity", preset=AssetClass.EQUITY)

    held = always_long_days([instrument], int(instrument.days[0]), int(instrument.days[-1]))

    assert np.abs(held.returns).max() < 1.0


def test_strategy_days_cover_first_entry_to_last_exit():
    instruments = markets()
    trips = exit_trips(instruments, decide_all(rule_get("rsi2_reversion"), instruments, {}))

    days = strategy_days(instruments, trips, 4.0)

    first = min(instruments[k].days[s + 1] for k, s in zip(trips.instrument, trips.signal))  # noqa: B905
    assert days.days[0] == first
    assert np.isfinite(days.returns).all()
