"""Every table of an optimization as CSV, sorted and filtered as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from elson.common.errors import NotFound
from elson.common.listing import csv_response
from trading.api.studies import trial_columns
from trading.selectors.studies import trial_list, trials_ranked
from trading.selectors.study_maps import heat, points_of

TRIALS = "trials"


def table_response(study: Any, name: str, chosen: Mapping[str, Any]) -> HttpResponse:
    """Send one table; the leaderboard without a name. Raises NotFound for an unknown one."""
    name = name or TRIALS
    if name not in TABLES:
        raise NotFound("table", name[:80])
    columns, rows = TABLES[name](study, chosen)
    return csv_response(f"optimization-{study.pk}-{name}.csv", columns, rows)


def _trials(study: Any, chosen: Mapping[str, Any]) -> Any:
    rows = trial_list(study, sort=chosen["sort"], best_percent=chosen["percent"])
    return trial_columns(study), rows


def _failed(study: Any, chosen: Mapping[str, Any]) -> Any:
    moving = [
        (name, lambda trial, name=name: trial.parameters.get(name, "")) for name in study.space
    ]
    columns = [("number", lambda trial: trial.number), ("error", lambda trial: trial.error)]
    return [*columns, *moving], trial_list(study, failed=True)


def _heat(study: Any, chosen: Mapping[str, Any]) -> Any:
    """One line a row of the map; a cell is the middle objective of its trials."""
    nothing: dict[str, Any] = {"columns": [], "rows": []}
    found = heat(trials_ranked(study), set(), chosen["x"], chosen["y"]) or nothing
    across = [
        (f"{chosen['x']} {label}", lambda row, k=k: row["cells"][k]["value"])
        for k, label in enumerate(found["columns"])
    ]
    return [(chosen["y"], _place), *across], found["rows"]


def _place(row: Mapping[str, Any]) -> Any:
    """Return the value of a line of the map, or the range it covers as [low, high]."""
    low, high = row["span"]
    return low if low == high else f"[{low:.6g}, {high:.6g}]"


def _points(study: Any, chosen: Mapping[str, Any]) -> Any:
    found = points_of(study)
    names = ["number", *found["axes"], "objective"]
    return [(name, lambda row, name=name: row[name]) for name in names], found["rows"]


TABLES = {TRIALS: _trials, "failed": _failed, "heat": _heat, "lines": _points}
