"""Which tests one parallel worker keeps to itself.

pytest-xdist's own groups are a suffix that it writes into ids, which pytest 9.2 no longer reads:
every file and the journeys were spread over both workers, with two products beside each other.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

JOURNEYS = "elson/tests/journeys/"


def group_of(nodeid: str) -> str:
    """Return what goes together: the file, or all journeys."""
    return JOURNEYS if nodeid.startswith(JOURNEYS) else nodeid.partition("::")[0]


class ByFile(LoadScopeScheduling):
    """Scopes in the order they are collected, so that the journeys, the longest, begin early."""

    def __init__(self, config: Any, log: Any = None) -> None:
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
