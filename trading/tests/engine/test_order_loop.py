"""Orders that do not simply fill whole: the compiled loop leaves the bits the step leaves."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from trading.engine import order_kernels, order_loop, simulation
from trading.engine.backtest import BacktestConfig, curve_of, is_compiled, run
from trading.engine.costs import CostModel
from trading.engine.execution import Blotter
from trading.engine.fill_rules import FillRules, payable_quantity
from trading.engine.fills import BarPrices
from trading.engine.market import market_of
from trading.engine.order_kernels import Charges, payable_nb, rested_nb
from trading.engine.own_limits import OwnLimits
from trading.engine.positions import Position, begin_nb
from trading.engine.protection import level_of, protection_met, protective_orders
from trading.engine.rules import (
    COST_RATE,
    DIP_WEIGHT,
    ENTER_TREND,
    HOLDING_LIMIT,
    N_COLUMNS,
    PROTECTED,
    REASONS,
    SIGNALS,
    STOP_DISTANCE,
    TREND_WEIGHT,
    RuleTable,
)
from trading.engine.state import start
from trading.engine.strategies import strategy_get
from trading.engine.strategies.tables import propose
from trading.engine.types import AssetClass, OrderStatus, TimeInForce
from trading.tests.engine.laws import length, some
from trading.tests.engine.rules_by_hand import by_hand, coin
from trading.tests.engine.walks import random_walk, tape

N_BARS = length(600, quick=340)
OPEN = random_walk(5, N_BARS, 0.02)
# Volumes so small that orders of a tenth of them are filled in parts, or not at all.
RNG = np.random.default_rng(7)
THIN = np.round(RNG.uniform(0.0, 900.0, N_BARS)) * (RNG.random(N_BARS) < 0.8)
BARS = {
    "open": replace(OPEN, volume=THIN),
    "close": replace(OPEN, volume=THIN, exec_price="CLOSE"),
}
FREE = CostModel()
DEAR = CostModel(
    preset=AssetClass.EQUITY,
    spread_bps=1.0,
    range_share=0.05,
    impact=0.8,
    commission_per_unit=0.01,
    commission_minimum=2.0,
    financing_bps_per_year=900.0,
)
CONFIGS = {
    "plain": BacktestConfig(cost_preset=AssetClass.EQUITY, tick_size=0.01),
    "day": BacktestConfig(max_participation=0.1, quantity_step=1.0),
    "carried": BacktestConfig(
        cost_model=DEAR, max_participation=0.1, time_in_force=TimeInForce.GTC, tick_size=0.01
    ),
    "dear": BacktestConfig(cost_model=DEAR, quantity_step=1.0, start_index=20),
    "lent": BacktestConfig(cost_model=CostModel(2.0, 3.0, financing_bps_per_year=2_000.0)),
}
LEVELS = {"protection": "resting", "stop_atr": 1.0, "trail_atr": 2.0, "target_atr.NORMAL": 1.5}
RULES = {
    "trend": ("volatility_adaptive_trend", LEVELS),
    "watched": ("volatility_adaptive_trend", {}),
    "hybrid": ("hybrid", {"protection": "resting", "entry_level": 30.0}),
    "all in": ("rsi2_reversion", {"trend_bars": 50}),
}
CASES = [(rule, at, terms) for rule in RULES for at in BARS for terms in CONFIGS]


def left(result):
    """Everything of a run that the paths must agree on."""
    return (
        result.orders,
        result.fills,
        result.signal_bars,
        result.fill_reasons,
        result.costs,
        result.final_state,
    )


@pytest.mark.parametrize(("rule", "at", "terms"), some(CASES, 13))
def test_the_loop_leaves_the_orders_fills_costs_and_state_of_the_step(rule, at, terms):
    key, params = RULES[rule]
    # Where everything is plain, all-in rules have a loop and words of their own.
    is_own = rule == "all in" and CONFIGS[terms].terms.is_plain
    config = replace(CONFIGS[terms], allows_all_cash=not is_own)
    assert is_compiled(BARS[at], strategy_get(key), strategy_get(key).defaults | params, config)

    compiled = run(BARS[at], key, params, config)
    stepped = run(BARS[at], key, params, replace(config, keeps_decisions=True))

    assert len(stepped.fills) > 5
    assert left(compiled) == left(stepped)
    assert compiled.equity.tobytes() == stepped.equity.tobytes()
    curve = curve_of(BARS[at], strategy_get(key), params, config)
    assert curve.equity.tobytes() == stepped.equity.tobytes()
    assert curve.n_round_trips == len(stepped.round_trips)


@pytest.mark.slow
@pytest.mark.parametrize(("at", "carries"), some(list(product(BARS, list(TimeInForce)[:2])), 3))
def test_coins_meet_every_turn_an_order_can_take(at, carries):
    seen = set()
    for seed in range(length(40, quick=2)):
        spec = coin(0.02, 0.03, seed, rebalances=seed % 2 == 1, uses_all_cash=seed % 3 == 1)
        config = BacktestConfig(
            max_participation=0.3, time_in_force=carries, quantity_step=float(seed % 4 == 2),
            cost_model=DEAR if seed % 2 else FREE,
        )  # fmt: skip
        compiled = run(BARS[at].until(220), spec, {}, config)
        stepped = run(BARS[at].until(220), spec, {}, replace(config, keeps_decisions=True))
        assert left(compiled) == left(stepped)
        seen |= {order.status for order in stepped.orders} | set(stepped.fill_reasons)
    assert seen >= {OrderStatus.FILLED, OrderStatus.CANCELED, "STOP_REACHED", "TARGET_REACHED"}


@pytest.mark.parametrize("terms", some(["carried", "dear"], 2))
def test_the_uncompiled_loop_gives_the_bits_of_the_compiled(terms, monkeypatch):
    bars, config = BARS["close"].until(290), CONFIGS[terms]
    compiled = run(bars, "volatility_adaptive_trend", LEVELS, config)
    for module, names in (
        (order_loop, ("charges_nb", "most_nb", "ordered_nb", "filled_at_nb", "rested_nb")),
        (order_kernels, ("payable_nb", "cost_nb")),
        (simulation.order_loop, ("simulate_orders_nb",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name).py_func)

    plain = run(bars, "volatility_adaptive_trend", LEVELS, config)

    assert set(plain.fill_reasons) & PROTECTED
    assert left(plain) == left(compiled)


def test_interest_on_negative_cash_is_that_of_the_blotter():
    config, bars = CONFIGS["lent"], OPEN.until(300)
    features = strategy_get("sma_cross").prepare(bars, strategy_get("sma_cross").defaults)
    market = market_of(bars, features.regimes.codes, config.costs)
    blotter = Blotter(replace(start(1.0), cash=-1_000.0))
    for i in range(len(bars)):
        blotter.accrue(i, market, config.terms)

    found = simulation.simulate_orders(features, cash=-1_000.0, terms=config.terms)

    assert found.interest == blotter.financing > 0.0
    assert found.cash[-1] == blotter.state.cash


def test_what_no_bar_had_volume_for_is_still_at_work_at_the_end():
    def table_of(bars):
        rows = np.full((N_COLUMNS, 6), np.nan).T
        rows[:, SIGNALS], rows[:, COST_RATE], rows[:, HOLDING_LIMIT] = ENTER_TREND, 0.0, 0.0
        rows[:, TREND_WEIGHT] = rows[:, DIP_WEIGHT] = [0.5, 0.5, 0.9, 0.5, 0.5, 0.5]
        return RuleTable(rows, rebalances=True, no_trade_band=0.2)

    bars = replace(tape([(10.0, 10.0, 10.0, 10.0)] * 6), volume=np.array([9, 999, 9, 0, 0, 0.0]))
    config = BacktestConfig(cash=100.0, max_participation=0.5, time_in_force=TimeInForce.GTC)
    spec = by_hand(propose, table_of)

    compiled = run(bars, spec, {}, config)

    stepped = run(bars, spec, {}, replace(config, keeps_decisions=True))
    assert [order.status for order in compiled.orders] == ["FILLED", "ACCEPTED"]
    assert left(compiled) == left(stepped)


def always_long(stop, **terms):
    """Buy on the first bar and hold, with a stop that rests a given distance below."""

    def table_of(bars):
        rows = np.full((N_COLUMNS, len(bars)), np.nan).T
        rows[:, SIGNALS], rows[:, COST_RATE], rows[:, HOLDING_LIMIT] = ENTER_TREND, 0.0, 0.0
        rows[:, TREND_WEIGHT], rows[:, DIP_WEIGHT], rows[:, STOP_DISTANCE] = 1.0, 1.0, stop
        return RuleTable(rows, rests_protection=True, **terms)

    return by_hand(propose, table_of)


CALM, CHEAP = (10.0, 10.0, 10.0, 10.0), (9.0, 9.0, 9.0, 9.0)
TAPES = {
    "all cash in two parts, the second cheaper": ([CALM, CALM, CHEAP, CHEAP], [9, 8, 999, 9], 5.0),
    "stopped for lack of volume": ([CALM, CALM, (10.0, 10.0, 7.0, 8.0)], [9, 999, 4], 1.0),
    "a source without volumes": ([CALM, CALM, CHEAP, (9.0, 9.0, 4.0, 5.0)], [0, 0, 0, 0], 5.0),
}


@pytest.mark.parametrize("case", TAPES)
def test_typed_bars_leave_what_the_step_leaves(case):
    rows, volumes, stop = TAPES[case]
    bars = replace(tape(rows), volume=np.array(volumes, dtype=float))
    config = BacktestConfig(
        cash=100.0, commission_bps=50.0, max_participation=0.5, time_in_force=TimeInForce.GTC
    )
    spec = always_long(stop, uses_all_cash=True)

    compiled = run(bars, spec, {}, config)

    assert left(compiled) == left(run(bars, spec, {}, replace(config, keeps_decisions=True)))
    assert len(compiled.fills) == 2
    assert compiled.final_state.is_stopped is (case == "stopped for lack of volume")


@pytest.mark.parametrize("volume", [0.0, 30.0, 1e6])
@pytest.mark.parametrize("levels", [(95.004, 110.006), (95.0, np.nan), (np.nan, 110.0)])
@pytest.mark.parametrize("price_field", ["OPEN", "CLOSE"])
def test_a_bar_meets_what_rests_as_its_source_does(levels, volume, price_field):
    position = Position(1, 3, *levels, 0)
    charges = Charges(0.001, 2e-4, 1e-3, 0.01, 1.0, 1.0, before=0.0)
    stop, target = (None if np.isnan(level) else level for level in levels)
    held = replace(start(9.0), quantity=20.0, rests_protection=True)
    orders = protective_orders(replace(held, stop_price=stop, target_price=target), "X", 0.01)
    rules = FillRules(0.001, 2e-4, 0.1, 1.0, price_field, 1e-3, 0.01, 1.0)
    rng = np.random.default_rng(3)
    drawn = np.sort(rng.uniform(90.0, 115.0, (60, 3)))
    # The last opens beyond the target and falls through the stop.
    for low, opened, high in (*drawn, (94, 95.0, 96), (109, 110.01, 111), (90.0, 112.0, 113.0)):
        close = rng.uniform(low, high)
        begin = begin_nb.py_func(opened, high, low, close, price_field == "CLOSE")
        given = (position, 20.0, begin, high, low, 0.01, 0.1 * volume, charges)
        reason, quantity, price, level = rested_nb(*given)
        met = protection_met(orders, BarPrices(opened, high, low, close, volume, 0), rules)
        assert rested_nb.py_func(*given) == (reason, quantity, price, level)
        if met is None:
            assert reason == 0
        else:
            assert (REASONS[reason], quantity) == (met.reason, met.execution.quantity)
            assert level == level_of(met.order)
            assert not quantity or price == met.execution.price


@pytest.mark.parametrize("quantity_step", [0.0, 1.0])
@pytest.mark.parametrize(
    "charges", [(0.0, 0.0, 0.0), (0.001, 0.0, 0.0), (0.0, 0.01, 5.0), (0.002, 0.01, 1.0)]
)
def test_cash_pays_for_what_the_source_says_it_pays_for(charges, quantity_step):
    impact, per_unit, minimum = charges
    rules = FillRules(2e-4, 1e-3, None, quantity_step, "OPEN", impact, per_unit, minimum)
    given = Charges(2e-4, 1e-3, impact, per_unit, minimum, quantity_step, 0.0)
    for cash in (-5.0, 0.0, 3.0, 1_234.5, 1e6):
        assert payable_nb(cash, 12.3, given) == payable_quantity(cash, 12.3, rules)


def test_who_asks_why_or_limits_himself_goes_step_by_step():
    spec = strategy_get("volatility_adaptive_trend")
    config = CONFIGS["carried"]

    assert is_compiled(OPEN, spec, spec.defaults, config)
    for more in ({"keeps_decisions": True}, {"limits": OwnLimits(max_gross_exposure=0.3)}):
        assert not is_compiled(OPEN, spec, spec.defaults, replace(config, **more))
