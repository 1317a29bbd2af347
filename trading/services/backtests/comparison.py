"""Comparing runs: what the plan allows, and the same runs again over the days they share."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction

from accounts.selectors import entitlement_value
from elson.common.errors import Conflict, Forbidden
from trading.models import Backtest
from trading.selectors.comparison import ComparedRun, Comparison
from trading.services.backtests.requests import backtest_request, draft_of

if TYPE_CHECKING:
    from accounts.models import User

COMPARE = "backtests.compare"


class CompareLimit(Forbidden):
    """The plan compares fewer runs at once."""


def compare_limit(*, user: User, now: dt.datetime) -> int:
    """Return how many runs a person's plan compares at once."""
    return entitlement_value(user, COMPARE, now=now)


def compare_check(*, user: User, n_runs: int, now: dt.datetime) -> None:
    """Raise CompareLimit when the plan compares fewer than `n_runs`."""
    allowed = compare_limit(user=user, now=now)
    if n_runs > allowed:
        raise CompareLimit(
            "COMPARE_LIMIT",
            f"Your plan compares {allowed} runs at once, {n_runs} were asked for.",
            limit=allowed,
            found=n_runs,
        )


@transaction.atomic
def comparison_rerun(*, user: User, comparison: Comparison, now: dt.datetime) -> list[Backtest]:
    """Ask for every run that covers other days again over the common span, all or none.

    Returns the runs to compare, in order: new ones, and those that cover the common span already.
    Raises Conflict without a common span, TooMany when the plan allows no more.
    """
    first, last = comparison.common_from, comparison.common_to
    if first is None or last is None or comparison.has_common_span:
        raise Conflict("NO_OTHER_SPAN", "These runs share no span other than their own.")
    return [_again(user, run, first, last, now) for run in _finished(comparison.runs)]


def _again(
    user: User, run: ComparedRun, first: dt.date, last: dt.date, now: dt.datetime
) -> Backtest:
    if (run.first_on, run.last_on) == (first, last):
        return run.backtest
    draft = dataclasses.replace(draft_of(run.backtest), start_date=first, end_date=last)
    split = draft.out_of_sample_from
    if split and not first < split <= last:
        # The chosen day lies outside the common span; the share still tells how much to keep.
        draft = dataclasses.replace(draft, out_of_sample_from=None)
    return backtest_request(user=user, draft=draft, now=now, rerun_of=run.backtest)


def _finished(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    return [run for run in runs if run.result is not None]
