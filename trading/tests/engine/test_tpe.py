"""Suggestions of TPE: where they go, what they never repeat, when they are random."""

import math
from dataclasses import replace

import numpy as np
import pytest

from trading.engine.errors import ConfigInvalid, ParameterInvalid
from trading.engine.search import (
    random_trials,
    space_from,
    tpe_suggest,
)
from trading.engine.strategies import strategy_get
from trading.tests.engine.searches import SPACE, SPEC, TRIALS


@pytest.mark.slow
def test_tpe_of_one_seed_suggests_the_same_and_only_what_is_allowed():
    known = [(trial.moving, trial.score.objective) for trial in TRIALS]

    once = tpe_suggest(SPACE, seed=3, n_trials=4, known=known)

    assert once == tpe_suggest(SPACE, seed=3, n_trials=4, known=known)
    assert all(SPACE.allows(moving) for moving in once)


def test_tpe_goes_where_trials_were_good():
    space = space_from(SPEC, {"fast": {"low": 1, "high": 100}}, {"slow": 150})
    known = [({"fast": k}, -abs(k - 70.0)) for k in range(1, 101, 3)]

    found = tpe_suggest(space, seed=5, n_trials=10, known=known)

    assert np.mean([abs(moving["fast"] - 70) for moving in found]) < 20


def first_value(moving):
    return next(iter(moving.values()))


def fast_only(low, high):
    return space_from(SPEC, {"fast": {"low": low, "high": high}}, {"slow": 500})


def test_tpe_repeats_nothing_while_something_new_is_left():
    known = [({"fast": k}, float(k)) for k in range(1, 26)]

    found = tpe_suggest(fast_only(1, 30), seed=1, n_trials=4, known=known, running=[{"fast": 27}])

    assert sorted(moving["fast"] for moving in found) == [26, 28, 29, 30]


@pytest.mark.parametrize("seed", range(6))
def test_tpe_begins_with_what_is_new(seed):
    known = [({"fast": k}, float(k)) for k in (1, 2, 3)]

    found = tpe_suggest(fast_only(1, 6), seed=seed, n_trials=1, known=known)

    assert found[0]["fast"] > 3


def test_tpe_keeps_away_from_where_others_run():
    space = space_from(SPEC, {"target_volatility": {"step": None}})
    known = [({"target_volatility": x}, -abs(x - 0.7)) for x in np.linspace(0.02, 1.0, 30)]
    running = [{"target_volatility": x} for x in np.linspace(0.6, 0.8, 21)]

    found = [
        tpe_suggest(space, seed=5, n_trials=10, known=known, running=others)
        for others in ([], running)
    ]

    near, far = np.abs(np.array([[*map(first_value, row)] for row in found]) - 0.7).mean(axis=1)
    assert far > 1.5 * near


def test_tpe_keeps_away_from_its_own_suggestions():
    space = space_from(SPEC, {"target_volatility": {"step": None}})
    known = [({"target_volatility": x}, -abs(x - 0.7)) for x in np.linspace(0.02, 1.0, 30)]

    together = tpe_suggest(space, seed=5, n_trials=20, known=known)
    apart = [tpe_suggest(space, seed=k, n_trials=1, known=known)[0] for k in range(20)]

    spreads = [np.std([*map(first_value, found)]) for found in (together, apart)]
    assert spreads[0] > 1.5 * spreads[1]


def test_tpe_learns_nothing_from_a_trial_without_an_objective():
    known = [({"fast": k}, -abs(k - 70.0)) for k in range(1, 101, 3)]
    more = [*known, *[({"fast": k}, math.nan) for k in range(2, 40, 3)]]

    expected = tpe_suggest(fast_only(1, 100), seed=5, n_trials=3, known=known)

    assert tpe_suggest(fast_only(1, 100), seed=5, n_trials=3, known=more) == expected


def test_tpe_repeats_where_nothing_new_is_left():
    known = [({"fast": k}, -abs(k - 12.0)) for k in range(1, 26)]

    found = tpe_suggest(fast_only(1, 25), seed=1, n_trials=2, known=known)

    assert all(1 <= moving["fast"] <= 25 for moving in found)


