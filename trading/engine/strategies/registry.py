"""Strategies by key: those that ship with Elson, and developers' own from a source.

INPUT    shipped specs, one function that finds more
OUTPUT   a read-only mapping; the function is called once, at the first look-up that needs it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from trading.engine.errors import EngineError, StrategyInvalid, UnknownStrategy
from trading.engine.sources import Source
from trading.engine.strategies.base import StrategySpec, resolve_params
from trading.engine.strategies.guard import guarded
from trading.engine.strategies.soundness import spec_fault


class Registry(Mapping[str, StrategySpec]):
    """Every strategy that can be named; shipped ones first.

    Parameters
    ----------
    shipped : iterable of StrategySpec
        Always there, whatever the source does.
    source : callable or None
        Asked for more at the first look-up that needs them.

    Attributes
    ----------
    refused : dict
        Name of an own strategy to one sentence saying why it is not there.
    """

    def __init__(self, shipped: Iterable[StrategySpec], source: Source | None = None) -> None:
        self._specs = {spec.key: spec for spec in shipped}
        self._source = source
        self.refused: dict[str, str] = {}

    def register(self, spec: object, *, is_own: bool = False) -> StrategySpec:
        """Add one strategy; a developer's own is called through `strategies.guard` only.

        Raises
        ------
        StrategyInvalid
            When it is no `StrategySpec`, a field of it is wrong, its key is taken, or its own
            defaults are refused.

        Examples
        --------
        >>> Registry([]).register(3)
        Traceback (most recent call last):
        ...
        trading.engine.errors.StrategyInvalid: 3 is a int, not a StrategySpec
        """
        if not isinstance(spec, StrategySpec):
            raise StrategyInvalid(f"{spec!r} is a {type(spec).__name__}, not a StrategySpec")
        if fault := spec_fault(spec):
            raise StrategyInvalid(fault)
        if spec.key in self._specs:
            raise StrategyInvalid(f"key {spec.key!r} is taken by {self._specs[spec.key].name!r}")
        if is_own:
            spec = guarded(spec)
        try:
            spec.warm_up(resolve_params(spec, {}))
        except EngineError as error:
            raise StrategyInvalid(f"defaults of {spec.key} are refused: {error}") from error
        self._specs[spec.key] = spec
        return spec

    def get_or_refuse(self, key: str) -> StrategySpec:
        """Return the strategy under ``key``.

        Raises
        ------
        UnknownStrategy
            Naming the keys there are, or why an own strategy of that name is not there.
        """
        if key not in self._specs:
            self._complete()
        if key in self._specs:
            return self._specs[key]
        if key in self.refused:
            raise UnknownStrategy(f"strategy {key!r} is not available: {self.refused[key]}")
        raise UnknownStrategy(f"no strategy {key!r}; there are {', '.join(self._specs)}")

    def __getitem__(self, key: str) -> StrategySpec:
        """Return the strategy under ``key`` or raise KeyError."""
        if key not in self._specs:
            self._complete()
        return self._specs[key]

    def __iter__(self) -> Iterator[str]:
        """Go through the keys, shipped ones first."""
        self._complete()
        return iter(tuple(self._specs))

    def __len__(self) -> int:
        """Count them."""
        self._complete()
        return len(self._specs)

    def left_out(self) -> dict[str, str]:
        """Return own strategies that are not there, each with why; asks the source first."""
        self._complete()
        return dict(self.refused)

    def _complete(self) -> None:
        """Ask the source, once; what cannot be used is remembered with its reason."""
        source, self._source = self._source, None
        if source is None:
            return
        for found in source():
            try:
                if not found.problem:
                    self.register(found.spec, is_own=True)
                    continue
                self.refused[found.name] = found.problem
            except StrategyInvalid as error:
                self.refused[found.name] = str(error)
