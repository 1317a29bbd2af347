"""Spaces of a search: what they list, draw, refuse and read back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.engine.errors import ConfigInvalid, EngineError
from trading.engine.search import (
    grid,
    random_trials,
    space_from,
)
from trading.engine.strategies import strategy_get
from trading.tests.engine.searches import SPACE, SPEC


def test_steps_that_do_not_add_up_in_binary_reach_the_upper_bound():
    space = space_from(SPEC, {"target_volatility": {"low": 0.1, "high": 0.7, "step": 0.1}})

    assert [moving["target_volatility"] for moving in grid(space)][-2:] == [0.6, 0.7]


def test_a_grid_lists_every_combination_the_strategy_accepts_once():
    found = grid(SPACE)

    assert SPACE.n_combinations == 24
    assert len({tuple(moving.values()) for moving in found}) == len(found)
    assert all(moving["fast"] != moving["slow"] for moving in found)
    assert len(found) == sum(f != s for f in range(5, 31, 5) for s in range(20, 81, 20))


@given(st.integers(0, 99), st.integers(1, 8), st.integers(1, 8))
def test_more_random_trials_begin_with_the_fewer(seed, n_few, n_more):
    few = random_trials(SPACE, seed, n_few)

    assert random_trials(SPACE, seed, n_few + n_more)[:n_few] == few


def test_random_trials_of_a_small_space_are_each_different_and_end():
    assert len(random_trials(SPACE, 1, 500)) == len(grid(SPACE))


@given(st.floats(0.0, 1.0))
def test_units_keep_to_the_cube_on_a_log_scale(share):
    spec = strategy_get("volatility_adaptive_trend")
    space = space_from(spec, {"target_volatility": {"low": 0.01, "high": 1.0, "log": True}})
    value = 0.01 * 100.0**share

    assert space.units([{"target_volatility": value}])[0, 0] == pytest.approx(share, abs=1e-9)


def test_what_a_version_has_beyond_the_schema_is_fixed_in_every_trial():
    spec = strategy_get("volatility_adaptive_trend")
    own = {"schedule.days": "MON,TUE", "stop_atr.HIGH": "3.5", "stop_atr.ADAPTIVE": "on"}

    space = space_from(spec, {"trend_bars": {"low": 40, "high": 60, "step": 10}}, own)

    # A switch that is on says the same as none.
    assert space.fixed == {"schedule.days": "MON TUE", "stop_atr.HIGH": 3.5}
    assert space.params({"trend_bars": 40}).items() >= {**space.fixed, "trend_bars": 40}.items()


def test_what_no_parameter_of_the_rule_is_cannot_be_fixed():
    with pytest.raises(EngineError, match="no parameter 'speed'"):
        space_from(SPEC, {"fast": {}}, {"speed": 3})


def test_a_space_reads_back_what_it_writes():
    assert space_from(SPEC, SPACE.to_dict()) == SPACE


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({}, "name at least 1 parameter"),
        ({"speed": {}}, "no parameter 'speed'; it has"),
        ({"fast": {"low": 9, "high": 5}}, "fast: low 9 must not be above high 5"),
        ({"fast": {"low": 0, "high": 5}}, "fast: low 0 must be at least"),
        ({"fast": {"low": 5, "high": 1e9}}, "high 1e[+]09 must be at most"),
        ({"fast": {"low": 5, "high": 9, "step": 0}}, "step 0 must be above 0"),
        ({"target_volatility": {"step": 1e-320}}, "makes more than 1,000,000 values"),
        ({"fast": {"low": 5.5, "high": 9}}, "low 5.5 must be a whole number"),
        ({"fast": {"low": "x"}}, "low is 'x'; it must be a number"),
        ({"fast": {"low": math.nan}}, "must be a finite number"),
        ({"fast": {"lowest": 1}}, "'lowest' is not one of"),
        ({"fast": 5}, "5 must be an object"),
        ({"fast": {"choices": [1]}}, "is a number"),
        ({"sizing": ["NONSENSE"]}, "choice 'NONSENSE' must be one of"),
    ],
)
def test_a_wrong_space_is_refused_by_name(ranges, words):
    with pytest.raises(EngineError, match=words):
        space_from(SPEC, ranges)


def test_a_huge_grid_is_refused_with_its_number():
    space = space_from(SPEC, {"fast": {}, "slow": {}})

    with pytest.raises(ConfigInvalid, match=f"{space.n_combinations:,} combinations"):
        grid(space)


def test_what_is_fixed_may_equal_the_default_of_what_moves():
    space = space_from(SPEC, {"slow": {"low": 100, "high": 200, "step": 50}}, {"fast": 50})

    assert space.params({"slow": 150}).items() >= {"fast": 50, "slow": 150}.items()


def test_fixed_values_that_no_combination_goes_with_are_refused():
    with pytest.raises(EngineError, match="fast and slow are both 20"):
        space_from(SPEC, {"target_volatility": {}}, {"fast": 20, "slow": 20})
