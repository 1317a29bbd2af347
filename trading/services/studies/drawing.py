"""The combinations of a search that are decided before it starts; TPE decides on the way."""

from __future__ import annotations

from collections.abc import Sequence

from trading.engine.search import Space, grid, random_trials
from trading.engine.search.sampling import Moving
from trading.models import Study


def trials_drawn(space: Space, *, method: str, seed: int, n_trials: int) -> Sequence[Moving]:
    """Return every combination, the first trial's first: the same for all workers, and at any time.

    A longer list begins with the shorter one. Empty for TPE.
    """
    if method == Study.Method.GRID:
        return grid(space)
    if method == Study.Method.RANDOM:
        return random_trials(space, seed, n_trials)
    return ()
