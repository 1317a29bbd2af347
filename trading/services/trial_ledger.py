"""Counting what was ever tried; called in the transaction that writes the result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from trading.models import TrialLedgerEntry

if TYPE_CHECKING:
    from trading.models import Backtest, Study


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
    entries: Iterable[TrialLedgerEntry] = (
        TrialLedgerEntry(
            user_id=study.user_id,
            strategy_key=study.strategy_key,
            instrument_id=study.instrument_id,
            source_key=f"trial:{study.pk}:{number}",
            bar_sharpe=sharpe,
            n_bars=n_bars,
            created_at=now,
        )
        for number, sharpe in sharpes.items()
    )
    TrialLedgerEntry.objects.bulk_create(entries, ignore_conflicts=True)
