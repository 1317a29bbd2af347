"""Whether a version's probabilities came true over time: live, or in its walk-forward test."""

from __future__ import annotations

import datetime as dt

from marketdata.selectors import nanoseconds
from trading.engine.learning.reliability import Reliability, by_quarter, rolling
from trading.models import ModelVersion
from trading.selectors.model_versions import prediction_list


def reliability_rows(
    version: ModelVersion, *, is_live: bool, n_quarters: int = 1, since: dt.datetime | None = None
) -> list[Reliability]:
    """Return one row per calendar quarter with results, oldest first, over the last `n_quarters`.

    Live rows go by the market time of the predictions recorded since a time; tested rows are what
    the version's own test stored, none for a version tested before quarters were kept.
    """
    if is_live:
        found = prediction_list(version, since=since).filter(net_return__isnull=False)
        values = found.values_list("market_at", "probability", "net_return")
        columns = list(zip(*values, strict=True)) or [(), (), ()]
        rows = by_quarter([nanoseconds(at) for at in columns[0]], columns[1], columns[2])
    else:
        stored = version.metrics.get("by_quarter") or []
        rows = tuple(Reliability.from_dict(row) for row in stored)
    return list(rolling(rows, n_quarters))
