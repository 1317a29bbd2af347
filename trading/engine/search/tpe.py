"""Optuna's TPE sampler with its estimators in compiled code, for trials that live in our rows.

INPUT    a `Space`, a seed, the trials known so far
OUTPUT   combinations of the moving parameters, each accepted by the strategy
LOOKBACK none

Optuna asks, and draws the first trials; from then on `Sampler` answers with the combination that
the Parzen estimators of `parzen` expect most of. What a trial costs is measured by
`manage.py bench study`. Imported only where somebody searches, since Optuna is slow to import.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import Study
from optuna.trial import FrozenTrial

from trading.engine.errors import ConfigInvalid
from trading.engine.kernels import FloatArray
from trading.engine.search.parzen import Mixture, axis_of, mixture_of
from trading.engine.search.space import Combination, Dimension, Space
from trading.engine.strategies.base import CHOICE, INT, ParameterValue

Moving = dict[str, ParameterValue]
Known = Sequence[tuple[Moving, float]]

# So many trials are drawn at random before any is estimated.
N_STARTUP = 20
# The best tenth of the trials shows where to look.
BEST_SHARE = 0.1
# A suggestion is the best of so many candidates.
N_CANDIDATES = 24
# How often it is tried again for a combination that is new, and for one the strategy accepts.
TRIES_FOR_NEW = 5
TRIES = 100

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Sampler(optuna.samplers.TPESampler):
    """TPE over the trials it is given; what its study holds does not matter.

    Trials that run elsewhere and combinations it has suggested count as not good, so that it keeps
    away from them (a constant liar).
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        known: Known,
        running: Sequence[Moving],
        tried: Sequence[Container[Combination]],
    ) -> None:
        super().__init__(seed=seed, n_startup_trials=N_STARTUP)
        self.distributions = {d.key: _distribution(d) for d in space.dimensions}
        self.estimates = len(known) >= N_STARTUP
        self._space = space
        self._uniform = np.random.default_rng(seed)
        self._axes = tuple(axis_of(dimension) for dimension in space.dimensions)
        is_good = _are_good([value for _, value in known])
        rows = [self._place(moving) for moving, _ in known]
        self._good = mixture_of(self._axes, self._table(compress(rows, is_good)))
        self._others = [row for row, good in zip(rows, is_good, strict=True) if not good]
        self._tried = tried
        self._taken = set[Combination]()
        self._movings: dict[tuple[float, ...], Moving] = {}
        for moving in running:
            self.take(moving)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Name every parameter once there is something to estimate from; until then, none."""
        return self.distributions if self.estimates else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the best candidate that the strategy accepts, if possible a new one."""
        if not self.estimates:
            return {}
        accepted: Moving = {}
        others = mixture_of(self._axes, self._table(self._others))
        for attempt in range(1, TRIES + 1):
            places = self._drawn()
            if accepted:
                # Only something new can still be better, and densities are what costs.
                places = self._only_new(places)
            for moving in self._ranked(places, others):
                if self._space.allows(moving):
                    if self.is_new(moving):
                        return moving
                    accepted = accepted or moving
            if accepted and attempt >= TRIES_FOR_NEW:
                return accepted
        raise _refused(self._space)

    def is_new(self, moving: Moving) -> bool:
        """Tell whether no trial it was given and nothing it suggested is like this."""
        combination = self._space.combination(moving)
        if combination in self._taken:
            return False
        return not any(combination in known for known in self._tried)

    def take(self, moving: Moving) -> None:
        """Keep away from a combination from now on."""
        self._taken.add(self._space.combination(moving))
        self._others.append(self._place(moving))

    def _drawn(self) -> FloatArray:
        """Draw candidates from where good trials are, one row each."""
        drawn = self._good.draw(self._uniform.random((N_CANDIDATES, 1 + len(self._axes))))
        return np.column_stack([axis.snapped(drawn[:, j]) for j, axis in enumerate(self._axes)])

    def _only_new(self, places: FloatArray) -> FloatArray:
        """Return each place once that nothing it was given and nothing it suggested has."""
        once = dict.fromkeys(map(tuple, places.tolist()))
        return self._table([place for place in once if self.is_new(self._moving(place))])

    def _ranked(self, places: FloatArray, others: Mixture) -> Iterator[Moving]:
        """Return candidates, the likeliest where good trials are compared with elsewhere first."""
        if not len(places):
            return
        bins = [axis.edges(places[:, j]) for j, axis in enumerate(self._axes)]
        left, right = (np.column_stack([bin_[side] for bin_ in bins]) for side in (0, 1))
        gain = self._good.density(left, right) / others.density(left, right)
        for i in np.argsort(-gain, kind="stable"):
            yield self._moving(tuple(places[i].tolist()))

    def _moving(self, place: tuple[float, ...]) -> Moving:
        """Return the combination at a place; near good trials the same ones come again."""
        if place not in self._movings:
            self._movings[place] = {
                axis.dimension.key: axis.value(position)
                for axis, position in zip(self._axes, place, strict=True)
            }
        return self._movings[place]

    def _place(self, moving: Moving) -> list[float]:
        return [axis.position(moving[axis.dimension.key]) for axis in self._axes]

    def _table(self, rows: Iterable[Sequence[float]]) -> FloatArray:
        return np.array([*rows], dtype=np.float64).reshape(-1, len(self._axes))


def suggestions(
    space: Space,
    *,
    seed: int,
    n_trials: int,
    known: Known,
    running: Sequence[Moving],
    tried: Sequence[Container[Combination]],
) -> list[Moving]:
    """Suggest the next combinations, as `sampling.tpe_suggest` describes."""
    sampler = Sampler(space, seed=seed, known=known, running=running, tried=tried)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    found: list[Moving] = []
    for _ in range(n_trials):
        found.append(_next(study, sampler, space))
        sampler.take(found[-1])
    return found


def _next(study: Study, sampler: Sampler, space: Space) -> Moving:
    """Ask until the strategy accepts, at first only something new."""
    for attempt in range(1, TRIES + 1):
        trial = study.ask(sampler.distributions)
        moving = {d.key: _value(d, trial.params[d.key]) for d in space.dimensions}
        may_repeat = sampler.estimates or attempt > TRIES_FOR_NEW
        if space.allows(moving) and (may_repeat or sampler.is_new(moving)):
            return moving
    raise _refused(space)


def _refused(space: Space) -> ConfigInvalid:
    return ConfigInvalid(f"{space.spec.key} accepts none of {TRIES} suggestions from this space")


def _are_good(objectives: Sequence[float]) -> list[bool]:
    """Tell which trials are among the best; of equal ones the earlier."""
    order = sorted(range(len(objectives)), key=lambda k: (-objectives[k], k))
    best = set(order[: math.ceil(BEST_SHARE * len(objectives))])
    return [k in best for k in range(len(objectives))]


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.kind == CHOICE:
        return CategoricalDistribution(dimension.choices)
    # Optuna wants the last step to meet the upper bound; it spreads logs without steps.
    step = None if dimension.is_log else dimension.step
    top = dimension.high
    if step is not None and dimension.n_values is not None:
        top = dimension.low + (dimension.n_values - 1) * step
    if dimension.kind == INT:
        return IntDistribution(
            int(dimension.low), int(top), log=dimension.is_log, step=int(step or 1)
        )
    return FloatDistribution(dimension.low, top, log=dimension.is_log, step=step)


def _value(dimension: Dimension, raw: Any) -> ParameterValue:
    if dimension.kind == CHOICE:
        return str(raw)
    if dimension.kind == INT:
        return int(raw)
    return dimension.cast(float(raw))
