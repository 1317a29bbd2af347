"""Parameters follow the regime inside their bounds, each with a sentence."""

from functools import cache

import numpy as np
import pytest

from trading.engine.adaptive import RULES, AdaptiveBase, adapt, explain
from trading.engine.adaptive_grid import grid
from trading.engine.backtest import BacktestConfig, run
from trading.engine.errors import ParameterInvalid
from trading.engine.strategies import resolve_params, strategy_get
from trading.tests.engine.walks import random_walk

TREND = "volatility_adaptive_trend"
WALK = random_walk(11, 420)


@pytest.mark.parametrize("code", [-1, 0, 1, 2, 3])
def test_every_parameter_stays_inside_its_bounds(code):
    extreme = AdaptiveBase(1_000, 90.0, 5.0, 20.0, 20.0, 500)

    now = adapt(extreme, code)

    for name, rule in RULES.items():
        assert rule.low <= getattr(now, name) <= rule.high


def test_size_never_grows_with_the_regime():
    sizes = [adapt(AdaptiveBase(), code).size_factor for code in range(4)]

    assert sizes == sorted(sizes, reverse=True)


def test_normal_and_unknown_keep_the_base():
    base = AdaptiveBase()

    assert adapt(base, 1) == adapt(base, -1)
    assert adapt(base, 1).lookback_bars == base.lookback_bars


@pytest.mark.parametrize("code", [-1, 0, 1, 2, 3])
def test_every_parameter_says_why_it_is_what_it_is(code):
    base = AdaptiveBase(target_atr=3.0)

    lines = explain(base, adapt(base, code), code)

    assert [line.name for line in lines] == list(RULES)
    assert all(line.because for line in lines)
    changed = [line for line in lines if line.base != line.now]
    assert all("regime" in line.because for line in changed)
    assert bool(changed) == (code in (0, 2, 3))


def test_an_unknown_regime_names_the_value_a_person_set_for_normal():
    base = AdaptiveBase(own_values=(("size_factor", 1, 0.5),))

    line = explain(base, adapt(base, -1), -1)[2]

    assert (line.base, line.now) == (1.0, 0.5)
    assert "not known yet, taken for NORMAL; NORMAL regime: you set it to 0.5" in line.because
    assert explain(base, adapt(base, -1), -1)[0].because == (
        "base value: the regime is not known yet"
    )


def test_a_base_beyond_the_bounds_names_them():
    base = AdaptiveBase(lookback_bars=400)

    assert (
        explain(base, adapt(base, 1), 1)[0].because == "from 400 to 300: it lies between 5 and 300"
    )


@pytest.mark.parametrize("name", list(RULES))
def test_what_is_switched_off_has_its_base_in_every_regime_and_says_so(name):
    own = (("size_factor", 3, 0.1), ("stop_atr", 0, 1.0))
    free = AdaptiveBase(target_atr=3.0, own_values=own)
    base = AdaptiveBase(target_atr=3.0, own_values=own, switched_off=(name,))

    for code in (-1, 0, 1, 2, 3):
        now = adapt(base, code)
        line = {one.name: one for one in explain(base, now, code)}[name]

        assert getattr(now, name) == getattr(base, name)
        assert line.because == "not adaptive: switched off"
        others = set(RULES) - {name}
        assert all(getattr(now, one) == getattr(adapt(free, code), one) for one in others)


def test_a_switched_off_base_beyond_the_bounds_still_names_them():
    base = AdaptiveBase(lookback_bars=400, switched_off=("lookback_bars",))

    assert explain(base, adapt(base, 3), 3)[0].because == (
        "not adaptive: switched off; from 400 to 300: it lies between 5 and 300"
    )


def test_the_grid_says_the_rule_in_words_and_which_switch_is_off():
    rows = {row.name: row for row in grid(AdaptiveBase(switched_off=("lookback_bars",)))}

    lookback = rows["lookback_bars"]
    assert lookback.in_words == (
        "Raised in LOW (× 1.2); lowered in HIGH (× 0.8) and EXTREME (× 0.6). "
        "Between 5 and 300 bars."
    )
    assert (lookback.suggested, lookback.values) == ((60, 50, 40, 30), (50, 50, 50, 50))
    assert {name for name, row in rows.items() if row.is_switched_off} == {"lookback_bars"}
    assert rows["stop_atr"].in_words.startswith("Raised in HIGH (× 1.2) and EXTREME (× 1.4). ")


@cache
def ran(key, *params):
    return run(WALK, key, dict(params), BacktestConfig(keeps_decisions=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "name"), [*((TREND, name) for name in RULES), ("hybrid", "size_factor")]
)
def test_a_switch_that_is_on_is_no_switch(key, name):
    plain, on = ran(key), ran(key, (f"{name}.ADAPTIVE", "on"))

    assert on.params == plain.params
    assert on.fills == plain.fills
    assert on.decisions == plain.decisions
    assert np.array_equal(on.equity, plain.equity)


@pytest.mark.slow
@pytest.mark.parametrize("key", [TREND, "hybrid"])
def test_a_size_that_does_not_adapt_follows_no_regime_in_decisions_and_orders(key):
    plain, off = ran(key), ran(key, ("size_factor.ADAPTIVE", "off"))

    because = {
        line.because
        for one in off.decisions
        for line in one.parameters
        if line.name == "size_factor"
    }
    assert because == {"not adaptive: switched off"}
    assert [one.target_weight for one in off.decisions] != [
        one.target_weight for one in plain.decisions
    ]


@pytest.mark.slow
def test_every_value_set_apart_to_the_base_is_the_switch_turned_off():
    regimes = ("LOW", "NORMAL", "HIGH", "EXTREME")
    apart = tuple((f"lookback_bars.{regime}", 50) for regime in regimes)

    off, same = ran(TREND, ("lookback_bars.ADAPTIVE", "off")), ran(TREND, *apart)

    assert off.fills == same.fills
    assert np.array_equal(off.equity, same.equity)
    assert off.fills != ran(TREND).fills


@pytest.mark.parametrize(
    ("key", "given", "words"),
    [
        (TREND, {"size_factor.ADAPTIVE": "maybe"}, "must be one of on, off"),
        (TREND, {"trend_bars.ADAPTIVE": "off"}, r"no parameter 'trend_bars\.ADAPTIVE'"),
        ("hybrid", {"stop_atr.ADAPTIVE": "off"}, r"no parameter 'stop_atr\.ADAPTIVE'"),
        ("hybrid", {"stop_atr.HIGH": 2.0}, r"no parameter 'stop_atr\.HIGH'"),
        ("sma_cross", {"size_factor.ADAPTIVE": "off"}, "no parameter"),
    ],
)
def test_a_switch_that_does_not_exist_is_refused_by_name(key, given, words):
    with pytest.raises(ParameterInvalid, match=words):
        resolve_params(strategy_get(key), given)
