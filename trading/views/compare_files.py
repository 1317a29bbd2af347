"""Every table of a comparison as CSV: raw figures, a column a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpResponse

from elson.common.errors import NotFound
from elson.common.listing import csv_response
from trading.selectors.comparison import ComparedRun, Comparison

Table = tuple[Sequence[str], list[dict[str, Any]]]
FIGURES = "figures"
REGIME_FIGURES = (
    "n", "n_wins", "win_rate", "win_rate_low", "win_rate_high", "null_win_rate", "expectancy_bps",
)  # fmt: skip


def table_response(found: Comparison, name: str) -> HttpResponse:
    """Send one table; the figures without a name. Raises NotFound for an unknown one."""
    name = name or FIGURES
    if name not in TABLES:
        raise NotFound("table", name[:80])
    names, rows = TABLES[name](found)
    columns = [(column, lambda row, column=column: row.get(column)) for column in names]
    return csv_response(f"backtests-compared-{name}.csv", columns, rows)


def _head(run: ComparedRun) -> str:
    return f"{run.letter} #{run.backtest.pk}"


def _by_run(found: Comparison, values: Sequence[Any]) -> dict[str, Any]:
    return {_head(run): value for run, value in zip(found.runs, values, strict=True)}


def _figures(found: Comparison) -> Table:
    """One line a figure, out of sample first."""
    rows = [
        {"segment": row.segment, "figure": row.key, **_by_run(found, row.values)}
        for row in found.metrics
    ]
    return ("segment", "figure", *map(_head, found.runs)), rows


def _pairs(found: Comparison) -> Table:
    rows = [
        {
            "first": row.first,
            "second": row.second,
            "segment": row.segment,
            "n_months": row.n_months,
            "mean_difference": _known(row.mean.value),
            "mean_low": _known(row.mean.low),
            "mean_high": _known(row.mean.high),
            "sharpe_difference": _known(row.sharpe.value),
            "sharpe_low": _known(row.sharpe.low),
            "sharpe_high": _known(row.sharpe.high),
            "correlation": row.correlation,
            "trade_overlap": row.overlap,
        }
        for row in found.pairs
    ]
    names = (
        "first", "second", "segment", "n_months", "mean_difference", "mean_low", "mean_high",
        "sharpe_difference", "sharpe_low", "sharpe_high", "correlation", "trade_overlap",
    )  # fmt: skip
    return names, rows


def _regimes(found: Comparison) -> Table:
    rows = [
        {
            "regime": row.regime,
            "figure": figure,
            **_by_run(found, [(cell or {}).get(figure) for cell in row.cells]),
        }
        for row in found.regimes
        for figure in REGIME_FIGURES
    ]
    return ("regime", "figure", *map(_head, found.runs)), rows


def _settings(found: Comparison) -> Table:
    rows = [{"setting": row.label, **_by_run(found, row.values)} for row in found.settings]
    return ("setting", *map(_head, found.runs)), rows


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


TABLES: dict[str, Callable[[Comparison], Table]] = {
    FIGURES: _figures,
    "pairs": _pairs,
    "regimes": _regimes,
    "settings": _settings,
}
