"""Comparing runs: what the plan allows, and the same runs again over the days they share."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.db import transaction

from accounts.selectors import entitlement_value
from elson.common.errors import Conflict, Forbidden
from trading.models import Backtest
from trading.selectors.comparison import ComparedRun, Comparison
from trading.services.backtests.requests import backtest_request, draft_of
from trading.services.keys import KeyReused

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
def comparison_rerun(
    *, user: User, comparison: Comparison, now: dt.datetime, client_key: str = ""
) -> list[Backtest]:
    """Ask for every run that covers other days again over the common span, all or none.

    Returns the runs to compare, in order: new ones, and those that cover the common span already.
    The same client key again returns those of the first time. Raises Conflict without a common
    span, KeyReused when the key was for other runs, TooMany when the plan allows no more.
    """
    # The lock makes two requests with one key follow each other.
    get_user_model().objects.select_for_update().get(pk=user.pk)
    keys = _keys_of(client_key, comparison)
    if keys and (made := _made_before(user, comparison, keys)):
        return made
    first, last = comparison.common_from, comparison.common_to
    if first is None or last is None or comparison.has_common_span:
        raise Conflict("NO_OTHER_SPAN", "These runs share no span other than their own.")
    return [
        _again(user, run, first, last, now, keys.get(run.backtest.pk, ""))
        for run in _finished(comparison.runs)
    ]


def _keys_of(client_key: str, comparison: Comparison) -> dict[int, str]:
    """Return the key of each run's copy: the caller's, all runs that were named, and which it is.

    Shortened by digests, so that any key fits the column.
    """
    if not client_key:
        return {}
    ids = [run.backtest.pk for run in comparison.runs]
    named = _digest(",".join(map(str, ids)))
    return {pk: f"compare:{_digest(client_key)}:{named}:{pk}" for pk in ids}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _made_before(user: User, comparison: Comparison, keys: Mapping[int, str]) -> list[Backtest]:
    """Return what the key gave the first time, nothing for a new key; raise KeyReused."""
    prefix = next(iter(keys.values())).rsplit(":", 2)[0]
    rows = Backtest.objects.filter(user=user, client_key__startswith=f"{prefix}:")
    found = {row.client_key: row for row in rows}
    if not found:
        return []
    if not found.keys() <= set(keys.values()):
        first = min(found.values(), key=lambda row: row.pk)
        raise KeyReused(
            "IDEMPOTENCY_KEY_REUSED",
            f"This key already started backtest #{first.pk} for a comparison of other runs; "
            "use a new one.",
            field="client_key",
        )
    spans = {(row.start_date, row.end_date) for row in found.values()}
    copies = [(found.get(keys[run.backtest.pk]), run) for run in comparison.runs]
    return [
        copy or run.backtest for copy, run in copies if copy or (run.first_on, run.last_on) in spans
    ]


def _again(
    user: User, run: ComparedRun, first: dt.date, last: dt.date, now: dt.datetime, client_key: str
) -> Backtest:
    if (run.first_on, run.last_on) == (first, last):
        return run.backtest
    draft = dataclasses.replace(draft_of(run.backtest), start_date=first, end_date=last)
    split = draft.out_of_sample_from
    if split and not first < split <= last:
        # The chosen day lies outside the common span; the share still tells how much to keep.
        draft = dataclasses.replace(draft, out_of_sample_from=None)
    return backtest_request(
        user=user, draft=draft, now=now, client_key=client_key, rerun_of=run.backtest
    )


def _finished(runs: Sequence[ComparedRun]) -> list[ComparedRun]:
    return [run for run in runs if run.result is not None]
