"""What the trials of a study have tried: nothing is suggested twice, or parsed twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from trading.engine.search.sampling import Moving
from trading.engine.search.space import Combination, Space
from trading.models import Study, Trial

# What is read of a trial.
COLUMNS = ("pk", "number", "parameters")


class Tried:
    """What one worker knows during its turn: all trials once, later only those added since.

    A chunk therefore costs the same however long the study is.
    """

    def __init__(self, study: Study, space: Space) -> None:
        self._trials = Trial.objects.filter(study=study).order_by("pk")
        self._space = space
        self._found: set[Combination] = set()
        self._movings: dict[int, Moving] = {}
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
        for key, number, moving in self._trials.filter(pk__gt=self._last_read).values_list(
            *COLUMNS
        ):
            self._found.add(self._space.combination(moving))
            self._movings[number] = moving
            self._last_read = key

    def movings(self, numbers: Collection[int]) -> dict[int, Moving]:
        """Return what moved in trials, by their numbers; what it has not read it asks for.

        Parsing them anew for every few suggestions would cost more than a suggestion.
        """
        missed = [number for number in numbers if number not in self._movings]
        if missed:
            rows = self._trials.filter(number__in=missed).values_list("number", "parameters")
            self._movings |= dict(rows)
        return {number: self._movings[number] for number in numbers}
