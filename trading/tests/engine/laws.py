"""How much of a law or a matrix is tried: all in `make test`, a part in the quick suite."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from hypothesis import settings

from trading.engine.backtest import BacktestConfig
from trading.engine.own_limits import OwnLimits

Item = TypeVar("Item")
# Limits are looked at step by step; one that never binds leads there and changes nothing.
BEYOND_REACH = OwnLimits(max_gross_exposure=1e9)
IS_QUICK = settings.get_current_profile_name() == "quick"


def examples(number: int) -> settings:
    """Try ``number`` examples, fewer where the profile allows fewer (conftest.py)."""
    return settings(max_examples=min(number, settings.default.max_examples), deadline=None)


def some(items: Sequence[Item], step: int, first: int = 0) -> Sequence[Item]:
    """Return all items, in the quick suite every ``step``-th from ``first % step`` on."""
    return items[first % step :: step] if IS_QUICK else items


def length(number: int, quick: int) -> int:
    """Return how many bars a tape has: ``number``, in the quick suite as few as tell the same."""
    return quick if IS_QUICK else number


def stepping(config: BacktestConfig) -> BacktestConfig:
    """Return the run that steps: explained, but in the quick suite without the costly words."""
    if IS_QUICK:
        return replace(config, limits=BEYOND_REACH)
    return replace(config, keeps_decisions=True)
