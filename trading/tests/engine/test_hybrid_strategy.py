"""The hybrid strategy: its rule by hand, its model bound by time, its words."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from marketdata.types import Bars
from trading.engine import hybrid as rule
from trading.engine.backtest import BacktestConfig, run
from trading.engine.breaker import BreakerState
from trading.engine.errors import ConfigInvalid, ParameterInvalid
from trading.engine.learning.features import GATE_FEATURES
from trading.engine.learning.fitted import EXACT_TERMS, DatedModel, FittedModel
from trading.engine.planning import StepContext
from trading.engine.state import StrategyState, start
from trading.engine.step import prepare, step
from trading.engine.strategies import resolve_params
from trading.engine.strategies.hybrid import SPEC, with_model
from trading.engine.strategies.hybrid_words import _parameters
from trading.engine.types import AssetClass, DecisionAction, RegimeCode
from trading.tests.engine.laws import length, some
from trading.tests.engine.models_by_hand import logistic
from trading.tests.engine.walks import DAY_NS, random_walk

BARS = random_walk(12, length(800, quick=560))
# Bars from which the two models decide.
FIRST, SECOND = length(450, quick=330), length(620, quick=440)
CONFIG = BacktestConfig(cost_preset=AssetClass.EQUITY, keeps_decisions=True)


@cache
def model(number: int = 1) -> FittedModel:
    """One of two models that weigh the features differently; both veto some candidates."""
    weights = 0.3 * np.random.default_rng(number).standard_normal(len(GATE_FEATURES))
    return logistic(weights, GATE_FEATURES, score_quantiles=np.linspace(0.525, 0.6, 101))


def bound(*first_bars: int):
    dated = [DatedModel(bar * DAY_NS, model(k)) for k, bar in enumerate(first_bars, 1)]
    return with_model(SPEC, dated)


@cache
def whole_run():
    return run(BARS, bound(FIRST, SECOND), {}, CONFIG)


@cache
def rule_alone(breaker="on"):
    return run(BARS, SPEC, {"breaker": breaker}, CONFIG)


def test_without_a_model_every_candidate_is_bought_and_the_fallback_is_named():
    entries = [d for d in rule_alone().decisions if d.action is DecisionAction.ENTER_LONG]
    assert len(entries) > 5
    assert all("fallback rules in use: no model decides" in d.reason for d in entries)
    assert all(d.inputs["rsi"] < 10.0 and d.inputs["range_position"] < 0.2 for d in entries)


def test_a_model_decides_only_from_its_own_moment_on():
    features = bound(FIRST, SECOND).prepare(BARS, SPEC.defaults)

    asked = np.flatnonzero(features.arrays["probability"] >= 0.0)
    assert asked.min() >= FIRST
    in_force = features.arrays["model"][[FIRST - 1, FIRST, SECOND - 1, SECOND]]
    assert in_force.tolist() == [-1, 0, 0, 1]


def test_each_candidate_is_judged_by_the_model_in_force_at_its_close():
    features = bound(FIRST, SECOND).prepare(BARS, SPEC.defaults)

    asked = np.flatnonzero(features.arrays["probability"] >= 0.0)
    assert asked.min() < SECOND <= asked.max()
    for i in asked:
        one = model(2 if i >= SECOND else 1)
        row = np.array([features.arrays[f"feature:{name}"][i] for name in one.names])
        assert features.arrays["probability"][i] == one.probability(row)
        assert features.arrays["threshold"][i] == one.threshold(rule.VETO_SHARE)


@pytest.mark.slow
def test_a_vetoed_candidate_is_not_bought_and_says_why():
    decisions = [d for d in whole_run().decisions if "below the veto" in d.reason]

    vetoed = [d for d in decisions if d.inputs["probability"] < d.inputs["threshold"]]
    assert vetoed
    assert all(d.action is DecisionAction.NO_TRADE for d in vetoed)
    assert all("P(win)" in d.reason and EXACT_TERMS in d.reason for d in vetoed)
    assert sum(key.startswith("contribution:") for key in vetoed[0].inputs) == 10
    json.dumps(vetoed[0].to_dict(), allow_nan=False)


@pytest.mark.slow
def test_the_signal_of_an_entry_is_what_its_probability_earns_of_the_full_weight():
    confidence = bound(FIRST, SECOND).prepare(BARS, SPEC.defaults).arrays["confidence"]

    entries = [d for d in whole_run().decisions if d.action is DecisionAction.ENTER_LONG]

    assert [d.signal for d in entries] == [confidence[d.bar] for d in entries]
    assert min(d.signal for d in entries) < 1.0


@pytest.mark.parametrize("cut", some([400, 530, 740], 3, first=1))
def test_nothing_after_a_bar_changes_a_decision_of_a_bound_model(cut):
    columns = {
        name: getattr(BARS, name).copy() for name in ("open", "high", "low", "close", "volume")
    }
    for column in columns.values():
        column[cut + 1 :] = column[cut + 1 :][::-1] * 3.0
    other = Bars("WALK", "1d", BARS.closed_at, **columns)

    changed = run(other, bound(FIRST, SECOND), {}, CONFIG)

    assert changed.decisions[: cut + 1] == whole_run().decisions[: cut + 1]
    assert np.array_equal(changed.equity[: cut + 1], whole_run().equity[: cut + 1])


@pytest.mark.slow
def test_a_later_model_changes_nothing_before_it():
    early = run(BARS, bound(FIRST), {}, CONFIG)

    assert early.decisions[:SECOND] == whole_run().decisions[:SECOND]
    assert early.decisions != whole_run().decisions


def test_every_round_trip_equals_the_exit_rule_of_the_protocol():
    found = rule_alone("off")
    atr = rule.hybrid_inputs(BARS).atr
    regimes = prepare(BARS, "hybrid").regimes
    rates = prepare(BARS, "hybrid").arrays["cost_rate"]

    for trip in found.round_trips:
        code, s = int(regimes.relative_codes[trip.signal_bar]), trip.signal_bar
        reasons = [
            rule.exit_next_nb(
                BARS.close[i], trip.entry_price, i - s, rates[s], rates[i], atr[s],
                rule.TAKE_ATR[code], rule.STOP_ATR[code], rule.MAX_BARS[code],
            )
            for i in range(s + 1, trip.exit_bar)
        ]  # fmt: skip
        assert reasons[-1] > 0
        assert not any(reasons[:-1])


def test_size_rises_with_the_probability_within_its_caps():
    decisions = [d for d in whole_run().decisions if d.action is DecisionAction.ENTER_LONG]

    asked = [d for d in decisions if d.inputs["probability"] is not None]
    by_probability = sorted(asked, key=lambda d: d.inputs["probability"])
    signals = [d.signal for d in by_probability if d.decided_at < SECOND * DAY_NS]
    assert signals == sorted(signals)
    assert all(0.5 <= d.signal <= 1.0 and d.target_weight <= 0.95 for d in decisions)


def test_a_regime_may_have_a_veto_of_its_own():
    strict = {"veto_share.HIGH": 0.9, "veto_share.EXTREME": 0.9}
    spec = bound(FIRST)

    plain, own = spec.prepare(BARS, SPEC.defaults), spec.prepare(BARS, SPEC.defaults | strict)

    was_asked = plain.arrays["probability"] >= 0.0
    is_wild = was_asked & (plain.regimes.relative_codes >= 2)
    threshold, other = plain.arrays["threshold"], own.arrays["threshold"]
    assert is_wild.any()
    assert (other[is_wild] > threshold[is_wild]).all()
    assert (other[was_asked & ~is_wild] == threshold[was_asked & ~is_wild]).all()
    i = int(np.flatnonzero(is_wild)[0])
    regime = RegimeCode(int(plain.regimes.relative_codes[i])).name
    told = {line.name: line for line in _parameters(own, i)}["veto_share"]
    assert (told.base, told.now) == (0.1, 0.9)
    assert told.because == f"{regime} regime: you set it to 0.9, the base is 0.1"


def test_an_own_veto_is_bounded_like_the_base():
    with pytest.raises(ParameterInvalid, match=r"veto_share.HIGH of hybrid is 1; .* at most 0.9"):
        resolve_params(SPEC, {"veto_share.HIGH": 1})
    with pytest.raises(ParameterInvalid, match=r"hybrid has no parameter 'max_bars.HIGH'"):
        resolve_params(SPEC, {"max_bars.HIGH": 5})


@pytest.mark.slow
def test_costs_that_eat_the_edge_keep_the_rule_out():
    found = run(BARS, SPEC, {"cost_class": "CRYPTO"}, CONFIG)

    assert found.fills == ()
    assert any("not traded" in d.reason for d in found.decisions)


def test_regime_and_distance_are_explained():
    entry = next(d for d in whole_run().decisions if d.action is DecisionAction.ENTER_LONG)

    lines = {line.name: line for line in entry.parameters}
    assert "regime of the signal bar" in lines["take_atr"].because
    assert lines["stop_atr"].now in rule.STOP_ATR
    assert [line.label for line in entry.sizing][:3] == [
        "target volatility", "volatility", "volatility-target weight",
    ]  # fmt: skip


def test_a_held_position_without_levels_leaves_at_the_limit_it_was_given():
    features = prepare(BARS, "hybrid")
    held = {"quantity": 1.0, "avg_entry_price": 1.0, "entry_kind": "PULLBACK"}
    state = replace(start(1_000.0), bars_held=39, holding_limit=40, **held)

    outcome = step(features, 500, state, StepContext(spec=SPEC))

    assert isinstance(outcome.state, StrategyState)
    assert outcome.order_intent.reason == "HOLDING_LIMIT"
    assert "limit is 40" in outcome.decision.reason


def halted(i: int, **values: float) -> StrategyState:
    """The memory of a book whose breaker stays halted past bar ``i``."""
    at = int(BARS.closed_at[i])
    breaker = BreakerState(level=3, since_at=at - DAY_NS, until_at=at + DAY_NS, rule=2, n_trips=1)
    return replace(start(1_000.0), breaker=breaker, **values)


def test_a_halted_breaker_buys_no_dip_and_says_so():
    i = next(d.bar for d in whole_run().decisions if d.action is DecisionAction.ENTER_LONG)

    outcome = step(prepare(BARS, "hybrid"), i, halted(i), StepContext(spec=SPEC))

    assert outcome.order_intent is None
    assert outcome.decision.blocked_by == "BREAKER"
    lines = {line.name: line.now for line in outcome.decision.parameters}
    assert lines["breaker"] == "HALTED"
    assert "× breaker" in [line.label for line in outcome.decision.sizing]


def test_a_halted_breaker_sells_what_the_rule_would_hold():
    price = float(BARS.close[500])
    held = {"quantity": 1.0, "avg_entry_price": price, "entry_kind": "PULLBACK"}

    outcome = step(prepare(BARS, "hybrid"), 500, halted(500, **held), StepContext(spec=SPEC))

    assert outcome.order_intent.closes_position
    assert outcome.order_intent.reason == "BREAKER"


def test_with_the_breaker_off_nothing_of_it_is_kept_or_said():
    features = prepare(BARS, "hybrid", {"breaker": "off"})

    outcome = step(features, 500, start(1_000.0), StepContext(spec=SPEC))

    assert outcome.state.breaker is None
    assert "breaker" not in {line.name for line in outcome.decision.parameters}


@pytest.mark.slow
def test_a_breaker_that_trips_during_a_backtest_changes_its_trades():
    tight = {"breaker_daily_loss": 0.005, "breaker_drawdown": 0.02}

    found = run(BARS, SPEC, tight, CONFIG)

    assert any(d.blocked_by == "BREAKER" for d in found.decisions)
    assert found.round_trips != rule_alone("off").round_trips


def test_models_out_of_order_or_with_other_features_are_refused():
    with pytest.raises(ConfigInvalid, match="in order of valid_from"):
        bound(5, 5)
    other = replace(model(), names=("moon", *model().names[1:]))
    with pytest.raises(ConfigInvalid, match="moon"):
        with_model(SPEC, [DatedModel(0, other)])
