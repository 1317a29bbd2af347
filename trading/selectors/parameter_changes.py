"""How the parameters of a strategy at work moved of late, read from its stored decisions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trading.models import Decision, Deployment
from trading.selectors.parameter_words import parameter_label

DAYS = 30
# A month of minutes would be ten thousand decisions; of those the newest tell enough.
MOST_DECISIONS = 1_000


@dataclass(frozen=True, slots=True)
class ParameterSpan:
    """Bars in a row on which a parameter had one value in one regime; value None: not in use."""

    value: Any
    regime: str
    from_at: dt.datetime
    to_at: dt.datetime
    n_bars: int


@dataclass(frozen=True, slots=True)
class ParameterHistory:
    """One parameter over the window, oldest span first; `low` and `high` are its bounds."""

    name: str
    label: str
    spans: tuple[ParameterSpan, ...]
    low: float | None
    high: float | None

    @property
    def changed_at(self) -> dt.datetime | None:
        """Close at which it took the value it has now; None where it had it all the time."""
        last = self.spans[-1].value
        for before, after in zip(self.spans[-2::-1], self.spans[:0:-1], strict=True):
            if before.value != last:
                return after.from_at
        return None


@dataclass(frozen=True, slots=True)
class ParameterChanges:
    """Histories by name, and the window they cover: up to 30 days of market time, `n_bars` bars.

    `is_cut` says that there were more decisions in it than are read.
    """

    histories: dict[str, ParameterHistory]
    from_at: dt.datetime
    to_at: dt.datetime
    n_bars: int
    is_cut: bool


Row = tuple[dt.datetime, str, dict[str, Any]]


def parameter_changes(deployment: Deployment) -> ParameterChanges | None:
    """Read a deployment's parameters over its last 30 days; None before its first decision."""
    decisions = Decision.objects.filter(deployment=deployment).order_by("-market_at")
    newest = decisions.values_list("market_at", flat=True).first()
    if newest is None:
        return None
    within = decisions.filter(market_at__gt=newest - dt.timedelta(days=DAYS))
    found = list(within.values_list("market_at", "regime", "parameters")[: MOST_DECISIONS + 1])
    rows: list[Row] = found[:MOST_DECISIONS][::-1]
    # By name: PostgreSQL keeps the keys of an object in an order of its own.
    names = sorted({name for _, _, lines in rows for name in lines}, key=parameter_label)
    return ParameterChanges(
        histories={name: _history(name, rows) for name in names},
        from_at=rows[0][0],
        to_at=newest,
        n_bars=len(rows),
        is_cut=len(found) > MOST_DECISIONS,
    )


def _history(name: str, rows: Sequence[Row]) -> ParameterHistory:
    spans: list[ParameterSpan] = []
    low = high = None
    for at, regime, lines in rows:
        line = lines.get(name) or {}
        low, high = line.get("low", low), line.get("high", high)
        value = line.get("now")
        last = spans[-1] if spans else None
        if last is not None and (last.value, last.regime) == (value, regime):
            spans[-1] = replace(last, to_at=at, n_bars=last.n_bars + 1)
        else:
            spans.append(ParameterSpan(value, regime, at, at, 1))
    return ParameterHistory(name, parameter_label(name), tuple(spans), low, high)
