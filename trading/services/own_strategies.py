"""Developers' own strategies: installed packages that name one under `elson.strategies`.

Their code may raise anything, when it is imported and at every bar.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points

import structlog

from trading.engine.errors import EngineError
from trading.engine.sources import Found

logger = structlog.get_logger(__name__)
GROUP = "elson.strategies"


class RuleFailed(EngineError):
    """A rule raised what no rule should."""

    code = "rule_failed"


@contextmanager
def rule_faults(key: str) -> Iterator[None]:
    """Turn whatever a rule raises while it is run for a page into RuleFailed."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        logger.warning("rule_failed", strategy=key, exc_info=error)
        raise RuleFailed(f"its rule raised {type(error).__name__}: {error}") from error


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
