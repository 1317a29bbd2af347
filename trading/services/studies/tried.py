"""Which combinations the trials of a study have had, so that none is suggested a second time."""

from __future__ import annotations

from collections.abc import Iterable

from trading.engine.search.sampling import Moving
from trading.engine.search.space import Combination, Space
from trading.models import Study, Trial


class Tried:
    """What one worker knows during its turn: all trials once, later only those added since.

    A chunk therefore costs the same however long the study is.
    """

    def __init__(self, study: Study, space: Space) -> None:
        self._trials = Trial.objects.filter(study=study).order_by("pk")
        self._space = space
        self._found: set[Combination] = set()
        self._last_read = 0

    def __contains__(self, combination: object) -> bool:
        """Tell whether a trial had it, failed ones included, or has it now."""
        return combination in self._found

    def read(self, running: Iterable[Moving]) -> None:
        """Take in what others run, then the trials that were added.

        A trial another worker is just committing may get a lower key than one already read. It
        was in `running` before, so it is known all the same.
        """
        self._found.update(map(self._space.combination, running))
        added = self._trials.filter(pk__gt=self._last_read).values_list("pk", "parameters")
        for key, parameters in added:
            self._found.add(self._space.combination(parameters))
            self._last_read = key
