"""Where developers' own strategies come from: the platform names a source, the registry asks it.

INPUT    one function, given once when the platform starts, and what may end a rule from outside
OUTPUT   what it finds, asked for when a strategy is looked up

Apart from the registry, because naming a source must not load NumPy and the compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """What a source found under one name: a strategy, or why it could not be loaded."""

    name: str
    spec: object = None
    problem: str = ""


Source = Callable[[], Iterable[Found]]

_sources: list[Source] = []
_interruptions: list[type[BaseException]] = []


def use(source: Source, interruptions: Iterable[type[BaseException]] = ()) -> None:
    """Name the source of own strategies; nothing is loaded yet, and the last one named counts.

    `interruptions` are raised in the middle of a rule by somebody else, as a worker's time limit
    is: they are no mistake of the rule.
    """
    _sources[:] = [source]
    _interruptions[:] = interruptions


def interruptions() -> tuple[type[BaseException], ...]:
    """Return what may end a rule from outside."""
    return tuple(_interruptions)


def found() -> Iterable[Found]:
    """Return what the source finds; nothing without one."""
    return _sources[0]() if _sources else ()
