"""Counting what was ever tried, before or in the transaction that shows what it was worth."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from trading.models import TrialLedgerEntry
from trading.selectors.studies import TrialCount, trials_counted

if TYPE_CHECKING:
    from trading.models import Study


@dataclass(frozen=True, slots=True)
class Family:
    """Trials that are judged together: one person's of one strategy on one instrument."""

    user_id: int
    strategy_key: str
    instrument_id: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What trials share that differ in parameters: bars by their hash, capital, costs, model.

    The same evaluation of the same parameters is one trial, however often it is made. Studies and
    commands score on folds, a run on its whole span: their contents differ, so runs count among
    themselves.
    """

    family: Family
    content: Mapping[str, Any]

    def key(self, parameters: Mapping[str, Any]) -> str:
        """Return what the ledger counts once."""
        whole = [asdict(self.family), dict(self.content), dict(parameters)]
        text = json.dumps(whole, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=24).hexdigest()


def backtest_counted(
    *, evaluations: Iterable[tuple[Family, str]], bar_sharpe: float, n_bars: int, now: dt.datetime
) -> None:
    """Append a simulated backtest for each of its instruments; a second call changes nothing.

    Call it before anybody sees a figure: who cancels what he has seen has tried it.
    """
    for family, key in evaluations:
        _append(family, {key: bar_sharpe}, n_bars, now)


def trials_append(
    *, study: Study, sharpes: Mapping[str, float], n_bars: int, now: dt.datetime
) -> None:
    """Append finished trials by their keys; those already counted stay as they are."""
    family = Family(study.user_id, study.strategy_key, study.instrument_id)
    _append(family, sharpes, n_bars, now)


def search_counted(
    *, family: Family, sharpes: Mapping[str, float], n_bars: int, now: dt.datetime
) -> TrialCount:
    """Append trials of a search outside the platform; return how many there ever were."""
    with transaction.atomic():
        _append(family, sharpes, n_bars, now)
        return trials_counted(**asdict(family))


def _append(family: Family, sharpes: Mapping[str, float], n_bars: int, now: dt.datetime) -> None:
    entries: Iterable[TrialLedgerEntry] = (
        TrialLedgerEntry(
            **asdict(family), source_key=key, bar_sharpe=sharpe, n_bars=n_bars, created_at=now
        )
        for key, sharpe in sharpes.items()
    )
    TrialLedgerEntry.objects.bulk_create(entries, ignore_conflicts=True)
