"""One row of the panel and the judgments several checks share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trading.engine.types import RuleStatus

P_GOOD = 0.05
P_WEAK = 0.20


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check: what it found, in numbers and in a sentence."""

    key: str
    title: str
    status: RuleStatus
    sentence: str
    numbers: Mapping[str, float]


def by_p(p: float) -> RuleStatus:
    """Judge a share of chance draws at least as good as the run."""
    if p <= P_GOOD:
        return RuleStatus.PASS
    return RuleStatus.WARN if p <= P_WEAK else RuleStatus.FAIL


def no_trade(key: str, title: str) -> CheckRow:
    """Return the row of a check that needs trades and found none."""
    return CheckRow(key, title, RuleStatus.FAIL, "No completed trade to judge.", {"n": 0.0})


def not_applicable(key: str, title: str, why: str) -> CheckRow:
    """Return the row of a check that says nothing about this run, and why."""
    return CheckRow(key, title, RuleStatus.NOT_APPLICABLE, why, {"n": 0.0})