@pytest.mark.parametrize(("n_known", "is_estimated"), [(19, False), (20, True)])
def test_tpe_draws_at_random_until_it_knows_enough(n_known, is_estimated):
    space = fast_only(1, 400)
    rising, falling = (
        [({"fast": 9 * k + 1}, sign * k) for k in range(n_known)] for sign in (1.0, -1.0)
    )

    one, other = (
        tpe_suggest(space, seed=2, n_trials=3, known=known) for known in (rising, falling)
    )

    assert (one != other) is is_estimated


def test_tpe_does_not_mind_the_order_of_names():
    known = [(trial.moving, trial.score.objective) for trial in TRIALS] * 2
    turned = [(dict(reversed(moving.items())), value) for moving, value in known]

    expected = tpe_suggest(SPACE, seed=3, n_trials=2, known=known)

    assert tpe_suggest(SPACE, seed=3, n_trials=2, known=turned) == expected


def test_tpe_forgets_what_is_neither_good_nor_new():
    known = [({"fast": 1 + k % 90}, float(-k if k < 25 else -99)) for k in range(200)]
    forgotten = [*known[:25], *[({"fast": 95}, -99.0)] * 75, *known[100:]]
    space = fast_only(1, 100)
    tried = {space.combination(moving) for moving, _ in [*known, *forgotten]}

    expected = tpe_suggest(space, seed=4, n_trials=3, known=known, tried=tried)

    found = tpe_suggest(space, seed=4, n_trials=3, known=forgotten, tried=tried)
    assert found == expected


@pytest.mark.parametrize("seed", range(3))
def test_tpe_repeats_no_trial_that_is_neither_good_nor_new(seed):
    fasts = np.random.default_rng(seed).permutation(np.arange(1, 301))
    known = [({"fast": int(fast)}, -abs(int(fast) - 150.0)) for fast in fasts[:270]]

    found = tpe_suggest(fast_only(1, 300), seed=seed, n_trials=5, known=known)

    assert {moving["fast"] for moving in found} <= {int(fast) for fast in fasts[270:]}


@pytest.mark.parametrize("n_known", [3, 25])
def test_tpe_repeats_nothing_that_was_tried_without_success(n_known):
    known = [({"fast": k}, float(k)) for k in range(1, n_known + 1)]
    tried = {(k,) for k in range(n_known + 1, 100)}

    found = tpe_suggest(fast_only(1, 200), seed=2, n_trials=6, known=known, tried=tried)

    assert all(moving["fast"] >= 100 for moving in found)


def refuse(params):
    raise ParameterInvalid(f"fast {params['fast']} is refused")


@pytest.mark.parametrize("n_known", [0, 30])
def test_tpe_says_so_when_the_strategy_accepts_nothing(n_known):
    space = replace(fast_only(1, 100), spec=replace(SPEC, check=refuse))
    known = [({"fast": 1 + k}, float(k)) for k in range(n_known)]

    with pytest.raises(ConfigInvalid, match="sma_cross accepts none of 100 suggestions"):
        tpe_suggest(space, seed=1, n_trials=1, known=known)


def test_tpe_suggests_what_the_strategy_accepts():
    space = space_from(SPEC, {"fast": {"low": 9, "high": 10}, "slow": {"low": 10, "high": 11}})
    known = [({"fast": 9, "slow": 10}, -1.0)] * 18 + [({"fast": 10, "slow": 11}, 0.0)] * 2

    found = tpe_suggest(space, seed=1, n_trials=3, known=known)

    # One combination is new and one, of equal lengths, is refused.
    assert found[0] == {"fast": 9, "slow": 11}
    assert all(moving["fast"] != moving["slow"] for moving in found)


def test_tpe_moves_every_kind_of_parameter():
    rules = strategy_get("rsi2_reversion")
    ranges = {
        "rsi_bars": {"low": 2, "high": 40, "log": True},
        "entry_level": {"low": 1, "high": 30},
        "target_volatility": {"low": 0.05, "high": 0.5, "step": None},
        "exit_bars": {"low": 1, "high": 100, "log": True},
        "sizing": ["all_in", "volatility_target"],
    }
    space = space_from(rules, ranges)
    # As good as the fourth of the way: TPE has to find that in every kind.
    known = [
        (moving, -float(np.abs(space.units([moving])[0, :4] - 0.25).sum()))
        for moving in random_trials(space, 1, 60)
    ]

    found = tpe_suggest(space, seed=5, n_trials=8, known=known)

    assert np.abs(space.units(found)[:, :4] - 0.25).mean() < 0.2
