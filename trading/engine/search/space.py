"""The space of a search: which parameters move, between what, in which steps.

INPUT    a strategy and a mapping such as ``{"fast": {"low": 5, "high": 50, "step": 5}}``
OUTPUT   a `Space` with its number of combinations, or an error that names field, value and limit
LOOKBACK none
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from trading.engine.errors import ConfigInvalid, EngineError, ParameterInvalid
from trading.engine.kernels import FloatArray
from trading.engine.strategies import StrategySpec, resolve_params
from trading.engine.strategies.base import (
    CHOICE,
    INT,
    Parameter,
    ParameterValue,
    finite_number,
)

# A combination as one value: those of its parameters in order of the dimensions.
Combination = tuple[ParameterValue, ...]
FIELDS = ("low", "high", "step", "log", "choices")
MOST_VALUES = 1_000_000
# Dimensions whose ends are combined with each other; the others keep their default.
MOST_CORNERED = 8


@dataclass(frozen=True, slots=True)
class Dimension:
    """One parameter that moves.

    Attributes
    ----------
    key, kind : str
        As in the strategy's schema.
    low, high : float
        Bounds, both included; 0 and the last index for a CHOICE.
    step : float or None
        Distance of neighbors; None moves continuously.
    is_log : bool
        Spread evenly over orders of magnitude; only without a step or for whole numbers.
    choices : tuple of str
        Only for a CHOICE.
    """

    key: str
    kind: str
    low: float
    high: float
    step: float | None = None
    is_log: bool = False
    choices: tuple[str, ...] = ()

    @property
    def n_values(self) -> int | None:
        """Values it can take; None when it moves continuously."""
        if self.step is None:
            return None
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def value_at(self, k: int) -> ParameterValue:
        """Return the k-th value of a stepped dimension, from the lowest on."""
        assert self.step is not None  # noqa: S101 - only asked of stepped dimensions
        return self.cast(self.low + k * self.step)

    def cast(self, number: float) -> ParameterValue:
        """Turn a number between the bounds into a value of the parameter."""
        if self.kind == CHOICE:
            return self.choices[round(number)]
        if self.kind == INT:
            return round(number)
        # Steps like 0.1 do not add up in binary; ten digits are more than any schema has.
        return round(min(max(number, self.low), self.high), 10)

    def unit(self, value: ParameterValue) -> float:
        """Place a value between 0 (low) and 1 (high), by orders of magnitude where it is log."""
        number = float(self.choices.index(str(value))) if self.kind == CHOICE else float(value)
        if self.high == self.low:
            return 0.0
        if self.is_log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def number(self, unit: float) -> float:
        """Undo `unit` for a dimension of numbers; `cast` makes a value of it."""
        if self.is_log:
            return float(self.low * (self.high / self.low) ** unit)
        return self.low + unit * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Space:
    """All combinations of the moving parameters of one strategy; the others keep `fixed`."""

    spec: StrategySpec
    dimensions: tuple[Dimension, ...]
    fixed: Mapping[str, ParameterValue]

    @property
    def n_combinations(self) -> int | None:
        """Combinations of the values, before the strategy's own rules; None when continuous."""
        counts = [dimension.n_values for dimension in self.dimensions]
        return None if None in counts else math.prod(n for n in counts if n is not None)

    def params(self, moving: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
        """Complete the moving values to a full set of parameters, checked by the strategy."""
        return resolve_params(self.spec, {**self.fixed, **moving})

    def allows(self, moving: Mapping[str, ParameterValue]) -> bool:
        """Tell whether the strategy accepts this combination (say, fast below slow)."""
        if self.spec.check is None:
            # Each value alone lies between the bounds that `space_from` checked.
            return True
        try:
            self.params(moving)
        except ParameterInvalid:
            return False
        return True

    def corners(self) -> list[dict[str, ParameterValue]]:
        """Return the combinations of lowest and highest values that the strategy accepts."""
        few = self.dimensions[:MOST_CORNERED]
        corners = product(*((d.cast(d.low), d.cast(d.high)) for d in few))
        every = (dict(zip([d.key for d in few], corner, strict=True)) for corner in corners)
        return [moving for moving in every if self.allows(moving)]

    def combination(self, moving: Mapping[str, ParameterValue]) -> Combination:
        """Return the moving values in order: a database may give the names back in another."""
        return tuple([moving[dimension.key] for dimension in self.dimensions])

    def units(self, rows: list[dict[str, ParameterValue]]) -> FloatArray:
        """Place combinations in the unit cube, float64, shape (n_rows, n_dimensions)."""
        return np.array(
            [[d.unit(row[d.key]) for d in self.dimensions] for row in rows], dtype=np.float64
        ).reshape(len(rows), len(self.dimensions))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the mapping `space_from` reads."""
        return {
            d.key: {"choices": list(d.choices)}
            if d.kind == CHOICE
            else {"low": d.low, "high": d.high, "step": d.step, "log": d.is_log}
            for d in self.dimensions
        }


def space_from(
    spec: StrategySpec,
    ranges: Mapping[str, Any],
    fixed: Mapping[str, object] | None = None,
) -> Space:
    """Read a space and check it against the strategy's schema.

    Parameters
    ----------
    spec : StrategySpec
        Whose parameters move.
    ranges : mapping
        Parameter to ``{"low", "high", "step", "log"}`` or ``{"choices": [...]}``; a list stands for
        choices. Left out bounds and steps are the schema's; ``"step": None`` moves continuously.
    fixed : mapping or None
        Values of parameters that do not move, values in a regime, switches and schedule as
        `resolve_params` takes them; the other parameters keep their default.

    Returns
    -------
    Space
        At least one dimension.

    Raises
    ------
    ParameterInvalid, ConfigInvalid
        Naming the parameter, the value and the limit it broke; `parameter` of the error is its key.

    Examples
    --------
    >>> from trading.engine.strategies import strategy_get
    >>> spec = strategy_get("sma_cross")
    >>> space = space_from(spec, {"fast": {"low": 5, "high": 20, "step": 5}})
    >>> space.n_combinations
    4
    """
    if not isinstance(ranges, Mapping) or not ranges:
        raise ConfigInvalid(f"the space of {spec.key} is empty; name at least 1 parameter to move")
    known = {parameter.key: parameter for parameter in spec.parameters}
    for name in ranges:
        if name not in known:
            raise ParameterInvalid(
                f"{spec.key} has no parameter {name!r}; it has {', '.join(sorted(known))}"
            )
    both = sorted(set(ranges) & set(fixed or {}))
    if both:
        fault = ConfigInvalid(f"parameter {both[0]} is both fixed and in the space")
        fault.parameter = both[0]
        raise fault
    dimensions = tuple(_named_dimension(spec, known[name], ranges[name]) for name in ranges)
    # The strategy's own rules judge combinations: beside a default nobody tries nothing is wrong.
    resolved = resolve_params(replace(spec, check=None), fixed) if fixed else {}
    # What says the same as nothing, such as a switch that is on, is not kept.
    kept = {name: resolved[name] for name in fixed or {} if name in resolved}
    space = Space(spec, dimensions, kept)
    if kept and not space.allows({}) and not space.corners():
        space.params({})
    return space


def _named_dimension(spec: StrategySpec, parameter: Parameter, given: Any) -> Dimension:
    try:
        return _dimension(spec, parameter, given)
    except EngineError as error:
        error.parameter = parameter.key
        raise


def _dimension(spec: StrategySpec, parameter: Parameter, given: Any) -> Dimension:
    place = f"space of {spec.key}, parameter {parameter.key}"
    if isinstance(given, list | tuple):
        given = {"choices": list(given)}
    if not isinstance(given, Mapping):
        raise ConfigInvalid(f"{place}: {given!r} must be an object with low, high and step")
    for name in given:
        if name not in FIELDS:
            raise ConfigInvalid(f"{place}: {name!r} is not one of {', '.join(FIELDS)}")
    if parameter.kind == CHOICE:
        return _choice(place, parameter, given)
    return _range(place, parameter, given)


def _choice(place: str, parameter: Parameter, given: Mapping[str, Any]) -> Dimension:
    choices = given.get("choices", parameter.choices)
    if choices in ([], ()):
        raise ConfigInvalid(f"{place}: 0 choices are given; at least 1 is needed")
    if not isinstance(choices, list | tuple):
        raise ConfigInvalid(f"{place}: choices {choices!r} must be a list of at least 1")
    texts = tuple(dict.fromkeys(str(choice) for choice in choices))
    for text in texts:
        if text not in parameter.choices:
            raise ConfigInvalid(
                f"{place}: choice {text!r} must be one of {', '.join(parameter.choices)}"
            )
    return Dimension(parameter.key, CHOICE, 0.0, len(texts) - 1.0, 1.0, choices=texts)


def _range(place: str, parameter: Parameter, given: Mapping[str, Any]) -> Dimension:
    if "choices" in given:
        raise ConfigInvalid(f"{place} is a number; give low, high and step instead of choices")
    low = finite_number(f"{place}: low", given.get("low", parameter.low), ConfigInvalid)
    high = finite_number(f"{place}: high", given.get("high", parameter.high), ConfigInvalid)
    if low > high:
        raise ConfigInvalid(f"{place}: low {low:g} must not be above high {high:g}")
    if parameter.low is not None and low < parameter.low:
        raise ConfigInvalid(f"{place}: low {low:g} must be at least {parameter.low:g}")
    if parameter.high is not None and high > parameter.high:
        raise ConfigInvalid(f"{place}: high {high:g} must be at most {parameter.high:g}")
    is_log = given.get("log", False) is True
    if is_log and low <= 0.0:
        raise ConfigInvalid(f"{place}: low {low:g} must be above 0 for a log scale")
    step = _step(place, parameter, given, is_log=is_log)
    if parameter.kind == INT:
        for name, value in (("low", low), ("high", high), ("step", step or 1.0)):
            if value != math.floor(value):
                raise ConfigInvalid(f"{place}: {name} {value:g} must be a whole number")
    if step is not None and (high - low) / step >= MOST_VALUES:
        raise ConfigInvalid(
            f"{place}: step {step:g} from {low:g} to {high:g} makes more than {MOST_VALUES:,} "
            "values"
        )
    return Dimension(parameter.key, parameter.kind, low, high, step, is_log)


def _step(
    place: str, parameter: Parameter, given: Mapping[str, Any], *, is_log: bool
) -> float | None:
    default = 1.0 if parameter.kind == INT else (None if is_log else parameter.step)
    raw = given.get("step", default)
    if raw is None:
        return 1.0 if parameter.kind == INT else None
    step = finite_number(f"{place}: step", raw, ConfigInvalid)
    if step <= 0.0:
        raise ConfigInvalid(f"{place}: step {step:g} must be above 0")
    return step
