"""Counting what was ever tried; called in the transaction that writes the result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from trading.models import TrialLedgerEntry
from trading.selectors.studies import TrialCount, trials_counted

if TYPE_CHECKING:
    from trading.models import Backtest, Study


@dataclass(frozen=True, slots=True)
class Family:
    """Trials that are judged together: one person's of one strategy on one instrument."""

    user_id: int
    strategy_key: str
    instrument_id: int


def backtest_counted(
    *, backtest: Backtest, bar_sharpe: float, n_bars: int, now: dt.datetime
) -> None:
    """Append a finished backtest; a second call changes nothing."""
    entry = TrialLedgerEntry(
        user_id=backtest.user_id,
        strategy_key=backtest.strategy_key,
        instrument_id=backtest.instrument_id,
        source_key=f"backtest:{backtest.pk}",
        bar_sharpe=bar_sharpe,
        n_bars=n_bars,
        created_at=now,
    )
    TrialLedgerEntry.objects.bulk_create([entry], ignore_conflicts=True)


def trials_append(
    *, study: Study, sharpes: Mapping[int, float], n_bars: int, now: dt.datetime
) -> None:
    """Append finished trials by number; those already counted stay as they are."""
    family = Family(study.user_id, study.strategy_key, study.instrument_id)
    _append(family, f"trial:{study.pk}", sharpes, n_bars, now)


def search_counted(
    *,
    family: Family,
    search_id: str,
    sharpes: Mapping[int, float],
    n_bars: int,
    now: dt.datetime,
) -> TrialCount:
    """Append the trials of a search outside the platform; return how many there ever were.

    The same search again counts nothing twice.
    """
    with transaction.atomic():
        _append(family, f"search:{family.user_id}:{search_id}", sharpes, n_bars, now)
        return trials_counted(**asdict(family))


def _append(
    family: Family, source: str, sharpes: Mapping[int, float], n_bars: int, now: dt.datetime
) -> None:
    entries: Iterable[TrialLedgerEntry] = (
        TrialLedgerEntry(
            **asdict(family),
            source_key=f"{source}:{number}",
            bar_sharpe=sharpe,
            n_bars=n_bars,
            created_at=now,
        )
        for number, sharpe in sharpes.items()
    )
    TrialLedgerEntry.objects.bulk_create(entries, ignore_conflicts=True)
