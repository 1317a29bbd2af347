"""Keep what a verification found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from trading.models import ModelPerformance


@transaction.atomic
def performance_record(*, report: Mapping[str, Any], now: dt.datetime) -> ModelPerformance:
    """Store one report of `verify_win_rates`; every run is a new row."""
    row = ModelPerformance(
        protocol=report["protocol"],
        strategy_key=report["strategy"],
        data_hash=report["data"]["sha256"],
        train_data_hash=report["train_data"]["sha256"] if report["train_data"] else "",
        code_version=report["code"]["revision"] or report["code"]["version"],
        n_instruments=report["data"]["n_instruments"],
        n_round_trips=report["all"]["n"],
        is_met=not report["missed"],
        goals=report["goals"],
        missed=report["missed"],
        report=report,
        created_at=now,
    )
    row.save()
    return row
