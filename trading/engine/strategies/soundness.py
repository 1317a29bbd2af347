"""What is asked of a strategy before it is let among the others, and what is said of one refused.

INPUT    a spec that somebody else wrote: nothing about it is certain
OUTPUT   one sentence naming what is wrong with it, or nothing
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from trading.engine.strategies.base import CHOICE, FLOAT, INT, Parameter, StrategySpec

KINDS = (INT, FLOAT, CHOICE)
MOST_KEY_LETTERS = 40
MOST_NAME_LETTERS = 80
TEXTS = ("name", "summary", "when_it_fails")
FUNCTIONS = ("warm_up", "prepare", "decide", "narrate")
OPTIONAL_FUNCTIONS = ("targets", "check", "adaptive", "caution")


def spec_fault(spec: StrategySpec) -> str:
    """Return what is wrong with a spec's own fields; empty where nothing is.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from trading.engine.strategies.sma_cross import SPEC
    >>> spec_fault(SPEC)
    ''
    >>> spec_fault(replace(SPEC, key="my rule"))
    "key 'my rule' must be one word of at most 40 letters"
    """
    return next(_faults(spec), "")


def _faults(spec: StrategySpec) -> Iterator[str]:
    key = spec.key
    if not isinstance(key, str) or not key.isidentifier() or len(key) > MOST_KEY_LETTERS:
        yield f"key {key!r} must be one word of at most {MOST_KEY_LETTERS} letters"
    for name in TEXTS:
        text = getattr(spec, name)
        if not isinstance(text, str) or not text.strip():
            yield f"{name} of {key} is {text!r:.60}; it must be text"
    if isinstance(spec.name, str) and len(spec.name) > MOST_NAME_LETTERS:
        yield f"name of {key} has {len(spec.name)} letters; at most {MOST_NAME_LETTERS} are kept"
    for name in FUNCTIONS:
        if not callable(getattr(spec, name)):
            yield f"{name} of {key} is {getattr(spec, name)!r:.60}; it must be a function"
    for name in OPTIONAL_FUNCTIONS:
        if getattr(spec, name) is not None and not callable(getattr(spec, name)):
            yield f"{name} of {key} is {getattr(spec, name)!r:.60}; it must be a function or None"
    yield from _schema_faults(spec)


def _schema_faults(spec: StrategySpec) -> Iterator[str]:
    if not isinstance(spec.parameters, tuple):
        yield f"parameters of {spec.key} are a {type(spec.parameters).__name__}, not a tuple"
        return
    keys = set()
    for place, parameter in enumerate(spec.parameters, 1):
        if not isinstance(parameter, Parameter):
            yield f"parameter {place} of {spec.key} is {parameter!r:.60}, not a Parameter"
            continue
        fault = next(_parameter_faults(parameter), "")
        if not fault and parameter.key in keys:
            fault = "is there twice"
        if fault:
            yield f"parameter {parameter.key!r} of {spec.key} {fault}"
        keys.add(parameter.key)


def _parameter_faults(parameter: Parameter) -> Iterator[str]:
    key = parameter.key
    if not isinstance(key, str) or not key.isidentifier():
        yield "must have one word for a key"
    if not isinstance(parameter.meaning, str) or not parameter.meaning.strip():
        yield "has no meaning in words"
    if parameter.kind not in KINDS:
        yield f"has kind {parameter.kind!r}; there are {', '.join(KINDS)}"
    if parameter.kind == CHOICE:
        if not parameter.choices or not all(isinstance(each, str) for each in parameter.choices):
            yield "has no choices in words"
        return
    yield from _bound_faults(parameter)


def _bound_faults(parameter: Parameter) -> Iterator[str]:
    for name in ("low", "high", "step"):
        value = getattr(parameter, name)
        if value is not None and not _is_number(value):
            yield f"has {name} {value!r:.40}; it must be a finite number or None"
            return
    low, high, step = parameter.low, parameter.high, parameter.step
    if low is not None and high is not None and low > high:
        yield f"has low {low:g} above high {high:g}"
    if step is not None and step <= 0.0:
        yield f"has step {step:g}; it must be above 0"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
