"""What a decision says of itself is true: of its rule, its size, its blocks and its regime."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from trading.engine.allocation import Allocation
from trading.engine.backtest import BacktestConfig, run
from trading.engine.checks.held import held_states
from trading.engine.planning import StepContext
from trading.engine.portfolio_backtest import run_portfolio
from trading.engine.regimes import regimes_of
from trading.engine.shared_account import Leg
from trading.engine.state import start
from trading.engine.step import prepare, step
from trading.engine.strategies import sma_cross, strategy_get
from trading.engine.strategies.base import Narrative, Proposal
from trading.engine.types import DecisionAction, regime_of
from trading.tests.engine.walks import random_walk, tape

KEPT = BacktestConfig(keeps_decisions=True)
ADAPTIVE = "volatility_adaptive_trend"
BARS = random_walk(12, 260)


@cache
def decisions(key, bars=BARS, **params):
    return run(bars, key, {name.replace("__", "."): v for name, v in params.items()}, KEPT)


def with_action(found, *actions):
    return [one for one in found.decisions if str(one.action) in actions]


def numbers(words):
    return [float(part.replace(",", "")) for part in re.findall(r"\d[\d,]*\.\d\d", words)]


# --- RSI(2) reversion ---------------------------------------------------------------------------


def test_every_condition_that_keeps_rsi2_out_of_a_dip_is_named():
    found = with_action(decisions("rsi2_reversion", trend_bars=20), "NO_TRADE")

    dips = [one for one in found if one.inputs["rsi"] < 10.0]

    assert dips
    for one in dips:
        is_low, is_up = (
            one.close <= one.inputs["exit_mean"],
            one.close > one.inputs["trend_mean"],
        )
        assert ("is above its 5-bar average" in one.reason) is not is_low
        assert ("is not above its 20-bar average" in one.reason) is not is_up
        # What holds already would have changed nothing.
        assert "RSI(2) below" not in one.would_change
        assert ("a close above" in one.would_change) is not is_up


def test_an_exit_of_rsi2_for_time_is_not_called_a_recovery():
    found = decisions("rsi2_reversion", max_bars=3)
    exits = with_action(found, "EXIT")

    over = [one for one in exits if one.close <= one.inputs["exit_mean"]]

    assert 0 < len(over) < len(exits)
    assert all("3 bars held, the limit is 3" in one.reason for one in over)
    assert all(one.would_change.endswith("it: a later limit.") for one in over)
    reasons = [trip.exit_reason for trip in found.round_trips]
    assert set(reasons) == {"RECOVERED", "HOLDING_LIMIT"}
    assert reasons.count("HOLDING_LIMIT") == len(over)


def test_both_paths_of_rsi2_give_an_exit_the_same_reason():
    params = {"max_bars": 3, "sizing": "volatility_target"}

    compiled, stepped = (run(BARS, "rsi2_reversion", params, c) for c in (BacktestConfig(), KEPT))

    assert compiled.fill_reasons == stepped.fill_reasons
    assert "HOLDING_LIMIT" in compiled.fill_reasons


# --- volatility-adaptive trend ------------------------------------------------------------------

TARGETS = {f"target_atr__{name}": 1.0 for name in ("LOW", "NORMAL", "HIGH", "EXTREME")}


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({}, "RECOVERED"),
        ({"stop_atr": 0.5, "trail_atr": 0.5}, "STOP"),
        (TARGETS, "TARGET"),
        ({"holding_bars": 2}, "HOLDING_LIMIT"),
        ({"trend_bars": 10}, "TREND_DOWN"),
    ],
)
def test_what_would_have_kept_a_position_is_not_what_was(params, rule):
    found = decisions(ADAPTIVE, breaker="off", **params)
    rules = {
        fill.bar - 1: reason for fill, reason in zip(found.fills, found.fill_reasons, strict=True)
    }
    exits = [one for one in with_action(found, "EXIT") if rules.get(one.bar) == rule]

    assert exits
    for one in exits:
        low, high = one.would_change.rfind(" above "), one.would_change.find(" at or below ")
        assert "still long on a close" in one.would_change
        if low >= 0:
            assert one.close <= numbers(one.would_change[low:])[0]
        if rule in ("RECOVERED", "TARGET"):
            assert one.close > numbers(one.would_change[high:])[0]


def test_a_dip_without_a_share_of_the_size_is_blocked_and_says_why():
    found = with_action(decisions(ADAPTIVE, breaker="off", pullback_share=0.0), "NO_TRADE")

    dips = [one for one in found if "marks a dip" in one.reason]

    assert dips
    assert {one.blocked_by for one in dips} == {"NO_SIZE"}
    assert all("dips get a share of 0 of the size" in one.reason for one in dips)


def test_a_position_that_is_resized_says_to_what_and_why():
    found = with_action(
        decisions(ADAPTIVE, breaker="off", no_trade_band=0.02), "REDUCE", "INCREASE"
    )

    assert {str(one.action) for one in found} == {"REDUCE", "INCREASE"}
    for one in found:
        held = {line.label: line.value for line in one.sizing}["held quantity"]
        equity = {line.label: line.value for line in one.sizing}["× equity"]
        share = f"{held * one.close / equity:.1%} held; "
        assert f": {one.target_weight:.1%} of equity is wanted (volatility" in one.reason
        assert share in one.reason


def test_a_position_that_the_breaker_cuts_says_so():
    limits = {"breaker_daily_loss": 0.02, "breaker_drawdown": 0.06, "no_trade_band": 0.02}
    found = decisions(ADAPTIVE, **limits)

    cut = [one for one in with_action(found, "REDUCE") if "circuit breaker" in one.reason]

    assert cut
    factors = {line.label: line.value for line in cut[0].sizing}
    assert f"× {factors['× breaker']:g} by the circuit breaker" in cut[0].reason


# --- turns, slots, regimes, prices that stand still -----------------------------------------------


def flipping(features, i, state):
    weight = 0.5 if i % 20 < 10 else -0.5
    return Proposal(weight, weight, "LONG" if weight > 0.0 else "SHORT", rebalances=True,
                    no_trade_band=0.3)  # fmt: skip


def test_an_order_that_turns_a_position_is_an_entry_on_the_other_side():
    spec = replace(
        sma_cross.SPEC,
        prepare=lambda bars, params: replace(sma_cross.prepare(bars, params), table=None),
        decide=flipping,
        narrate=lambda *args: Narrative("a side", "nothing"),
        targets=None,
    )
    found = run(BARS, spec, {}, KEPT)

    turns = [one for one in found.decisions if one.action is not DecisionAction.HOLD]
    turns = [one for one in turns if one.action is not DecisionAction.WARM_UP]

    assert {str(one.action) for one in turns} == {"ENTER_LONG", "ENTER_SHORT"}
    assert len(turns) == len(found.fills) > 10


@pytest.mark.slow
def test_a_wish_without_a_place_in_the_account_is_no_purchase():
    legs = [Leg(replace(BARS, symbol=name), "sma_cross", {"fast": 3, "slow": 9}) for name in "AB"]

    found = run_portfolio(legs, KEPT, Allocation(max_positions=1))

    waiting = [one for one in found.account.decisions if one.symbol == "B" and one.blocked_by]
    waiting = [one for one in waiting if one.blocked_by != "WARM_UP"]
    assert {(str(one.action), one.blocked_by) for one in waiting} == {("NO_TRADE", "NO_SLOT")}
    assert waiting[0].reason.endswith("; every place of the portfolio is taken.")
    entered = [one for one in found.account.decisions if one.action is DecisionAction.ENTER_LONG]
    assert len(entered) == sum(fill.signed_quantity > 0.0 for fill in found.account.fills)


@pytest.mark.parametrize("key", [ADAPTIVE, "rsi2_reversion"])
def test_a_decision_and_the_trade_it_opens_belong_to_one_regime(key):
    found = decisions(key)
    regimes = regimes_of(BARS)

    at = {one.bar: one for one in found.decisions}

    assert not np.array_equal(regimes.codes, regimes.settled_codes)
    assert [one.regime for one in found.decisions] == [regime_of(c) for c in regimes.codes]
    assert all(at[trip.signal_bar].regime == trip.regime for trip in found.round_trips)


def test_the_regime_that_parameters_follow_is_named_where_it_differs():
    regimes = regimes_of(BARS)
    named = {
        one.bar: line
        for one in decisions(ADAPTIVE).decisions
        for line in one.parameters
        if line.name == "regime_followed"
    }

    ready = decisions(ADAPTIVE).decisions[60:]
    differ = {one.bar for one in ready if regimes.codes[one.bar] != regimes.settled_codes[one.bar]}

    assert set(named) == differ
    assert all(line.now == str(regime_of(regimes.settled_codes[i])) for i, line in named.items())


STILL = tape([(50.0, 50.0, 50.0, 50.0)] * 270)


@pytest.mark.parametrize(
    "key", ["sma_cross", "rsi2_reversion", "donchian_breakout", ADAPTIVE, "hybrid"]
)
@pytest.mark.parametrize("keeps_decisions", [False, True])
def test_nothing_is_bought_while_the_price_has_never_moved(key, keeps_decisions):
    config = BacktestConfig(keeps_decisions=keeps_decisions)

    assert run(STILL, key, {}, config).fills == ()


def test_a_position_that_stands_still_has_no_forecast():
    features = prepare(STILL, ADAPTIVE)
    trend = held_states(features, 100, 1e5)[1].changed(stop_price=40.0)

    outcome = step(features, 100, trend, StepContext(strategy_get(ADAPTIVE)))

    assert outcome.decision.signal == 0.0


def test_rsi2_says_that_it_knows_nothing_of_a_price_that_never_moved():
    last = decisions("rsi2_reversion", STILL.slice(0, 20)).decisions[-1]

    assert last.inputs["rsi"] is None
    assert "not known before the price moves" in last.reason


def test_a_position_left_within_the_band_is_not_called_rounded():
    context = StepContext(strategy_get(ADAPTIVE), quantity_step=0.0001)
    features = prepare(BARS, ADAPTIVE)
    held = replace(start(1_000.0), cash=500.0, quantity=500.0 / BARS.close[-2], entry_kind="TREND")
    outcomes = [step(features, i, held, context) for i in range(60, len(BARS))]

    within = [
        {line.label: line.text for line in one.decision.sizing}
        for one in outcomes
        if one.decision.blocked_by == "NO_TRADE_BAND"
    ]

    assert within
    for lines in within:
        assert lines["target quantity"].endswith(
            "as now: the difference lies within the no-trade band"
        )
        assert lines["order quantity"] == "nothing to order"
