"""Verify a strategy on folders of bars: read, check, test, and round for the record."""

from __future__ import annotations

import csv
import datetime as dt
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from elson.common.errors import DomainError
from trading.engine.evidence.rules import rule_get
from trading.engine.evidence.verification import PROTOCOLS, TrialCount, verify
from trading.services.backtests.manifest import code_identity
from trading.services.evidence.folders import EvidenceFolder, folder_read

TRIAL_LEDGER = Path("docs", "research", "win-rate-trials.csv")
SIGNIFICANT_DIGITS = 9
READING_SHARE = 0.15

Progress = Callable[[float, str], None]


class VerificationRefused(DomainError):
    """A verification cannot begin; the sentence says why."""

    title = "The verification cannot begin"


def verification_run(
    *,
    path: Path,
    strategy_key: str,
    now: dt.datetime,
    progress: Progress,
    train_path: Path | None = None,
    protocol: str = PROTOCOLS[0],
) -> dict[str, Any]:
    """Test a strategy on a folder; reads no database and stores nothing.

    The same folders, code and strategy give the same report to the last byte. Raises
    VerificationRefused, FolderRefused, FileRefused or an engine error before any test has begun.
    """
    if protocol not in PROTOCOLS:
        raise VerificationRefused(
            "PROTOCOL_UNKNOWN",
            f"there is no protocol {protocol!r}; known: {', '.join(PROTOCOLS)}",
            field="protocol",
        )
    rule_get(strategy_key)
    trials = trials_counted()
    data = folder_read(path, now=now, progress=partial(_part, progress, 0.0, READING_SHARE / 2))
    training = None
    if train_path is not None:
        reading = partial(_part, progress, READING_SHARE / 2, READING_SHARE)
        training = folder_read(train_path, now=now, progress=reading)
    tables = verify(
        data.instruments,
        strategy_key,
        trials=trials,
        training=None if training is None else training.instruments,
        progress=partial(_part, progress, READING_SHARE, 1.0),
    )
    head = {
        "protocol": protocol,
        "strategy": strategy_key,
        "data": _folder_values(data),
        "train_data": None if training is None else _folder_values(training),
        "code": code_identity(),
    }
    report: dict[str, Any] = rounded(head | tables)
    return report


def trials_counted() -> TrialCount:
    """Count the configurations research ever evaluated and the spread of their Sharpe ratios."""
    path = settings.BASE_DIR / TRIAL_LEDGER
    if not path.is_file():
        raise VerificationRefused(
            "TRIALS_MISSING", f"the trial ledger {TRIAL_LEDGER} is missing: luck cannot be judged"
        )
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    ratios = [float(row["sharpe_ratio"]) for row in rows if row["sharpe_ratio"]]
    return TrialCount(
        n_trials=len(rows), sharpe_std=statistics.stdev(ratios) if len(ratios) > 1 else 0.0
    )


def rounded(value: Any) -> Any:
    """Round floats to nine significant digits, so that a report reads the same everywhere."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def _folder_values(folder: EvidenceFolder) -> dict[str, Any]:
    spans = [each.bars.closed_at for each in folder.instruments]
    return {
        "name": folder.name,
        "sha256": folder.sha256,
        "n_instruments": len(folder.instruments),
        "n_bars": folder.n_bars,
        "first_date": _date(min(int(span[0]) for span in spans)),
        "last_date": _date(max(int(span[-1]) for span in spans)),
        "symbols": [each.symbol for each in folder.instruments],
        "left_out": list(folder.left_out),
    }


def _date(nanoseconds: int) -> str:
    return dt.datetime.fromtimestamp(nanoseconds // 10**9, tz=dt.UTC).date().isoformat()


def _part(progress: Progress, low: float, high: float, share: float, text: str) -> None:
    progress(low + (high - low) * share, text)
