"""Mistakes in a developer's own strategy: each is named with the strategy, and mostly the bar."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest

from trading.engine.backtest import BacktestConfig, run
from trading.engine.errors import ParameterInvalid, StrategyFaulty
from trading.engine.regimes import classify
from trading.engine.sources import Found
from trading.engine.strategies import Registry, sma_cross
from trading.engine.strategies.base import (
    CHOICE,
    FLOAT,
    INT,
    Features,
    Narrative,
    Parameter,
    Proposal,
    StrategySpec,
)
from trading.tests.engine.walks import random_walk

BAR = 60
BARS = random_walk(5, 200)
CLOSED = str(np.datetime64(int(BARS.closed_at[BAR]), "ns"))[:10]


def prepare(bars, params):
    rises = np.sign(np.diff(bars.close, prepend=bars.close[0]))
    return Features(bars, params, classify(bars.close, bars.bars_per_year), 1, {"rise": rises})


def decide(features, i, state):
    weight = 1.0 if features.arrays["rise"][i] > 0.0 else 0.0
    return Proposal(weight, weight, "RISE", kind="RISE", uses_all_cash=True)


def narrate(features, i, state, proposal):
    return Narrative("a rise is bought", "a fall", {"rise": float(features.arrays["rise"][i])})


OWN = StrategySpec(
    key="mine", name="Mine", summary="Buys rises.", when_it_fails="Mostly.", parameters=(),
    warm_up=lambda params: 1, prepare=prepare, decide=decide, narrate=narrate,
)  # fmt: skip


def registry(**changed):
    spec = replace(OWN, **changed)
    return Registry([sma_cross.SPEC], lambda: [Found("mine", spec=spec)])


def ran(**changed):
    return run(BARS, registry(**changed)["mine"], {}, BacktestConfig(keeps_decisions=True))


def at_the_bar(answer):
    """Decide as ever, and at one bar what is given (or raise it)."""

    def faulty(features, i, state, *proposal):
        if i != BAR:
            return (narrate if proposal else decide)(features, i, state, *proposal)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return faulty


def test_a_sound_strategy_runs_as_it_would_unwatched():
    watched = ran()
    unwatched = run(BARS, OWN, {}, BacktestConfig(keeps_decisions=True))

    assert watched.equity.tolist() == unwatched.equity.tolist()
    assert watched.decisions == unwatched.decisions
    assert len(watched.round_trips) > 20


def test_the_functions_of_shipped_strategies_are_not_wrapped():
    assert registry()["sma_cross"] is sma_cross.SPEC


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ZeroDivisionError("by zero"), "raised ZeroDivisionError: by zero"),
        (SystemExit(3), "raised SystemExit: 3"),
        (KeyError("vix"), "raised KeyError: 'vix'"),
        (None, "returned nothing; a Proposal is needed"),
        (1.0, "returned a float; a Proposal is needed"),
        (Proposal(math.nan, 1.0, "X"), "proposed target_weight nan; it must be a finite number"),
        (Proposal(math.inf, 1.0, "X"), "proposed target_weight inf"),
        (Proposal("1", 1.0, "X"), "proposed target_weight '1'"),
        (Proposal(1.0, math.nan, "X"), "proposed signal nan"),
        (Proposal(1.0, 1.0, "X", stop_distance=math.nan), "proposed stop_distance nan"),
        (Proposal(1.0, 1.0, "X", target_distance=-3.0), "proposed target_distance -3.0"),
        (Proposal(1.0, 1.0, "X" * 61), "proposed rule 'XXX"),
        (Proposal(1.0, 1.0, None), "proposed rule None"),
    ],
)
def test_a_mistake_in_deciding_is_named_with_strategy_and_bar(answer, words):
    with pytest.raises(StrategyFaulty) as refusal:
        ran(decide=at_the_bar(answer))

    place = f"decide of strategy 'mine' at bar {BAR} of {BARS.symbol} (closed {CLOSED}"
    assert str(refusal.value).startswith(place)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ValueError("words fail"), "raised ValueError: words fail"),
        ("a rise", "returned a str; a Narrative is needed"),
        (Narrative(3, ""), "has reason 3; it must be text"),
        (Narrative("", "", {"rise": "up"}), "has input 'rise' of 'up'; it must be a number"),
    ],
)
def test_a_mistake_in_the_words_is_named_with_strategy_and_bar(answer, words):
    with pytest.raises(StrategyFaulty) as refusal:
        ran(narrate=at_the_bar(answer))

    assert f"narrate of strategy 'mine' at bar {BAR} of" in str(refusal.value)
    assert words in str(refusal.value)


def test_an_input_that_is_no_number_is_told_as_unknown():
    told = Narrative("", "", {"gap": math.nan, "rise": np.float32(1.5)})

    decisions = ran(narrate=at_the_bar(told)).decisions

    assert dict(decisions[BAR].inputs) == {"gap": None, "rise": 1.5}


def shortened(bars, params):
    return replace(prepare(bars, params), arrays={"rise": np.diff(bars.close)})


def undecided(bars, params):
    return replace(prepare(bars, params), first=1.5)


def cut(bars, params):
    return prepare(bars.slice(0, 50), params)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prepare": lambda bars, params: None}, "prepare of strategy 'mine' returned nothing"),
        ({"prepare": lambda bars, params: {}["vix"]}, "prepare .* raised KeyError: 'vix'"),
        ({"prepare": shortened}, r"an array 'rise' of shape \(199,\) for 200 bars"),
        ({"prepare": undecided}, "first 1.5; a whole number"),
        ({"prepare": cut}, "50 bars of 200 in Features"),
        ({"decide": lambda features, i, state: features.arrays["rise"][i + 1] and decide(
            features, i, state)}, "at bar 199 .* raised IndexError"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_values_is_named(changed, words):
    with pytest.raises(StrategyFaulty, match=words):
        ran(**changed)


def test_a_parameter_that_the_strategy_itself_refuses_keeps_its_words():
    def check(params):
        if params["n"] == 7:
            raise ParameterInvalid("seven is not for this")

    spec = registry(parameters=(Parameter("n", INT, 5, "N", 1, 10, 1),), check=check)["mine"]

    with pytest.raises(ParameterInvalid, match="seven is not for this"):
        run(BARS, spec, {"n": 7}, BacktestConfig())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"key": "my rule"}, "key 'my rule' must be one word"),
        ({"key": 3}, "key 3 must be one word"),
        ({"key": "sma_cross"}, "key 'sma_cross' is taken by 'Moving-average cross'"),
        ({"name": ""}, "name of mine is ''; it must be text"),
        ({"name": "N" * 81}, "name of mine has 81 letters; at most 80"),
        ({"decide": None}, "decide of mine is None; it must be a function"),
        ({"targets": 1}, "targets of mine is 1; it must be a function or None"),
        ({"parameters": [Parameter("n", INT, 5, "N")]}, "parameters of mine are a list"),
        ({"parameters": ({"n": 5},)}, "parameter 1 of mine is {'n': 5}, not a Parameter"),
        ({"warm_up": lambda params: -5}, "warm_up of strategy 'mine' returned -5"),
        ({"warm_up": lambda params: sys.exit("no")}, "raised SystemExit: no"),
        ({"check": lambda params: 1 // 0}, "check of strategy 'mine' raised ZeroDivisionError"),
    ],
)
def test_a_spec_that_cannot_work_is_left_out_with_why(changed, words):
    found = registry(**changed)

    assert list(found) == ["sma_cross"]
    assert words in found.left_out()["mine"]


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (Parameter("n", INT, 5, "N", 10, 1, 1), "has low 10 above high 1"),
        (Parameter("n", INT, 50, "N", 1, 10, 1), "parameter n of mine is 50; it must be at most"),
        (Parameter("n", INT, 5, "N", 1, 10, 0), "has step 0; it must be above 0"),
        (Parameter("n", FLOAT, 5.0, "N", math.nan, 10, 1), "has low nan; it must be a finite"),
        (Parameter("n", FLOAT, 5.0, "N", 1, "ten", 1), "has high 'ten'; it must be a finite"),
        (Parameter("n", "int", 5, "N", 1, 10, 1), "has kind 'int'; there are INT, FLOAT, CHOICE"),
        (Parameter("n", CHOICE, "a", "N"), "has no choices in words"),
        (Parameter("my n", INT, 5, "N", 1, 10, 1), "must have one word for a key"),
        (Parameter("n", INT, 5, "", 1, 10, 1), "has no meaning in words"),
    ],
)
def test_a_schema_that_cannot_work_is_left_out_with_why(parameter, words):
    assert words in registry(parameters=(parameter,)).left_out()["mine"]


def test_a_parameter_may_be_there_once_only():
    n = Parameter("n", INT, 5, "N", 1, 10, 1)

    assert "is there twice" in registry(parameters=(n, n)).left_out()["mine"]
