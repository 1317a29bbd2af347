"""Three ways to walk a space: all of it, at random, or where good trials were (TPE).

INPUT    a `Space`, a seed, and for TPE the trials known so far
OUTPUT   combinations of the moving parameters, each accepted by the strategy
LOOKBACK none
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import product

import numpy as np

from trading.engine.errors import ConfigInvalid
from trading.engine.search.space import Combination, Dimension, Space
from trading.engine.strategies.base import ParameterValue

Moving = dict[str, ParameterValue]

MOST_TRIALS = 100_000
# Draws in a row that give nothing new before a space counts as exhausted.
PATIENCE = 2_000
# TPE looks at so many trials at most: the best ones and the newest, so that a trial costs the same
# however long the study is.
TPE_BEST = 25
TPE_NEWEST = 100


def grid(space: Space) -> list[Moving]:
    """List every combination the strategy accepts, the first parameter moving slowest.

    Parameters
    ----------
    space : Space
        Stepped in every dimension.

    Returns
    -------
    list of dict
        In a fixed order.

    Raises
    ------
    ConfigInvalid
        For a dimension without a step, or more combinations than can be walked.

    Examples
    --------
    >>> from trading.engine.search.space import space_from
    >>> from trading.engine.strategies import strategy_get
    >>> ranges = {"fast": {"low": 5, "high": 10, "step": 5}, "slow": {"low": 20, "high": 20}}
    >>> grid(space_from(strategy_get("sma_cross"), ranges))
    [{'fast': 5, 'slow': 20}, {'fast': 10, 'slow': 20}]
    """
    free = [d.key for d in space.dimensions if d.step is None]
    if free:
        raise ConfigInvalid(f"a grid needs a step for {free[0]}; give one or use random or tpe")
    n = space.n_combinations
    if n is not None and n > MOST_TRIALS:
        raise ConfigInvalid(
            f"the grid has {n:,} combinations and at most {MOST_TRIALS:,} are walked; "
            "use larger steps, random or tpe"
        )
    values = [[d.value_at(k) for k in range(d.n_values or 0)] for d in space.dimensions]
    keys = [d.key for d in space.dimensions]
    every = (dict(zip(keys, combination, strict=True)) for combination in product(*values))
    return [moving for moving in every if space.allows(moving)]


def random_trials(space: Space, seed: int, n_trials: int) -> list[Moving]:
    """Draw distinct combinations; a longer list begins with the shorter one.

    Parameters
    ----------
    space : Space
        Any.
    seed : int
        Decides everything.
    n_trials : int
        1 to 100,000; fewer come back when the space has no more.

    Returns
    -------
    list of dict
        No two alike, each accepted by the strategy.

    Raises
    ------
    ConfigInvalid
        For an impossible number, or when the strategy accepts none of many draws.
    """
    if not 1 <= n_trials <= MOST_TRIALS:
        raise ConfigInvalid(f"trials {n_trials:,} must be from 1 to {MOST_TRIALS:,}")
    rng = np.random.default_rng(seed)
    found: dict[Combination, Moving] = {}
    misses = 0
    keys = [d.key for d in space.dimensions]
    for key in _draws(space, rng, n_trials):
        if len(found) == n_trials or misses == PATIENCE:
            break
        moving = dict(zip(keys, key, strict=True))
        if key in found or not space.allows(moving):
            misses += 1
            continue
        found[key] = moving
        misses = 0
    if not found:
        raise ConfigInvalid(
            f"{space.spec.key} accepts none of {PATIENCE:,} combinations drawn from this space"
        )
    return list(found.values())


def _draws(space: Space, rng: np.random.Generator, n_trials: int) -> Iterator[Combination]:
    """Draw without end; in batches, which changes nothing of what the generator gives."""
    turns = [_turn(dimension) for dimension in space.dimensions]
    while True:
        for units in rng.random((n_trials, len(turns))).tolist():
            yield tuple([turn(unit) for turn, unit in zip(turns, units, strict=True)])


def _turn(dimension: Dimension) -> Callable[[float], ParameterValue]:
    """Return what makes a value of a number in [0, 1)."""
    n_values = dimension.n_values
    if dimension.is_log or n_values is None:
        return lambda unit: dimension.cast(dimension.number(unit))
    return lambda unit: dimension.value_at(min(int(unit * n_values), n_values - 1))


def tpe_suggest(
    space: Space,
    *,
    seed: int,
    n_trials: int,
    known: Sequence[tuple[Moving, float]],
    running: Sequence[Moving] = (),
    tried: Container[Combination] = frozenset(),
) -> list[Moving]:
    """Ask Optuna's TPE sampler for the next combinations.

    Parameters
    ----------
    space : Space
        Any.
    seed : int
        Of this call; the same call gives the same combinations.
    n_trials : int
        How many, >= 1.
    known : sequence of (moving, objective)
        Finished trials in order; more is better. Where good ones are is learned from the best and
        the newest; none is suggested again.
    running : sequence of dict
        Being evaluated elsewhere: the sampler keeps away from them.
    tried : container of tuple
        What else is not suggested again, as `Space.combination` gives it: trials that failed, or
        that are left out of `known`.

    Returns
    -------
    list of dict
        Each accepted by the strategy; two may be alike once a space is nearly exhausted.

    Raises
    ------
    ConfigInvalid
        When the strategy accepts none of many suggestions.

    References
    ----------
    Bergstra et al., Algorithms for Hyper-Parameter Optimization (2011).
    """
    # Optuna is slow to import and only this function needs it.
    from trading.engine.search.tpe import suggestions

    return suggestions(
        space,
        seed=seed,
        n_trials=n_trials,
        known=_looked_at(known),
        running=running,
        tried=({space.combination(moving) for moving, _ in known}, tried),
    )


def _looked_at(known: Sequence[tuple[Moving, float]]) -> list[tuple[Moving, float]]:
    """Return the best trials and the newest: what estimating costs does not grow with the rest."""
    finite = [(moving, value) for moving, value in known if math.isfinite(value)]
    if len(finite) <= TPE_BEST + TPE_NEWEST:
        return finite
    order = sorted(range(len(finite)), key=lambda k: (-finite[k][1], k))
    kept = set(order[:TPE_BEST]) | set(range(len(finite) - TPE_NEWEST, len(finite)))
    return [finite[k] for k in sorted(kept)]
