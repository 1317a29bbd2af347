"""Developers' own strategies: installed packages that name one under `elson.strategies`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

import structlog

from trading.engine.sources import Found

logger = structlog.get_logger(__name__)
GROUP = "elson.strategies"


def own_strategies() -> Iterator[Found]:
    """Load each entry point of the group; one that fails is reported, the others are found."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        yield _found(point)


def _found(point: EntryPoint) -> Found:
    try:
        return Found(point.name, spec=point.load())
    # Whatever somebody else's module raises while it is imported must not stop the platform,
    # nor must its own wish to exit.
    except (Exception, SystemExit) as error:
        package = point.dist.name if point.dist else "an unknown package"
        problem = f"{point.value} of {package} raised {type(error).__name__}: {error}"
        logger.warning("own_strategy_failed", strategy=point.name, problem=problem)
        return Found(point.name, problem=problem)
