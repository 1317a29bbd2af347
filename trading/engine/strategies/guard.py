"""Somebody else's functions, called so that a mistake in them names its strategy and its bar.

INPUT    the spec of a package's own strategy
OUTPUT   the same spec; each function checks what comes back and turns what it raises into one
         `StrategyFaulty`
LOOKBACK none of its own

Shipped strategies are not wrapped: they are tested, and the check costs a microsecond a bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from marketdata.types import Bars
from trading.engine.errors import EngineError, StrategyFaulty
from trading.engine.sources import interruptions
from trading.engine.state import StrategyState
from trading.engine.strategies.base import (
    ArraysOnDemand,
    Features,
    Narrative,
    Params,
    Proposal,
    StrategySpec,
)

NUMBERS = ("target_weight", "signal", "no_trade_band", "cost_rate", "holding_limit")
DISTANCES = ("stop_distance", "target_distance", "trail_distance")
WORDS = ("rule", "kind")
MOST_WORD_LETTERS = 60
WITHOUT_A_BAR = ("check", "adaptive", "caution")
# `sys.exit()` in a rule is a mistake of the rule; it must not end the process that asks it.
MISTAKES = (Exception, SystemExit)


def guarded(spec: StrategySpec) -> StrategySpec:
    """Return a spec whose functions refuse by name what they should not return or raise.

    An `EngineError` outside of `decide` and `narrate`, such as a refused parameter, passes: it has
    its own words.
    """
    optional: dict[str, Any] = {
        name: partial(_called, spec, name)
        for name in WITHOUT_A_BAR
        if getattr(spec, name) is not None
    }
    if spec.targets is not None:
        optional["targets"] = partial(_called, spec, "targets")
    return replace(
        spec,
        warm_up=partial(_warm_up, spec),
        prepare=partial(_prepare, spec),
        decide=partial(_decide, spec),
        narrate=partial(_narrate, spec),
        **optional,
    )


def _called(
    spec: StrategySpec, name: str, *arguments: Any, bars: Bars | None = None, i: int = 0
) -> Any:
    """Call a function; `bars` and `i` name the bar that it speaks of, if it speaks of one."""
    function: Callable[..., Any] = getattr(spec, name)
    try:
        return function(*arguments)
    except interruptions():
        raise
    except MISTAKES as error:
        if bars is None and isinstance(error, EngineError):
            raise
        said = f": {error!s:.200}" if str(error) else ""
        raise _wrong(spec, name, f"raised {type(error).__name__}{said}", bars, i) from error


def _warm_up(spec: StrategySpec, params: Params) -> int:
    first = _called(spec, "warm_up", params)
    if not isinstance(first, int | np.integer) or first < 0:
        raise _wrong(spec, "warm_up", f"returned {first!r:.60}; a whole number from 0 is needed")
    return int(first)


def _prepare(spec: StrategySpec, bars: Bars, params: Params) -> Features:
    features = _called(spec, "prepare", bars, params)
    if not isinstance(features, Features):
        raise _wrong(spec, "prepare", f"returned {_kind(features)}; Features are needed")
    if len(features.bars) != len(bars):
        raise _wrong(spec, "prepare", f"has {len(features.bars)} bars of {len(bars)} in Features")
    if not isinstance(features.first, int | np.integer) or features.first < 0:
        raise _wrong(
            spec, "prepare", f"has first {features.first!r:.60}; a whole number from 0 is needed"
        )
    if not isinstance(features.arrays, ArraysOnDemand):
        for name, array in features.arrays.items():
            if np.shape(array)[:1] != (len(bars),):
                raise _wrong(
                    spec,
                    "prepare",
                    f"has an array {name!r} of shape {np.shape(array)} for {len(bars)} bars; "
                    "one value a bar is needed",
                )
    return features


def _decide(spec: StrategySpec, features: Features, i: int, state: StrategyState) -> Proposal:
    proposal = _called(spec, "decide", features, i, state, bars=features.bars, i=i)
    if not isinstance(proposal, Proposal):
        fault = f"returned {_kind(proposal)}; a Proposal is needed"
        raise _wrong(spec, "decide", fault, features.bars, i)
    if fault := _proposal_fault(proposal):
        raise _wrong(spec, "decide", fault, features.bars, i)
    return proposal


def _proposal_fault(proposal: Proposal) -> str:
    for name in NUMBERS:
        if not _is_finite(value := getattr(proposal, name)):
            return f"proposed {name} {value!r:.60}; it must be a finite number"
    for name in DISTANCES:
        value = getattr(proposal, name)
        if value is not None and not (_is_finite(value) and value >= 0.0):
            return f"proposed {name} {value!r:.60}; it must be a finite number from 0, or None"
    for name in WORDS:
        value = getattr(proposal, name)
        if not isinstance(value, str) or len(value) > MOST_WORD_LETTERS:
            return (
                f"proposed {name} {value!r:.60}; it must be a word of at most "
                f"{MOST_WORD_LETTERS} letters"
            )
    return ""


def _narrate(
    spec: StrategySpec, features: Features, i: int, state: StrategyState, proposal: Proposal
) -> Narrative:
    told: Narrative = _called(
        spec, "narrate", features, i, state, proposal, bars=features.bars, i=i
    )
    if fault := _narrative_fault(told):
        raise _wrong(spec, "narrate", fault, features.bars, i)
    return replace(told, inputs={name: _plain(value) for name, value in told.inputs.items()})


def _narrative_fault(told: object) -> str:
    if not isinstance(told, Narrative):
        return f"returned {_kind(told)}; a Narrative is needed"
    for name in ("reason", "would_change"):
        if not isinstance(getattr(told, name), str):
            return f"has {name} {getattr(told, name)!r:.60}; it must be text"
    if not isinstance(told.inputs, Mapping):
        return f"has inputs {told.inputs!r:.60}; names to numbers are needed"
    for name, value in told.inputs.items():
        if not isinstance(name, str) or not (value is None or _is_number(value)):
            return f"has input {name!r:.40} of {value!r:.60}; it must be a number or None"
    return ""


def _plain(value: Any) -> float | None:
    """Return a number as it can be stored: what is not finite is not known."""
    return float(value) if value is not None and math.isfinite(value) else None


def _is_finite(value: object) -> bool:
    return _is_number(value) and math.isfinite(value)  # type: ignore[arg-type]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, np.complexfloating)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _wrong(
    spec: StrategySpec, name: str, fault: str, bars: Bars | None = None, i: int = 0
) -> StrategyFaulty:
    """Build the sentence: whose function, at which bar, and what is wrong."""
    place = ""
    if bars is not None:
        closed = np.datetime64(int(bars.closed_at[i]), "ns").astype("datetime64[m]")
        place = f" at bar {i} of {bars.symbol} (closed {str(closed).replace('T', ' ')} UTC)"
    return StrategyFaulty(f"{name} of strategy {spec.key!r}{place} {fault}")
